// Swaps sections that the server has rendered, and counts lifetimes down. The page works without it, but is not live.
"use strict";

const spoken = (seconds) => {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  const two = (number) => String(number).padStart(2, "0");
  return h ? `${h} h ${two(m)} min` : m ? `${m} min ${two(s)} s` : `${s} s`;
};

function tick() {
  const now = Math.floor(Date.now() / 1000);
  for (const bar of document.querySelectorAll("[data-until]")) bar.value = Math.max(0, bar.dataset.until - now);
  for (const left of document.querySelectorAll("[data-left]")) {
    left.textContent = spoken(Math.max(0, left.dataset.left - now));
  }
  for (const time of document.querySelectorAll("[data-at]")) {
    const away = time.dataset.at - now;
    time.textContent = away > 0 ? `in ${spoken(away)}` : `${spoken(-away)} ago`;
  }
}

// What the person has changed stays: the focus, an open <details>, a text that is being typed, a select that is open.
const OWN = { DETAILS: ["open"], INPUT: ["value", "checked"] };

function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || (old.id || "") !== (fresh.id || "")) {
    old.replaceWith(fresh.cloneNode(true));
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  if (old.nodeName === "SELECT" && old === document.activeElement) return;
  if (old.nodeName === "INPUT" && old.type === "hidden") old.value = fresh.value;
  const own = OWN[old.nodeName] ?? [];
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !own.includes(name)) old.removeAttribute(name);
  }
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) !== value && !own.includes(name)) old.setAttribute(name, value);
  }
  let at = old.firstChild;
  for (const next of fresh.childNodes) {
    const named = next.id && [...old.children].find((child) => child.id === next.id);
    if (named && named !== at) old.insertBefore(named, at);
    const here = named || at;
    if (!here || (here.id && here.id !== next.id && !named)) {
      old.insertBefore(next.cloneNode(true), at);
      continue;
    }
    const after = here.nextSibling;
    morph(here, next);
    at = after;
  }
  while (at) {
    const after = at.nextSibling;
    at.remove();
    at = after;
  }
  if (old.nodeName === "SELECT") old.value = fresh.querySelector("[selected]")?.value ?? old.value;
}

function swap(elements) {
  for (const fresh of elements) {
    const old = document.getElementById(fresh.id);
    if (old) morph(old, fresh);
  }
  tick();
}

const parsed = (html) => new DOMParser().parseFromString(html, "text/html");

let events;
function live() {
  events?.close();
  const status = document.getElementById("live");
  const report = (text, ok) => {
    if (status.textContent !== text) status.textContent = text;
    status.className = ok ? "good" : "bad";
  };
  events = new EventSource(document.querySelector("main").dataset.live);
  events.onopen = () => report("live", true);
  events.onerror = () => report("not connected: is cargo dev running?", false);
  events.onmessage = ({ data }) => swap(JSON.parse(data).map((html) => parsed(html).body.firstElementChild));
}

// The answer to a form or a link is the whole page: only its sections are used. If several requests run at once, only
// the last answer is shown: an earlier one, or the events of an earlier page, would undo the person's later choice.
let asked = 0;
async function fetched(url, options) {
  const mine = ++asked;
  events?.close();
  document.body.classList.add("busy");
  try {
    const answer = await fetch(url, options);
    const page = parsed(await answer.text());
    if (mine !== asked) return;
    const main = page.querySelector("main[data-live]");
    if (!main) throw new Error(answer.status);
    swap(page.querySelectorAll("main > .column > [id]"));
    document.querySelector("main").dataset.live = main.dataset.live;
  } catch (error) {
    if (mine !== asked) return;
    document.getElementById("answer").textContent = `The console did not answer (${error.message}).`;
  }
  live();
  document.body.classList.remove("busy");
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!("swap" in form.dataset)) return;
  event.preventDefault();
  const fields = new URLSearchParams(new FormData(form, event.submitter));
  if (form.method === "post") fetched(form.action, { method: "POST", body: fields });
  else show(`/?${fields}`);
});

function show(url) {
  history.replaceState(null, "", url);
  fetched(url);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-swap]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    show(link.getAttribute("href"));
  }
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    navigator.clipboard.writeText(document.getElementById(copy.dataset.copy).textContent).then(() => {
      copy.textContent = "Copied";
      setTimeout(() => (copy.textContent = "Copy"), 1500);
    });
  }
});

document.addEventListener("change", (event) => {
  if ("submit" in event.target.dataset) event.target.form.requestSubmit();
});

setInterval(tick, 1000);
tick();
live();
