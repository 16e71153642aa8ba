// The run page: moves through the chain and shows a step without loading the page anew. Without this file, links do the same.
import { copy, typing } from "./keys.js";

const chain = document.getElementById("chain");
const steps = () => [...chain.querySelectorAll("[data-step]")];
const current = () => chain.querySelector('[aria-current="true"]');
let asked = 0;

function reveal(row) {
  for (let box = row.parentElement?.closest("details"); box; box = box.parentElement?.closest("details")) box.open = true;
  row.scrollIntoView({ block: "nearest" });
}

function mark(key) {
  current()?.removeAttribute("aria-current");
  const row = document.getElementById(`s-${key}`);
  row?.setAttribute("aria-current", "true");
  if (row) reveal(row);
  return row;
}

async function show(url, push) {
  const key = url.searchParams.get("step");
  if (!key || !mark(key)) { location.href = url; return; }
  const turn = ++asked;
  const answer = await fetch(url, { headers: { Accept: "text/html" } }).catch(() => null);
  if (turn !== asked) return;
  if (!answer?.ok) { location.href = url; return; }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const panel = document.getElementById("panel");
  const fresh = page.getElementById("panel");
  if (panel && fresh) panel.replaceWith(document.adoptNode(fresh));
  if (push) history.pushState(null, "", url);
}

function select(row) {
  const url = new URL(location.href);
  url.searchParams.set("step", row.dataset.step);
  url.searchParams.delete("panel");
  url.hash = "";
  return show(url, true);
}

// Below the chain on a narrow screen, a panel that changed would go unseen.
function bringUp() {
  const panel = document.getElementById("panel");
  if (panel && getComputedStyle(panel).position === "static") panel.scrollIntoView({ block: "start" });
}

function move(by, test = () => true) {
  const all = steps();
  const at = all.indexOf(current());
  for (let n = at + by; n >= 0 && n < all.length; n += by) if (test(all[n])) { select(all[n]); return; }
}

const failed = (row) => "fail" in row.dataset;
const decided = (row) => row.classList.contains("step--decision") || row.querySelector(".fork");
const actions = {
  j: () => move(1), k: () => move(-1),
  e: () => move(1, failed), E: () => move(-1, failed),
  d: () => move(1, decided), D: () => move(-1, decided),
  x: () => document.getElementById("stop")?.scrollIntoView({ block: "center" }),
  y: () => copy(location.href, "Link to this step"),
  Y: () => copy(document.querySelector("[data-copy]").dataset.copy, "Trace id"),
};

addEventListener("keydown", (event) => {
  if (typing(event) || document.getElementById("keys")?.open || !actions[event.key]) return;
  event.preventDefault();
  actions[event.key]();
});

addEventListener("click", (event) => {
  const key = event.target.closest("[data-key]");
  if (key) { actions[key.dataset.key](); return; }
  const link = event.target.closest("a[href]");
  if (link) {
    const url = new URL(link.href);
    const here = url.pathname === location.pathname && url.searchParams.get("run") === new URL(location.href).searchParams.get("run");
    if (!here || !url.searchParams.has("step") || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(url, true).then(() => { if (link.closest("#chain")) bringUp(); });
    return;
  }
  const row = event.target.closest("[data-step]");
  if (row && !event.target.closest("summary, button, details[open]") && !String(getSelection())) select(row).then(bringUp);
});

addEventListener("popstate", () => show(new URL(location.href), false));

const state = document.querySelector("[data-state]")?.dataset.state;
if (state === "running" || state === "settling") {
  setTimeout(() => { if (document.visibilityState === "visible") location.reload(); }, state === "settling" ? 3000 : 10000);
}
