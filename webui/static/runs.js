// The list of runs says when there are new ones, and shows them when the reader wants to: rows never move under a hand.
const news = document.querySelector("[data-news]");
const every = 5_000;

async function look() {
  if (document.visibilityState !== "visible") return;
  try {
    const answer = await fetch(news.dataset.news, { headers: { Accept: "application/json" } });
    if (!answer.ok) return;
    const { new: number } = await answer.json();
    news.hidden = !number;
    news.firstElementChild.href = location.href;
    news.firstElementChild.textContent = number === 1 ? "1 new run: show it" : `${number >= 100 ? "100 and more" : number} new runs: show them`;
  } catch {
    // Away for a moment: the next look will tell.
  }
}

if (news?.dataset.news) setInterval(look, every);
