"""The pages in a real browser: what a reader sees, does with mouse and keys, and never is sent to."""

import gzip
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Request, Route, sync_playwright

from ingest.model import Span
from ingest.otlp import json as json_decoder
from ingest.otlp import protobuf as protobuf_decoder
from ingest.store.engine import open_store
from ingest.store.prepare import Prepared, prepare
from ingest.store.writer import Segments, write_batches

from .builders import SECOND, T0, span_id
from .webui_app import fill, hostile_spans, later
from .wire import agent_span, in_trace, link_all, llm_span, run_spans, tool_span

CHROMIUM = shutil.which("chromium") or ""
CAPTURES = Path(__file__).parent / "fixtures" / "captures"
ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed here: apt-get install chromium lets these tests run")

GOOD, FAILED, HOSTILE, LONG = (bytes([number]) * 16 for number in (0xA1, 0xA2, 0xA3, 0xA4))
NARROW, WIDE = {"width": 390, "height": 844}, {"width": 1440, "height": 900}

SERVE = """
import sys
from pathlib import Path
from ingest.settings import load_settings
from webui.server import serve
serve(load_settings({"CLEW_DATABASE_URL": sys.argv[1]}, {"port": "0"}), lambda part, url: print(url, flush=True))
"""


def failed_spans() -> list[Span]:
    """Build a run whose second tool call fails, after a thought."""
    return [
        agent_span(1, "billing", status_code=2, attributes={"clew.termination.reason": "tool_failure"}),
        llm_span(2, 1, at=1),
        tool_span(3, "find_order", 1, at=2, attributes={"gen_ai.tool.call.arguments": '{"id": "55512"}'}),
        llm_span(4, 1, at=3),
        tool_span(5, "refund", 1, at=4, status_code=2, status_message="TimeoutError: no answer"),
        llm_span(6, 1, at=5),
    ]


