"use strict";

const $ = (id) => document.getElementById(id);
const POLL_MILLISECONDS = 2000;
let mails = [];

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function plainText(mail) {
  if (mail.text) return mail.text;
  // Parsed aside and read as text only: nothing of it runs or loads.
  return new DOMParser().parseFromString(mail.html, "text/html").body.textContent.trim();
}

function withLinks(text) {
  const parts = text.split(/(https?:\/\/[^\s<>"]+)/);
  return parts.map((part, index) => {
    if (index % 2 === 0) return document.createTextNode(part);
    const link = element("a", "", part);
    link.href = part;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    return link;
  });
}

function draw() {
  const chosen = mails.find((mail) => `#/${mail.id}` === location.hash);
  $("mails").replaceChildren(...mails.map((mail) => {
    const row = element("li");
    const link = element("a");
    link.href = `#/${mail.id}`;
    if (mail === chosen) link.setAttribute("aria-current", "true");
    const avatar = element("span", "avatar", (mail.to[0] || "?").slice(0, 2).toUpperCase());
    avatar.style.setProperty("--tint", "#3f6b8f");
    avatar.setAttribute("aria-hidden", "true");
    const at = new Date(mail.received_at);
    const time = element("time", "when", at.toLocaleTimeString([], { hour: "numeric", minute: "2-digit" }));
    link.append(avatar, element("span", "number", mail.subject || "(no subject)"), time, element("span", "last", mail.to.join(", ")));
    row.append(link);
    return row;
  }));
  $("no-mails").hidden = mails.length > 0;
  $("app").dataset.view = chosen ? "thread" : "list";
  for (const id of ["mail-bar", "mail"]) $(id).hidden = !chosen;
  $("welcome").hidden = Boolean(chosen);
  if (!chosen || $("mail").dataset.id === String(chosen.id)) return;
  $("mail").dataset.id = chosen.id;
  $("subject").textContent = chosen.subject || "(no subject)";
  $("sender").textContent = chosen.sender;
  $("to").textContent = chosen.to.join(", ");
  $("received").textContent = new Date(chosen.received_at).toLocaleString();
  $("text").replaceChildren(...withLinks(plainText(chosen)));
}

async function poll() {
  try {
    const response = await fetch("/emulator/mailbox");
    const loaded = (await response.json()).mails;
    $("link-state").textContent = "";
    if (JSON.stringify(loaded.map((mail) => mail.id)) !== JSON.stringify(mails.map((mail) => mail.id)) || !mails.length) {
      mails = loaded;
      draw();
    }
  } catch {
    $("link-state").textContent = "Not connected";
  }
  setTimeout(poll, POLL_MILLISECONDS);
}

window.addEventListener("hashchange", draw);
poll();
