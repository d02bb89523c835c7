// Before the first paint, so that a dark room is not lit up white. A file of its own, because no inline script may run.
(function () {
  var chosen = null;
  try {
    chosen = window.localStorage.getItem("ringfence-colour-scheme");
  } catch {
    // Storage may be switched off; then the system decides.
  }
  var dark = chosen === "dark" || (chosen !== "light" && window.matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
})();