def long_spans(steps: int = 1_200) -> list[Span]:
    """Build a run that is longer than a page shows."""
    spans = [agent_span(1, "crawler", lasts=2.0 * steps)]
    for number in range(steps // 2):
        spans.append(llm_span(10 + 2 * number, 1, at=2.0 * number))
        spans.append(tool_span(11 + 2 * number, f"fetch_{number % 7}", 1, at=2.0 * number + 1))
    return spans


def captures() -> Iterator[Prepared]:
    """Read the recordings of other people's instrumentations, a request at a time."""
    for about in sorted(CAPTURES.glob("*/requests.json")):
        for request in json.loads(about.read_bytes()):
            body = (about.parent / request["file"]).read_bytes()
            body = gzip.decompress(body) if request["content_encoding"] == "gzip" else body
            decoder = json_decoder if "json" in request["content_type"] else protobuf_decoder
            now_ns = time.time_ns()
            if request["path"] == "/v1/traces":
                yield prepare(1, decoder.decode_traces(body, now_ns).spans, [], now_ns)
            elif request["path"] == "/v1/logs":
                yield prepare(1, [], decoder.decode_logs(body, now_ns).records, now_ns)


@pytest.fixture(scope="module")
def site(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the real web process over a filled store and yield its address; it must end well when it is told to."""
    path = tmp_path_factory.mktemp("site") / "clew.db"
    path.write_bytes(sqlite_template.read_bytes())
    store = open_store(f"sqlite:///{path}")
    later_ns = time.time_ns() - 3_600 * SECOND - T0
    for trace_id, spans in ((GOOD, run_spans()), (FAILED, failed_spans()), (HOSTILE, hostile_spans()), (LONG, long_spans())):
        fill(store, [later(span, later_ns) for span in in_trace(spans, trace_id)])
    for recorded in captures():
        write_batches(store, [recorded], Segments())
    link_all(store, time.time_ns())
    store.close()
    with subprocess.Popen([sys.executable, "-c", SERVE, f"sqlite:///{path}"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield opened
        opened.close()


@dataclass
class Seen:
    """What went wrong while a page was open."""

    site: str
    complaints: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", lambda message: self._complain(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(f"error {error}"))
        page.on("dialog", self._dialog)
        page.on("request", self._request)

    def _complain(self, kind: str, text: str) -> None:
        # A page that is itself an error is told to the console too.
        if kind in ("error", "warning") and not re.search("status of 40[04]", text):
            self.complaints.append(f"{kind} {text}")

    def _dialog(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.site, "data:")):
            self.complaints.append(f"request to {request.url}")


@pytest.fixture
def seen(site: str) -> Iterator[Seen]:
    """Watch a page; whatever it complained of fails the test."""
    watcher = Seen(site)
    yield watcher
    assert watcher.complaints == []


@pytest.fixture
def context(browser: Browser, site: str) -> Iterator[BrowserContext]:
    opened = browser.new_context(base_url=site, viewport=WIDE)  # type: ignore[arg-type]
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext, seen: Seen) -> Page:
    opened = context.new_page()
    seen.watch(opened)
    return opened


def run_href(trace_id: bytes) -> str:
    return f"/traces/{trace_id.hex()}"


PAGES = {
    "home": "/",
    "runs": "/runs",
    "empty list": "/runs?filter=steps+%3E+1000000",
    "bad filter": "/runs?filter=agnt+%3D+%22x%22",
    "costs": "/costs",
    "good run": run_href(GOOD),
    "failed run": run_href(FAILED),
    "hostile run": run_href(HOSTILE),
    "hostile raw": f"{run_href(HOSTILE)}?step={span_id(3).hex()}&panel=raw",
    "long run": run_href(LONG),
    "session": "/sessions/s-1",
    "agent": "/agents/billing",
    "agents": "/agents",
    "decisions": "/decisions",
    "tools": "/tools",
    "terminations": "/terminations",
    "readiness": "/readiness",
    "comparison": f"/compare?a={FAILED.hex()}&b={GOOD.hex()}",
    "comparison of hostile runs": f"/compare?a={HOSTILE.hex()}&b={LONG.hex()}",
    "comparison form": "/compare",
    "miss": f"/lookup?q={'f' * 32}",
    "no such trace": f"/traces/{'f' * 32}",
}

FAULTS = """() => {
  const faults = [];
  const name = (el) => el.getAttribute("aria-label") || el.labels?.length || el.textContent.trim() || el.title;
  const say = (what, el) => faults.push(`${what}: ${el.outerHTML.slice(0, 120)}`);
  for (const el of document.querySelectorAll("input:not([type=hidden]), button, a[href], select")) if (!name(el)) say("no name", el);
  const told = "[aria-hidden=true], [role=img][aria-label], .plot, .legend, #js-plotly-tester";
  for (const el of document.querySelectorAll("svg")) if (!el.closest(told)) say("bare svg", el);
  const levels = [...document.querySelectorAll("main :is(h1, h2, h3, h4)")].map((el) => +el.tagName[1]);
  if (levels.filter((level) => level === 1).length !== 1) faults.push(`h1: ${levels}`);
  levels.forEach((level, n) => { if (n && level > levels[n - 1] + 1) faults.push(`heading skips from ${levels[n - 1]} to ${level}`); });
  const ids = [...document.querySelectorAll("[id]")].map((el) => el.id);
  new Set(ids.filter((id, n) => ids.indexOf(id) !== n)).forEach((id) => faults.push(`id twice: ${id}`));
  if (!document.documentElement.lang || !document.title || !document.querySelector("main")) faults.push("no lang, title or main");
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 0) faults.push(`scrolls sideways by ${wide}`);
  return faults;
}"""


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_page_is_sound(page: Page, name: str, viewport: dict[str, int]) -> None:
    """No console error, no violated policy, no request elsewhere, every control named, headings in order, nothing too wide."""
    page.set_viewport_size(viewport)  # type: ignore[arg-type]
    page.goto(PAGES[name])
    page.wait_for_load_state("networkidle")
    assert page.evaluate(FAULTS) == []


def test_every_recording_has_a_sound_page(page: Page) -> None:
    """Whoever instrumented a run, its page is sound and says why it stopped."""
    if not CAPTURES.is_dir():
        pytest.skip(f"there are no recordings in {CAPTURES}")
    listed = page.request.get("/api/v1/traces?limit=500").json()["items"]
    assert len(listed) > 20
    faults = {}
    for item in listed:
        page.goto(run_href(bytes.fromhex(item["trace_id"])))
        found = page.evaluate(FAULTS)
        if found or not page.locator(".fig--why").inner_text():
            faults[item["trace_id"]] = found
    assert faults == {}


CONTRAST = """() => {
  const channel = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const paint = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const faults = new Set();
  for (const el of document.querySelectorAll("main *, header *")) {
    const own = [...el.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || el.closest("svg, [hidden], noscript, dialog") || !el.checkVisibility({ visibilityProperty: true })) continue;
    const grounds = [];
    for (let up = el; up; up = up.parentElement) grounds.unshift(getComputedStyle(up).backgroundColor);
    const ground = light(paint(grounds)), ink = light(paint([...grounds, getComputedStyle(el).color]));
    const ratio = (Math.max(ground, ink) + 0.05) / (Math.min(ground, ink) + 0.05);
    if (ratio < 4.45) faults.add(`${ratio.toFixed(2)} ${el.className} ${el.textContent.trim().slice(0, 30)}`);
  }
  return [...faults];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["runs", "costs", "failed run", "miss", "decisions", "tools", "terminations", "readiness", "comparison"])
def test_text_can_be_read(page: Page, scheme: str, name: str) -> None:
    """All text has a contrast of 4.5 to 1 in both themes."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(PAGES[name])
    page.wait_for_load_state("networkidle")
    assert page.evaluate(CONTRAST) == []


def test_a_run_opens_with_the_answer(page: Page) -> None:
    """Why it stopped comes first and largest; the first failure is selected and told in the panel."""
    page.goto(run_href(FAILED))
    assert page.locator(".fig--why").inner_text() == "tool failure"
    sizes = page.evaluate(
        "[...document.querySelectorAll('.verdict .fig, main h1, main h2')].map((el) => parseFloat(getComputedStyle(el).fontSize))"
    )
    assert sizes[1] == max(sizes)
    assert "First failure: refund (TimeoutError: no answer)" in page.locator(".story").inner_text()
    selected = page.locator('#chain [aria-current="true"]')
    assert selected.count() == 1
    assert "refund" in selected.inner_text()
    assert "TimeoutError: no answer" in page.locator("#panel").inner_text()


WATCH_BAR = """() => new MutationObserver(() => sessionStorage.setItem("waited", "yes"))
  .observe(document.getElementById("wait"), { attributes: true, attributeFilter: ["hidden"] })"""


def test_a_page_that_takes_long_is_announced(page: Page) -> None:
    """A bar shows that the click was heard, and is gone on the next page."""

    def take_long(route: Route) -> None:
        time.sleep(1.0)
        route.continue_()

    page.goto("/")
    page.evaluate(WATCH_BAR)
    page.route("**/costs", take_long)
    page.locator("nav a", has_text="Costs").click()
    page.wait_for_url("**/costs")
    assert page.evaluate("sessionStorage.getItem('waited')") == "yes"
    assert page.locator("#wait").is_hidden()


def test_keys_walk_the_chain(page: Page) -> None:
    """J and k move, e goes to a failure; the panel, the address and going back follow."""
    page.goto(run_href(FAILED))
    for key, shown in (("k", "gpt-4.1"), ("k", "find_order"), ("e", "refund")):
        page.keyboard.press(key)
        page.wait_for_function("(text) => document.querySelector('#panel h2')?.textContent.includes(text)", arg=shown)
    assert f"step={span_id(5).hex()}" in page.url
    page.go_back()
    page.wait_for_function("() => document.querySelector('#panel h2')?.textContent.includes('find_order')")


def test_a_click_shows_the_span_itself(page: Page) -> None:
    page.goto(run_href(FAILED))
    page.locator("#chain .step--tool", has_text="find_order").click()
    page.wait_for_function("() => document.querySelector('#panel h2')?.textContent.includes('find_order')")
    page.locator("#panel .tabs a", has_text="Raw").click()
    page.wait_for_function("() => document.querySelector('#panel')?.textContent.includes('gen_ai.tool.name')")
    assert "panel=raw" in page.url


@pytest.mark.parametrize("asked", [GOOD.hex(), GOOD.hex()[:10], f"07:41 ERROR trace_id={GOOD.hex()} tool failed", "12345"])
def test_the_box_on_top_finds_a_run(page: Page, asked: str) -> None:
    page.goto("/runs")
    page.keyboard.press("/")
    page.keyboard.insert_text(asked)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(run_href(GOOD)))
    assert page.locator("h1").inner_text() == "scheduler"


def test_the_cost_chart_is_drawn_in_the_theme(page: Page) -> None:
    """The chart comes from this server, has bars, and follows the theme."""
    page.goto("/costs")
    page.wait_for_selector("#cost-chart .bars .point:last-child path")
    before = page.evaluate("getComputedStyle(document.querySelector('#cost-chart .xtick text')).fill")
    page.locator("#theme").click()
    page.wait_for_function("(old) => getComputedStyle(document.querySelector('#cost-chart .xtick text')).fill !== old", arg=before)
    page.goto("/runs")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_long_run_is_bounded_and_says_so(page: Page) -> None:
    """A run of 1,200 steps shows both ends and what lies between on demand."""
    page.goto(run_href(LONG))
    assert page.locator("#chain .step").count() < 400
    gap = page.locator(".step--gap a").first
    assert "rows not shown" in gap.inner_text()
    before = page.locator("#chain [data-step]").count()
    gap.click()
    page.wait_for_url(re.compile(r"from=\d+"))
    assert page.locator("#chain [data-step]").count() > before


def test_everything_works_without_script(browser: Browser, site: str, seen: Seen) -> None:
    """Steps, tabs, folds and the lookup are links and forms of their own."""
    context = browser.new_context(base_url=site, viewport=WIDE, java_script_enabled=False)  # type: ignore[arg-type]
    page = context.new_page()
    seen.watch(page)
    page.goto(run_href(FAILED))
    assert page.locator("#chain [data-step]").count() == 5
    page.locator(".step__i a", has_text="2").click()
    assert "find_order" in page.locator("#panel h2").inner_text()
    page.locator("#panel .tabs a", has_text="Input").click()
    assert "55512" in page.locator("#panel").inner_text()
    assert page.locator("#theme").is_hidden()
    page.locator("#lookup").fill("55512-nobody")
    page.locator("#lookup").press("Enter")
    assert page.locator("h1").inner_text() == "Never seen"
    page.goto("/costs")
    assert "crawler" in page.locator("main").inner_text()
    context.close()


def test_a_comparison_opens_where_the_runs_part(page: Page) -> None:
    """The divergence is marked, in sight, and says what was different."""
    page.goto(f"/compare?a={FAILED.hex()}&b={GOOD.hex()}")
    assert page.locator("h1").inner_text().startswith("They part at step")
    first = page.locator("#first")
    assert first.count() == 1
    assert first.bounding_box()["y"] < WIDE["height"]  # type: ignore[index]
    page.locator("#first a").first.click()
    page.wait_for_url(re.compile(r"/traces/[0-9a-f]{32}\?.*step="))


def test_a_filter_is_built_by_clicking_without_script(browser: Browser, site: str, seen: Seen) -> None:
    context = browser.new_context(base_url=site, viewport=NARROW, java_script_enabled=False)  # type: ignore[arg-type]
    page = context.new_page()
    seen.watch(page)
    page.goto("/runs")
    page.locator(".more > summary").click()
    page.locator("select[name=field]").select_option("agent")
    page.locator("input[name=value]").fill("billing")
    page.locator(".build button").click()
    assert page.locator("#f").input_value() == 'agent = "billing"'
    assert page.locator("tr[data-row]").count() == 1
    page.locator(".chip .drop").click()
    assert page.locator("tr[data-row]").count() > 1
    context.close()


def test_new_runs_are_announced_and_shown_on_demand(page: Page) -> None:
    """Rows stay where they are until the reader asks."""
    page.goto("/runs")
    rows = page.locator("tr[data-row]").count()
    page.evaluate("document.querySelector('[data-news]').dataset.news = '/runs/news?since=1'")
    page.wait_for_function("() => document.querySelector('#news')?.hidden === false", timeout=15_000)
    assert "new runs: show them" in page.locator("#news").inner_text()
    assert page.locator("tr[data-row]").count() == rows
    page.locator("#news a").click()
    page.wait_for_load_state("networkidle")
    assert page.locator("h1").inner_text() == "Runs"
