"use strict";

// Everything that people typed goes into the page as text nodes, never as markup.

const $ = (id) => document.getElementById(id);
const MAX_FILE_BYTES = 5 * 1024 * 1024;
const TINTS = ["#3f6b8f", "#6b5b95", "#2f7d6b", "#a0522d", "#7a5c3e", "#55708a", "#8a4f6d", "#4b6f44"];

const state = { phones: [], companies: [], seen: new Map(), phone: "", company: "", threads: [], files: [], sending: false };

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

async function getJson(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
  return response.json();
}

function pretty(number) {
  const parts = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(number);
  return parts ? `(${parts[1]}) ${parts[2]}-${parts[3]}` : number;
}

function tint(number) {
  let sum = 0;
  for (const character of number) sum = (sum * 31 + character.codePointAt(0)) % 9973;
  return TINTS[sum % TINTS.length];
}

function sameDay(left, right) {
  return left.toDateString() === right.toDateString();
}

function clockTime(date) {
  return date.toLocaleTimeString([], { hour: "numeric", minute: "2-digit" });
}

function shortTime(date) {
  return sameDay(date, new Date()) ? clockTime(date) : date.toLocaleDateString([], { month: "short", day: "numeric" });
}

function address(phone, company) {
  return `#/${encodeURIComponent(phone)}${company ? `/${encodeURIComponent(company)}` : ""}`;
}

function readAddress() {
  let [, phone = "", company = ""] = location.hash.split("/");
  try {
    [phone, company] = [decodeURIComponent(phone), decodeURIComponent(company)];
  } catch {
    [phone, company] = ["", ""]; // An address that somebody mistyped.
  }
  if (phone !== state.phone || company !== state.company) {
    $("note").textContent = "";
    $("bubbles").replaceChildren();
  }
  state.phone = phone;
  state.company = company;
}

function drawPhones() {
  const rows = state.phones.map((phone) => {
    const row = element("li");
    const link = element("a");
    link.href = address(phone.number, "");
    if (phone.number === state.phone) link.setAttribute("aria-current", "true");
    const avatar = element("span", "avatar", phone.number.slice(-2));
    avatar.style.setProperty("--tint", tint(phone.number));
    avatar.setAttribute("aria-hidden", "true");
    link.append(avatar, element("span", "number", pretty(phone.number)));
    if (phone.last) {
      const at = new Date(phone.last.at);
      const text = phone.last.body || (phone.last.media ? "Picture" : "");
      link.append(element("time", "when", shortTime(at)), element("span", "last", (phone.last.mine ? "You: " : "") + text));
      const seen = state.seen.get(phone.number);
      if (phone.number === state.phone || seen === undefined) state.seen.set(phone.number, phone.last.at);
      else if (!phone.last.mine && seen < phone.last.at) link.classList.add("fresh");
    }
    row.append(link);
    return row;
  });
  $("phones").replaceChildren(...rows);
  $("no-phones").hidden = rows.length > 0;
}

function drawThreads() {
  const known = new Set(state.threads.map((thread) => thread.number));
  const pills = state.threads.map((thread) => {
    const pill = element("a", "pill", thread.company);
    pill.append(element("small", "", pretty(thread.number)));
    pill.href = address(state.phone, thread.number);
    if (thread.number === state.company) pill.setAttribute("aria-current", "true");
    return pill;
  });
  const others = state.companies.filter((company) => !known.has(company.number));
  if (others.length) {
    const picker = element("select", "pill");
    picker.setAttribute("aria-label", "Text another company number");
    picker.append(new Option("Text another number…", ""));
    for (const company of others) picker.append(new Option(`${company.company} ${pretty(company.number)}`, company.number));
    if (others.some((company) => company.number === state.company)) {
      picker.value = state.company;
      picker.setAttribute("aria-current", "true");
    }
    picker.addEventListener("change", () => { location.hash = address(state.phone, picker.value); });
    pills.push(picker);
  }
  // A picker that is open must not be replaced under the person's hand.
  if (document.activeElement?.tagName !== "SELECT") $("threads").replaceChildren(...pills);
  $("threads").hidden = pills.length === 0;
}

function bubble(message) {
  if (message.status === "failed" || message.status === "undelivered") {
    return element("li", "lost", `A text did not arrive (${message.status}, ${message.error_code})`);
  }
  const item = element("li", message.mine ? "bubble mine" : "bubble");
  for (const media of message.media) {
    if (media.picture) {
      const picture = element("img");
      picture.src = media.url;
      picture.alt = "Picture";
      picture.addEventListener("load", stayAtEnd);
      item.append(picture);
    } else {
      const link = element("a", "said", media.content_type);
      link.href = media.url;
      item.append(link);
    }
  }
  if (message.body) item.append(element("span", "said", message.body));
  const at = new Date(message.at);
  const time = element("time", "", clockTime(at));
  time.dateTime = message.at;
  item.append(time);
  return item;
}

let atEnd = true;

function stayAtEnd() {
  if (atEnd) $("bubbles").scrollTop = $("bubbles").scrollHeight;
}

