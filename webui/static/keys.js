// Keys of every page: lookup, help, navigation, rows of a list, copying. Nothing here changes anything but the view.
const $ = (id) => document.getElementById(id);
const places = { h: "/", r: "/runs", c: "/costs", a: "/alerts", s: "/settings" };
let going = false;

export const typing = (event) =>
  event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, select, [contenteditable]");

export function say(text) {
  const toast = $("toast");
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { toast.hidden = true; }, 2500);
}

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`${what} copied`);
  } catch {
    say(text);
  }
}

const rows = () => [...document.querySelectorAll("tr[data-row]")];

function moveRow(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.getAttribute("aria-selected") === "true");
  const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
  all.forEach((row) => row.removeAttribute("aria-selected"));
  next.setAttribute("aria-selected", "true");
  next.scrollIntoView({ block: "nearest" });
}

const openRow = () => document.querySelector('tr[aria-selected="true"] a')?.click();

const actions = {
  "/": () => $("lookup")?.select(),
  "?": () => $("keys")?.showModal(),
  j: () => moveRow(1),
  k: () => moveRow(-1),
  o: openRow,
  Enter: (event) => { if (event.target === document.body) openRow(); },
};

addEventListener("keydown", (event) => {
  if (typing(event) || $("keys")?.open) return;
  if (going && places[event.key]) { location.href = places[event.key]; return; }
  going = event.key === "g";
  if (going || !actions[event.key]) return;
  if (event.key !== "Enter") event.preventDefault();
  actions[event.key](event);
});

// A page that waits for the first run looks again until it is there.
if (document.querySelector("[data-waiting]")) {
  setInterval(() => { if (document.visibilityState === "visible" && !document.activeElement?.value) location.reload(); }, 4000);
}

addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-copy-link]");
  if (button) copy(button.dataset.copy ?? location.href, button.dataset.copy ? "Id" : "Link");
  if (event.target.closest("#help")) $("keys")?.showModal();
});
