"""The run page in a real browser: its views, its keys, a run that goes on, a run of any length."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from bench.browser import longest_task_ms
from ingest.model import Span
from ingest.store.engine import Store, open_store

from .builders import SECOND, T0, span_id
from .test_pages_browser import ARGS, CHROMIUM, CONTRAST, FAULTS, NARROW, SERVE, WIDE, Seen, run_href
from .webui_app import fill, hostile_spans, later
from .wire import agent_span, in_trace, link_all, llm_span, started_span, store_spans, tool_span, wire_span

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed here: apt-get install chromium lets these tests run")

RICH, LIVE, LONG, BIG, HOSTILE, STOPPED, HALTED = (bytes([number]) * 16 for number in range(0xB1, 0xB8))
VIEWS = ("chain", "timeline", "graph", "graph&mode=merged", "conversation", "raw")
BLOB = "".join(f"line {n} of a long document\n" for n in range(200_000))


def _said(role: str, text: str) -> dict[str, object]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def rich_spans() -> list[Span]:
    """Build a run with a plan, a declared decision, a hallucinated id, repeats, a retry, a fallback, a breaker and a sub-agent."""
    options = [{"name": "cancel"}, {"name": "reschedule", "because": "no slot"}, {"name": "escalate"}]
    defined = [{"name": name, "description": f"Does {name}."} for name in ("check", "cancel", "reschedule")]
    told = {"gen_ai.tool.definitions": json.dumps(defined), "gen_ai.usage.input_tokens": 60}
    found = {"gen_ai.tool.call.result": '{"id": "cl_2207", "zone": "Europe/Zurich"}'}
    asked = {"gen_ai.tool.call.arguments": '{"client": "cl_2270", "zone": "Europe/Zurich"}'}
    asked_of = {"gen_ai.input.messages": json.dumps([_said("system", "Be careful."), _said("user", "Move Thursday.")])}
    decided = {
        "clew.step.kind": "decision",
        "clew.decision.question": "How to free Thursday?",
        "clew.decision.chosen": "cancel",
        "clew.decision.alternatives": json.dumps(options),
    }
    spans = [
        agent_span(1, "scheduler", lasts=60.0, attributes={"clew.budget.steps": 30, "clew.termination.reason": "max_steps"}),
        wire_span(2, 1, name="plan", attributes={"clew.step.kind": "plan", "clew.thought": "look, move, confirm"}),
        tool_span(3, "get_client", 1, at=1.2, attributes=found),
        llm_span(4, 1, at=2, attributes={**told, **asked_of}),
    ]
    for n in range(5):
        refused = {"status_code": 2, "status_message": "404 no slots"}
        spans.append(tool_span(10 + 2 * n, "check", 1, at=3.0 + 2 * n, attributes=asked, **refused))
        spans.append(llm_span(11 + 2 * n, 1, at=3.5 + 2 * n, attributes={**told, **asked_of}))
    own: list[tuple[str, str, dict[str, object]]] = [
        ("retry", "gpt-4.1", {"clew.retry.attempt": 2}),
        ("fallback", "fallback", {"clew.fallback.from": "gpt-4.1", "clew.fallback.to": "gpt-4o"}),
        ("breaker", "check", {"clew.breaker.state": "open"}),
        ("cache", "preferences", {"clew.cache.hit": True}),
    ]
    for n, (kind, name, said) in enumerate(own):
        spans.append(wire_span(30 + n, 1, at=14.0 + n, name=name, attributes={"clew.step.kind": kind, **said}))
    spans += [
        wire_span(40, 1, at=45, lasts=0.1, name="decide", attributes=decided),
        agent_span(41, "slot-finder", 1, at=46, lasts=6.0),
        tool_span(42, "read_calendar", 41, at=47, lasts=2.0),
        tool_span(43, "read_calendar", 41, at=47.5, lasts=2.0),
    ]
    return spans


def live_spans() -> list[Span]:
    """Build the beginning of a run: what it did, and word from itself that it goes on."""
    return [started_span(9, 1, "watcher"), llm_span(2, 1, at=1), tool_span(3, "first_look", 1, at=2)]


def long_spans(steps: int = 10_000) -> list[Span]:
    spans = [agent_span(1, "crawler", lasts=2.0 * steps)]
    for n in range(steps // 2):
        spans.append(llm_span(10 + 2 * n, 1, at=2.0 * n))
        failed = {"status_code": 2, "status_message": "TimeoutError"} if n == steps // 3 else {}
        spans.append(tool_span(11 + 2 * n, f"fetch_{n % 7}", 1, at=2.0 * n + 1, **failed))
    return spans


@pytest.fixture(scope="module")
def store(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Fill a store; the site over it is another process, so that what arrives later is seen as in earnest."""
    path = tmp_path_factory.mktemp("runs") / "clew.db"
    path.write_bytes(sqlite_template.read_bytes())
    opened = open_store(f"sqlite:///{path}")
    ago = time.time_ns() - 86_400 * SECOND - T0
    big = [agent_span(1), llm_span(2, 1), tool_span(3, "read", 1, at=2, attributes={"gen_ai.tool.call.result": BLOB})]
    for trace_id, spans in ((RICH, rich_spans()), (HOSTILE, hostile_spans()), (LONG, long_spans()), (BIG, big)):
        fill(opened, [later(span, ago) for span in in_trace(spans, trace_id)])
    link_all(opened, time.time_ns())
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def site(store: Store) -> Iterator[str]:
    url = store.engine.url.render_as_string(hide_password=False)
    with subprocess.Popen([sys.executable, "-c", SERVE, url], stdout=subprocess.PIPE, text=True) as process:
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