function drawBubbles() {
  const list = $("bubbles");
  const thread = state.threads.find((candidate) => candidate.number === state.company);
  // What has not left the network yet is not on the phone.
  const arrived = (thread ? thread.messages : []).filter((message) => !["queued", "sending"].includes(message.status));
  const wanted = [];
  let day = null;
  for (const message of arrived) {
    const at = new Date(message.at);
    if (!day || !sameDay(day, at)) {
      const label = sameDay(at, new Date()) ? "Today" : at.toLocaleDateString([], { weekday: "long", month: "long", day: "numeric" });
      wanted.push({ key: `day ${at.toDateString()}`, make: () => element("li", "day", label) });
      day = at;
    }
    const lost = message.status === "failed" || message.status === "undelivered";
    wanted.push({ key: `${message.sid} ${lost} ${message.body} ${message.media.length}`, make: () => bubble(message) });
  }
  // Bubbles that are there already stay: pictures do not flicker, and screen readers hear only what is new.
  let index = 0;
  for (; index < wanted.length && list.children[index]?.dataset.key === wanted[index].key; index += 1);
  while (list.children.length > index) list.lastElementChild.remove();
  for (const { key, make } of wanted.slice(index)) {
    const item = make();
    item.dataset.key = key;
    list.append(item);
  }
  stayAtEnd();
}

function drawPhone() {
  const open = state.phone !== "";
  $("app").dataset.view = open ? "thread" : "list";
  for (const id of ["phone-bar", "bubbles", "composer"]) $(id).hidden = !open;
  $("welcome").hidden = open;
  $("threads").hidden = !open;
  document.title = open ? `${pretty(state.phone)} · Customers' phones` : "Customers' phones";
  if (!open) return;
  $("phone-number").textContent = pretty(state.phone);
  $("avatar").textContent = state.phone.slice(-2);
  $("avatar").style.setProperty("--tint", tint(state.phone));
  drawThreads();
  drawBubbles();
  $("send").disabled = state.sending || !state.company;
}

async function refresh() {
  const list = await getJson("/emulator/phones");
  state.phones = list.phones;
  state.companies = list.companies;
  if (state.phone) {
    const phone = state.phone;
    const shown = await getJson(`/emulator/phones/${encodeURIComponent(phone)}`);
    if (phone !== state.phone) return;
    state.threads = shown.threads;
    if (!state.company) state.company = (shown.threads[0] || list.companies[0] || { number: "" }).number;
  }
  drawPhones();
  drawPhone();
}

let refreshing = null;
let again = false;

function refreshSoon() {
  if (refreshing) { again = true; return; }
  refreshing = refresh().catch(() => { $("link-state").textContent = "Not connected"; }).finally(() => {
    refreshing = null;
    if (again) { again = false; refreshSoon(); }
  });
}

function drawChips() {
  $("chips").replaceChildren(...state.files.map((file, index) => {
    const row = element("li");
    const button = element("button", "", `${file.name} ×`);
    button.type = "button";
    button.setAttribute("aria-label", `Remove ${file.name}`);
    button.addEventListener("click", () => { state.files.splice(index, 1); drawChips(); });
    row.append(button);
    return row;
  }));
}

function readFile(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve({ name: file.name, url: reader.result });
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

async function attach() {
  const chosen = [...$("files").files];
  $("files").value = "";
  const small = chosen.filter((file) => file.size <= MAX_FILE_BYTES);
  $("note").textContent = small.length < chosen.length ? "A picture may have at most 5 MB." : "";
  state.files.push(...(await Promise.all(small.map(readFile))));
  state.files.splice(10);
  drawChips();
}

function verdict(result) {
  if (!result.webhook) return "This number has no webhook: nobody was told of the text.";
  if (result.webhook.error) return `The company's server did not take the text: ${result.webhook.error}.`;
  return "";
}

async function send(event) {
  event.preventDefault();
  const body = $("text").value;
  if (state.sending || !state.company || (!body.trim() && !state.files.length)) return;
  state.sending = true;
  atEnd = true;
  $("send").disabled = true;
  $("note").textContent = "";
  const text = { from: state.phone, to: state.company, body, media_urls: state.files.map((file) => file.url) };
  $("text").value = "";
  state.files = [];
  drawChips();
  fitText();
  try {
    const response = await fetch("/emulator/inbound", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(text),
    });
    const result = await response.json();
    $("note").textContent = response.ok ? verdict(result) : `Not sent: ${result.error}`;
    if (!response.ok) $("text").value = body;
  } catch {
    $("note").textContent = "Not sent: the emulator does not answer.";
    $("text").value = body;
  }
  state.sending = false;
  refreshSoon();
  $("text").focus();
}

function dial(event) {
  event.preventDefault();
  const typed = $("dial-number").value.trim();
  const digits = typed.replace(/[^\d+]/g, "");
  const number = digits.startsWith("+") ? digits : `+${digits.length === 10 ? "1" : ""}${digits}`;
  if (!/^\+[1-9]\d{6,14}$/.test(number)) {
    $("dial-problem").textContent = "Type a whole number with its country code, such as +1 602 555 0147.";
    return;
  }
  $("dial-problem").textContent = "";
  $("dial-number").value = "";
  location.hash = address(number, "");
}

function fitText() {
  const text = $("text");
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`;
}

function start() {
  $("dial").addEventListener("submit", dial);
  $("composer").addEventListener("submit", send);
  $("files").addEventListener("change", attach);
  $("text").addEventListener("input", fitText);
  $("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
  });
  $("bubbles").addEventListener("scroll", () => {
    const list = $("bubbles");
    atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  });
  window.addEventListener("hashchange", () => { atEnd = true; readAddress(); refreshSoon(); });
  const events = new EventSource("/emulator/events");
  events.onmessage = refreshSoon;
  events.onopen = () => { $("link-state").textContent = ""; };
  events.onerror = () => { $("link-state").textContent = "Not connected"; };
  readAddress();
  refreshSoon();
}

start();
