// The theme, remembered and set before the first paint. A classic script: a module would run too late.
const root = document.documentElement;
const set = (theme) => {
  if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
  dispatchEvent(new Event("clew:theme"));
};
const keep = (theme) => { try { localStorage.setItem("clew-theme", theme); } catch {} set(theme); };
try { set(localStorage.getItem("clew-theme")); } catch {}
const asked = new URLSearchParams(location.search).get("theme");
if (asked === "dark" || asked === "light") set(asked);
addEventListener("DOMContentLoaded", () => {
  document.getElementById("theme")?.addEventListener("click", () => {
    const dark = root.dataset.theme === "dark" || (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    keep(dark ? "light" : "dark");
  });
  const themes = document.querySelector("[data-themes]");
  if (!themes) return;
  themes.hidden = false;
  for (const one of themes.elements.theme) one.checked = one.value === (root.dataset.theme ?? "");
  themes.addEventListener("change", () => keep(themes.elements.theme.value));
});