@pytest.fixture
def seen(site: str) -> Iterator[Seen]:
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


def expect_panel(page: Page, text: str) -> None:
    page.wait_for_function("(text) => document.querySelector('#panel h2')?.textContent.includes(text)", arg=text)


SOUND = FAULTS.replace(".plot,", ".plot, [role=group][aria-label],")
"""A graph is no picture: what stands in it are links with names of their own."""

WHERE = [(RICH, WIDE), (RICH, NARROW), (HOSTILE, WIDE), (LONG, NARROW), (BIG, WIDE)]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("trace_id", "viewport"), WHERE, ids=["rich", "rich narrow", "hostile", "long narrow", "big"])
def test_every_view_is_sound(page: Page, trace_id: bytes, viewport: dict[str, int], view: str) -> None:
    """No console error, no violated policy, no request elsewhere, every control named, headings in order, nothing too wide."""
    page.set_viewport_size(viewport)  # type: ignore[arg-type]
    page.goto(f"{run_href(trace_id)}?view={view}")
    page.wait_for_load_state("networkidle")
    assert page.evaluate(SOUND) == []
    assert page.locator("#view [data-step]").count() <= 300


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", [*VIEWS, f"chain&step={span_id(4).hex()}&panel=tokens"])
def test_text_of_every_view_can_be_read(page: Page, scheme: str, view: str) -> None:
    """All text has a contrast of 4.5 to 1 in both themes, in folds and panels too."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{run_href(RICH)}?view={view}")
    page.evaluate("document.querySelectorAll('details').forEach((box) => { box.open = true; })")
    assert page.evaluate(CONTRAST) == []


def test_the_first_failure_is_explained(page: Page) -> None:
    """From the complaint to the cause without an interaction: the id that came from nowhere, and the one it should have been."""
    page.goto(run_href(RICH))
    panel = page.locator("#panel").inner_text()
    assert "cl_2270 appears nowhere before; nearest cl_2207, result of step 2" in " ".join(panel.split())
    assert "check × 4 more" in page.locator("#chain").inner_text()
    for mark in ("retry", "switch", "breaker", "cache", "agent", "loop"):
        assert page.locator(f'#chain use[href="#i-{mark}"]').count() == 1, mark
    assert "70 % of 30 steps used" in page.locator(".verdict").inner_text()


def test_keys_reach_every_view_and_step(page: Page) -> None:
    page.goto(run_href(RICH))
    for key, shown in (("d", "decide"), ("k", "preferences"), ("$", "chat gpt-4.1"), ("e", "check"), ("K", "chat gpt-4.1"), ("j", "check")):
        page.keyboard.press(key)
        expect_panel(page, shown)
    for key, view in (("2", "timeline"), ("3", "graph"), ("4", "conversation"), ("5", "raw"), ("1", "")):
        page.keyboard.press(key)
        page.wait_for_url(re.compile(rf"view={view}" if view else r"/traces/[0-9a-f]+\?step=\w+$"))
    page.keyboard.press("f")
    page.keyboard.insert_text("Zurich")
    page.keyboard.press("Enter")
    page.wait_for_selector("#found")
    assert "with “Zurich”" in page.locator("#found").inner_text()


def test_every_key_has_a_control(page: Page) -> None:
    """What a key does, a visible control does; the list of keys names them all."""
    page.goto(f"{run_href(RICH)}?step={span_id(10).hex()}")
    keys = set(page.evaluate("[...document.querySelectorAll('[data-key]')].map((el) => el.dataset.key)"))
    assert {*"jkJKeEdDt$xcw12345?"} - keys <= {"E", "D"}, "no failure and no decision comes before the first failure"
    page.keyboard.press("?")
    told = page.locator("#keys").inner_text()
    for key in "jkJKhleEdDt$xwcfyY?":
        assert key in told
    page.keyboard.press("Escape")
    page.locator('#jumps a[data-key="d"]').click()
    expect_panel(page, "decide")


def test_a_point_of_the_strip_leads_to_its_step(page: Page) -> None:
    page.goto(run_href(RICH))
    box = page.locator("#strip").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.77, box["y"] + 22)
    page.wait_for_url(re.compile(r"at=0\.7[67]"))
    expect_panel(page, "slot-finder")


def test_a_step_of_a_sub_agent_opens_beside_the_timeline(page: Page) -> None:
    page.goto(f"{run_href(RICH)}?view=timeline")
    page.locator("#chain .tl__row", has_text="read_calendar").first.click()
    expect_panel(page, "read_calendar")
    assert page.locator('#chain [aria-current="true"]').count() == 1


def test_more_of_a_long_text_is_fetched_in_its_place(page: Page) -> None:
    page.goto(f"{run_href(BIG)}?view=raw&step={span_id(3).hex()}")
    leaf = page.locator(".leaf", has_text="gen_ai.tool.call.result").first
    leaf.locator("summary").click()
    assert len(leaf.locator("pre bdi").inner_text()) < 70_000
    leaf.locator("a[data-more]").click()
    page.wait_for_function("() => document.querySelector('.leaf pre bdi')?.textContent.length === 131072")
    text = leaf.locator("pre bdi").evaluate("(el) => el.textContent")
    assert text == BLOB[:131_072]


def test_a_run_that_goes_on_is_followed(page: Page, store: Store) -> None:
    """New steps appear by themselves, the reader's place stays, and once the run is over nothing is asked any more."""
    now = time.time_ns()
    off = now - 30 * SECOND - T0
    store_spans(store, [later(span, off) for span in in_trace(live_spans(), LIVE)], now_ns=now)
    page.goto(f"{run_href(LIVE)}?step={span_id(2).hex()}")
    assert page.locator(".fig--why").inner_text() == "running"
    page.locator("#ledger summary").click()
    more = [tool_span(4, "second_look", 1, at=20), agent_span(1, "watcher", lasts=25.0)]
    store_spans(store, [later(span, off) for span in in_trace(more[:1], LIVE)], now_ns=time.time_ns())
    page.wait_for_selector("#chain >> text=second_look", timeout=15_000)
    assert page.locator("#ledger").get_attribute("open") is not None
    expect_panel(page, "chat gpt-4.1")
    store_spans(store, [later(span, off) for span in in_trace(more[1:], LIVE)], now_ns=time.time_ns())
    page.wait_for_function("() => document.querySelector('[data-state]')?.dataset.state === 'complete'", timeout=20_000)
    assert page.locator(".fig--why").inner_text() == "completed"


