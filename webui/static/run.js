// The run page: moves through the steps and shows one without loading the page anew. Without this file, links do the same.
import { copy, typing } from "./keys.js";

const byId = (id) => document.getElementById(id);
const rows = () => [...(byId("chain")?.querySelectorAll("[data-step], [data-gap]") ?? [])];
const current = () => byId("chain")?.querySelector('[data-step][aria-current="true"]');
const find = (key) => rows().find((row) => row.dataset.step === key);
let asked = 0;
let waiting = 0;

function reveal(row) {
  for (let box = row.parentElement?.closest("details"); box; box = box.parentElement?.closest("details")) box.open = true;
  row.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function mark(row) {
  current()?.removeAttribute("aria-current");
  row.setAttribute("aria-current", "true");
  reveal(row);
}

function swap(page, id) {
  const old = byId(id);
  const fresh = page.getElementById(id);
  if (old && fresh) old.replaceWith(document.adoptNode(fresh));
}

// Fetches the page of a step and takes from it what depends on the step; the view too where the step is not mounted in it.
async function load(url) {
  const turn = ++asked;
  const answer = await fetch(url, { headers: { Accept: "text/html" } }).catch(() => null);
  if (turn !== asked) return false;
  if (!answer?.ok) { location.href = url; return false; }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (turn !== asked) return false;
  const key = new URL(url).searchParams.get("step");
  const mounted = key && find(key);
  if (!mounted || new URL(url).searchParams.has("from")) swap(page, "view");
  else ["jumps", "views"].forEach((id) => swap(page, id));
  swap(page, "panel");
  swap(page, "strip");
  const row = key && find(key);
  if (row) mark(row);
  dispatchEvent(new Event("clew:shown"));
  return true;
}

// A held key moves the mark at once and asks for the step once it rests. An address is the page's own once the page shows it.
function show(url, push, patience = 0) {
  const row = url.searchParams.has("from") ? null : find(url.searchParams.get("step"));
  const keep = () => { if (push && location.href !== url.href) history.pushState(null, "", url); };
  if (row) { mark(row); keep(); }
  clearTimeout(waiting);
  return new Promise((done) => {
    waiting = setTimeout(() => load(url).then((shown) => { if (shown && !row) keep(); done(); }), patience);
  });
}

function address(row) {
  const url = new URL(row.querySelector("a[href]")?.href ?? row.href?.baseVal ?? location.href, location.href);
  url.hash = "";
  return url;
}

// Below the chain on a narrow screen, a panel that changed would go unseen.
function bringUp() {
  const panel = byId("panel");
  if (panel && getComputedStyle(panel).position === "static") panel.scrollIntoView({ block: "start" });
}

// Follows the key's own link, which knows steps that are not mounted.
function follow(key) {
  const link = document.querySelector(`a[data-key="${CSS.escape(key)}"]`);
  if (link) link.click();
}

function move(key, by, test = () => true) {
  const all = rows();
  const at = all.indexOf(current());
  if (at < 0) { follow(key); return; }
  for (let n = at + by; n >= 0 && n < all.length; n += by) {
    if ("gap" in all[n].dataset) break;
    if (test(all[n])) { show(address(all[n]), true, 90); return; }
  }
  follow(key);
}

const failed = (row) => "fail" in row.dataset;
const decided = (row) => "decision" in row.dataset;
const fold = () => current()?.querySelector("details") ?? current()?.closest("details");

function close() {
  const box = fold();
  if (box?.open) { box.open = false; return; }
  const depth = Number(current()?.dataset.depth ?? 0);
  if (depth) move("K", -1, (row) => Number(row.dataset.depth) < depth);
}

const actions = {
  j: () => move("j", 1), k: () => move("k", -1),
  e: () => move("e", 1, failed), E: () => move("E", -1, failed),
  d: () => move("d", 1, decided), D: () => move("D", -1, decided),
  h: close, l: () => { const box = fold(); if (box) box.open = true; },
  f: () => byId("find")?.select(),
  y: () => copy(location.href, "Link to this step"),
  Y: () => copy(document.querySelector("[data-copy]").dataset.copy, "Trace id"),
};

addEventListener("keydown", (event) => {
  if (typing(event) || byId("keys")?.open) return;
  if (actions[event.key]) { event.preventDefault(); actions[event.key](); return; }
  if ("JKt$wxc12345".includes(event.key)) { event.preventDefault(); follow(event.key); }
});

function isHere(url) {
  const here = new URL(location.href);
  return url.pathname === here.pathname && ["run", "view", "mode"].every((name) => (url.searchParams.get(name) ?? "") === (here.searchParams.get(name) ?? ""));
}

addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  if (event.target.closest('button[data-key="?"]')) { byId("keys")?.showModal(); return; }
  const link = event.target.closest("a");
  if (link) {
    const url = new URL(link.href.baseVal ?? link.href, location.href);
    if (!isHere(url) || !(url.searchParams.has("step") || url.searchParams.has("from"))) return;
    event.preventDefault();
    show(url, true).then(() => {
      if (url.searchParams.has("from")) byId(url.hash.slice(1))?.scrollIntoView({ block: "center" });
      else if (link.closest("#chain")) bringUp();
    });
    return;
  }
  const row = event.target.closest("#chain [data-step]");
  if (row && !event.target.closest("summary, button, details[open]") && !String(getSelection())) show(address(row), true).then(bringUp);
});

addEventListener("popstate", () => show(new URL(location.href), false));

// Menus of a fold open for what the address names inside it.
if (location.hash) { const row = byId(decodeURIComponent(location.hash.slice(1))); if (row) reveal(row); }
