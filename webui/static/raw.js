// The raw view: more of a long text in its place. Without this file the links open it as plain text.
import { say } from "./keys.js";

const PIECE = 65536;

addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-more]");
  if (!link) return;
  event.preventDefault();
  const from = Number(link.dataset.more);
  const answer = await fetch(link.href).catch(() => null);
  if (!answer?.ok) { say("The rest could not be read"); return; }
  const whole = Number(answer.headers.get("X-Clew-Length"));
  const text = (await answer.text()).slice(0, PIECE);
  const leaf = link.closest(".leaf");
  (leaf.querySelector("pre bdi") ?? leaf.querySelector(".v bdi")).append(text);
  const shown = from + text.length;
  const url = new URL(link.href);
  url.searchParams.set("from", shown);
  link.href = url;
  link.dataset.more = shown;
  const note = link.parentElement.querySelector("span.note") ?? link.previousElementSibling;
  if (note) note.textContent = `first ${shown.toLocaleString("en")} of ${whole.toLocaleString("en")} characters`;
  if (shown >= whole) link.remove();
});