def stoppable(store: Store, trace_id: bytes) -> int:
    """Store the beginning of a run that goes on, and return how far its times were moved."""
    now = time.time_ns()
    off = now - 10 * SECOND - T0
    store_spans(store, [later(span, off) for span in in_trace(live_spans(), trace_id)], now_ns=now)
    return off


def stop_it(page: Page, reason: str) -> str:
    """Stop the run of the page, as a reader does, and return what the page says of it."""
    sure = page.locator("#halt button")
    assert not sure.is_visible()
    page.get_by_text("Stop this run").click()
    page.locator('#halt input[name="reason"]').fill(reason)
    sure.click()
    page.wait_for_selector("#halted")
    assert page.locator("#halt").count() == 0
    return page.locator("#halted").inner_text()


def test_a_run_is_stopped_from_its_page(page: Page, store: Store) -> None:
    """While the question is open the page holds still; afterwards it follows the run to its end, and says who stopped it."""
    off = stoppable(store, STOPPED)
    page.goto(run_href(STOPPED))
    page.get_by_text("Stop this run").focus()
    page.keyboard.press("Enter")
    assert page.locator("#halt button").is_visible()
    page.keyboard.press("Enter")
    assert "It takes effect before the next step." in stop_it(page, "it spends too much")
    ended = agent_span(1, "watcher", lasts=25.0, attributes={"clew.termination.reason": "stopped"})
    store_spans(store, [later(span, off) for span in in_trace([ended], STOPPED)], now_ns=time.time_ns())
    page.wait_for_function("() => document.querySelector('#halted')?.textContent.startsWith('Stopped by')", timeout=20_000)
    assert "Reason: it spends too much" in page.locator("#halted").inner_text()


