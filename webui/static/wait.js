// A bar at the top while the next page takes longer than a moment, so that nobody wonders whether the click was heard.
const PATIENCE_MS = 500;
let timer = 0;

function wait() {
  clearTimeout(timer);
  timer = setTimeout(() => { document.getElementById("wait").hidden = false; }, PATIENCE_MS);
}

function done() {
  clearTimeout(timer);
  document.getElementById("wait").hidden = true;
}

// Whatever leads away: a link, a form, the keyboard, the address bar. A download leads nowhere, so the bar ends by itself.
addEventListener("beforeunload", () => { wait(); setTimeout(done, 20_000); });
addEventListener("pageshow", done);
