// A run that goes on: looks again and takes in what is new, without moving the reader, until the run is over.
const QUICK_MS = 2000;
const SLOW_MS = 10000;
let pause = QUICK_MS;

const parts = () => [...document.querySelectorAll("main > *")];
const opened = () => [...document.querySelectorAll("main details[open]")].map((box) => box.id || box.closest("[id]")?.id).filter(Boolean);

function busy() {
  return document.visibilityState !== "visible" || document.activeElement?.matches("input, textarea") || document.querySelector("dialog[open], .halt__ask[open]");
}

function reopen(ids) {
  for (const id of ids) {
    const found = document.getElementById(id);
    const box = found?.matches("details") ? found : found?.querySelector("details");
    if (box) box.open = true;
  }
}

async function look() {
  if (busy()) { setTimeout(look, pause); return; }
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (answer?.ok) {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const main = page.querySelector("main");
    const open = opened();
    const focused = document.activeElement?.id;
    const top = scrollY;
    let changed = false;
    const olds = parts();
    const news = [...main.children];
    if (olds.length !== news.length) {
      // A part more or less, as when a second run begins: no part has its counterpart by place.
      document.querySelector("main").replaceChildren(...news.map((fresh) => document.adoptNode(fresh)));
      changed = true;
    } else {
      olds.forEach((old, n) => {
        if (news[n].outerHTML === old.outerHTML) return;
        changed ||= old.matches(".split, .whole");
        old.replaceWith(document.adoptNode(news[n]));
      });
    }
    reopen(open);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    scrollTo({ top, behavior: "instant" });
    dispatchEvent(new Event("clew:shown"));
    pause = changed ? QUICK_MS : Math.min(pause * 1.5, SLOW_MS);
    if (!["running", "settling"].includes(document.querySelector("[data-state]")?.dataset.state)) return;
  }
  setTimeout(look, pause);
}

setTimeout(look, pause);