def test_a_run_is_stopped_without_script(browser: Browser, site: str, store: Store) -> None:
    """On a phone whose browser runs none."""
    stoppable(store, HALTED)
    context = browser.new_context(base_url=site, viewport=NARROW, java_script_enabled=False)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(run_href(HALTED))
    assert "Stop requested by" in stop_it(page, "")
    context.close()


def test_a_long_run_is_walked_beyond_what_is_mounted(page: Page) -> None:
    """Both ends stand there, keys and gaps reach the rest, and never more than 300 rows do."""
    page.goto(run_href(LONG))
    numbers = page.locator("#chain .step__i").all_text_contents()
    assert {"1", "10000"} <= set(numbers)
    page.keyboard.press("j")
    expect_panel(page, "chat gpt-4.1")
    page.goto(f"{run_href(LONG)}?step=120")
    for n in (121, 122, 123):
        page.keyboard.press("j")
        expect_panel(page, f"{n} ")
    page.locator(".step--gap a").first.click()
    page.wait_for_url(re.compile(r"from=\d+"))
    assert page.locator("#chain .step").count() <= 305
    page.keyboard.press("2")
    page.wait_for_selector(".tl__row")
    assert page.locator("#chain .tl__row").count() <= 300


def test_scrolling_a_long_run_is_smooth(page: Page) -> None:
    """No task of scrolling through the mounted rows takes the page more than 50 ms, in time of its own thread whoever else computes."""
    page.goto(run_href(LONG))
    page.wait_for_load_state("networkidle")
    assert 0 < longest_task_ms(page) < 50


def test_views_work_without_script(browser: Browser, site: str, seen: Seen) -> None:
    """Views, steps, tabs, gaps and the search are links and forms of their own."""
    context = browser.new_context(base_url=site, viewport=WIDE, java_script_enabled=False)  # type: ignore[arg-type]
    page = context.new_page()
    seen.watch(page)
    page.goto(run_href(RICH))
    for name in ("Timeline", "Graph", "Conversation", "Raw"):
        page.locator(".views .tabs a", has_text=name).click()
        assert page.locator('.views .tabs a[aria-current="true"]').inner_text() == name
    page.locator(".views .tabs a", has_text="Timeline").click()
    page.locator(".tl__row", has_text="get_client").locator("a").click()
    assert "get_client" in page.locator("#panel h2").inner_text()
    page.locator("#find").fill("Zurich")
    page.locator("#find").press("Enter")
    assert "with “Zurich”" in page.locator("#found").inner_text()
    context.close()


def test_the_report_prints(page: Page) -> None:
    """On paper stand the verdict, the chain and the step, without what can only be clicked."""
    page.emulate_media(media="print")
    page.goto(run_href(RICH))
    for hidden in (".jumps", ".views", ".ident__do", ".top"):
        assert not page.locator(hidden).first.is_visible(), hidden
    for shown in (".verdict", "#chain", "#panel h2"):
        assert page.locator(shown).first.is_visible(), shown
