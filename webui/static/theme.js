// The theme, remembered and set before the first paint. A classic script: a module would run too late.
const root = document.documentElement;
try { const kept = localStorage.getItem("clew-theme"); if (kept) root.dataset.theme = kept; } catch {}
const asked = new URLSearchParams(location.search).get("theme");
if (asked === "dark" || asked === "light") root.dataset.theme = asked;
addEventListener("DOMContentLoaded", () => document.getElementById("theme")?.addEventListener("click", () => {
  const dark = root.dataset.theme === "dark" || (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("clew-theme", root.dataset.theme); } catch {}
  dispatchEvent(new Event("clew:theme"));
}));
