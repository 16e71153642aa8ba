// The strip above the views: shows which stretch of the run is in sight, and leads to the step at a point of it.
const byId = (id) => document.getElementById(id);
let due = false;

function mark() {
  due = false;
  const box = byId("strip")?.querySelector(".window");
  if (!box) return;
  const shown = [];
  for (const row of document.querySelectorAll("#chain [data-at]")) {
    const { top, bottom } = row.getBoundingClientRect();
    if (bottom > 0 && top < innerHeight && bottom > top) shown.push(Number(row.dataset.at));
  }
  if (!shown.length) { box.setAttribute("width", "0"); return; }
  const from = Math.min(...shown);
  box.setAttribute("x", `${from}%`);
  box.setAttribute("width", `${Math.max(Math.max(...shown) - from, 0.5)}%`);
}

function soon() {
  if (!due) { due = true; requestAnimationFrame(mark); }
}

addEventListener("scroll", soon, { passive: true });
addEventListener("resize", soon, { passive: true });
addEventListener("clew:shown", soon);
soon();

addEventListener("click", (event) => {
  const strip = event.target.closest?.("#strip");
  if (!strip) return;
  const { left, width } = strip.getBoundingClientRect();
  const url = new URL(location.href);
  for (const name of ["step", "from", "panel"]) url.searchParams.delete(name);
  url.searchParams.set("at", Math.min(Math.max((event.clientX - left) / width, 0), 1).toFixed(4));
  url.hash = "";
  location.href = url;
});
