// The token stands after "#", so it never reaches a server's log; it leaves the address bar and history at once.
const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
// Another link pasted into this tab only changes the part after "#".
addEventListener("hashchange", () => location.reload());

const form = document.getElementById("reset");
const problem = document.getElementById("problem");
const status = document.getElementById("status");
const button = document.getElementById("send");
const fields = { password: form.elements.password, again: form.elements.again };

function showProblem(text, field) {
  for (const input of Object.values(fields)) input.removeAttribute("aria-invalid");
  problem.textContent = text;
  problem.hidden = false;
  status.textContent = "";
  if (field) {
    field.setAttribute("aria-invalid", "true");
    field.focus();
  } else {
    problem.focus();
  }
}

function setBusy(busy) {
  button.setAttribute("aria-disabled", String(busy));
  if (busy) {
    problem.hidden = true;
    status.textContent = "Sending…";
  }
}

async function reset() {
  const answer = await fetch("/api/auth/password-reset/confirm", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token, password: fields.password.value }),
  });
  if (answer.ok) {
    form.hidden = true;
    problem.hidden = true;
    status.textContent = "Your password is set. Log in with it; you were logged out everywhere.";
    return;
  }
  const found = await answer.json();
  if (found.code === "reset_invalid") form.hidden = true;
  showProblem(found.detail, found.code === "weak_password" ? fields.password : null);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (button.getAttribute("aria-disabled") === "true") return;
  if (fields.password.value !== fields.again.value) {
    showProblem("The two passwords are not the same.", fields.again);
    return;
  }
  setBusy(true);
  try {
    await reset();
  } catch {
    showProblem("The server could not be reached. Check your connection and try again.", null);
  } finally {
    setBusy(false);
  }
});

if (token) {
  form.hidden = false;
  fields.password.focus();
} else {
  showProblem("This address holds no link. Open the whole link you were given, or ask for a new one.", null);
}
