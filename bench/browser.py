"""Very long runs in a real browser: from opening the page until something is painted, rows mounted, tasks while scrolling.

The browser is Debian's chromium, new for each opening, so that nothing is in its cache; painting is told by itself (First
Contentful Paint, which counts from the click and so holds the server's time too).
"""

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

from .figures import Figure, median
from .fill import WrongAnswer
from .payloads import CONTENT_TYPES, Request, Workload, giant_requests
from .scale import Scale
from .senders import send
from .server import ClewServer, Server, wait_until

_PAINT_MS, _ROWS, _TASK_MS, _PAGE_KB = 1_000.0, 300.0, 50.0, 1_000.0
_SPANS_PER_REQUEST = 500
_RUNS = 3
"""So many runs of the usual length: each can be opened first only once."""

_LONGEST = 10
"""The longest run is so many times as long as the one that has to be quick."""

_LAP_NS = 60 * 10**9
_TIMEOUT_S = 300.0
_TEXT_BYTES = 5_000_000
_ARGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
_FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
_KB = "() => performance.getEntriesByType('navigation')[0].transferSize / 1000"


class _Opened(NamedTuple):
    paint_ms: float
    rows: int
    task_ms: float
    page_kb: float
    numbers: list[str]


def measure(scale: Scale) -> Iterator[Figure]:
    """Measure a run with a text of five megabytes, a long run, opened first and again, and one ten times as long."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("chromium is not installed here: left out")
        return
    workload = Workload(seed=time.time_ns(), first_ns=time.time_ns() - 20 * 86_400 * 10**9, step_ns=_LAP_NS)
    with ClewServer() as server, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=list(_ARGS))
        trace_id = time.time_ns().to_bytes(16, "big")
        _store(server, [_heavy(trace_id)])
        # Neither a server's nor a browser's first page of a run ever is what is measured.
        _open(browser, _page_of(server, trace_id))
        opened = _open(browser, _page_of(server, trace_id))
        yield Figure("run with a text of 5 MB: page sent", opened.page_kb, "kB", _PAGE_KB, note=f"painted after {opened.paint_ms:,.0f} ms")
        numbers = range(0, _RUNS * 50_000, 50_000)
        for number in numbers:
            _store(server, giant_requests(workload, number, scale.giant_spans, _SPANS_PER_REQUEST))
        pages = [_page_of(server, workload.trace_id(number)) for number in numbers]
        yield from _figures(browser, pages, scale.giant_spans, _PAINT_MS)
        longest = _LONGEST * scale.giant_spans
        _store(server, giant_requests(workload, numbers.stop, longest, _SPANS_PER_REQUEST))
        yield from _figures(browser, [_page_of(server, workload.trace_id(numbers.stop))], longest)


def _figures(browser: Browser, urls: Sequence[str], spans: int, limit_ms: float | None = None) -> Iterator[Figure]:
    """Open each page twice, with medians over the pages."""
    first, again = [_open(browser, url) for url in urls], [_open(browser, url) for url in urls]
    for opened in first:
        shown = [int(number) for number in opened.numbers if number.isdecimal()]
        if not shown or min(shown) != 1 or max(shown) < 0.9 * spans:
            raise WrongAnswer(f"a run of {spans:,} spans does not show both ends: {opened.numbers[:3]} to {opened.numbers[-3:]}")
    name = f"run of {spans:,} spans in the browser"
    kept = f"{first[0].page_kb:,.0f} kB"
    yield Figure(f"{name}: painted, opened first", median([opened.paint_ms for opened in first]), "ms", limit_ms, note=kept)
    yield Figure(f"{name}: painted, opened again", median([opened.paint_ms for opened in again]), "ms", limit_ms)
    yield Figure(f"{name}: rows mounted", max(opened.rows for opened in first), "", _ROWS)
    task_ms = max(opened.task_ms for opened in (*first, *again))
    yield Figure(f"{name}: longest task while scrolling", task_ms, "ms", _TASK_MS, note="of the page's own thread")


def _page_of(server: Server, trace_id: bytes) -> str:
    return f"http://127.0.0.1:{server.web_port}/traces/{trace_id.hex()}"


def _store(server: Server, requests: list[Request]) -> None:
    send(server.otlp_port, requests)
    wait_until(server.has_linked_all, _TIMEOUT_S)


def _heavy(trace_id: bytes) -> Request:
    """Return a run of one model call that was told five megabytes."""
    now_ns = time.time_ns()
    told = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "0123456789" * (_TEXT_BYTES // 10)}]}])
    values = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4.1", "gen_ai.input.messages": told}
    span = {
        "traceId": trace_id.hex(),
        "spanId": "00000000000000a1",
        "name": "chat gpt-4.1",
        "startTimeUnixNano": str(now_ns - 10**9),
        "endTimeUnixNano": str(now_ns),
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in values.items()],
    }
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    return Request(json.dumps(body).encode(), CONTENT_TYPES["json"], 1)


def _open(browser: Browser, url: str) -> _Opened:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(url)
    page.wait_for_function(_FIRST_PAINT)
    paint_ms, page_kb = page.evaluate(_FIRST_PAINT), page.evaluate(_KB)
    page.wait_for_load_state("networkidle")
    rows = page.locator("#chain .step:not(.step--gap)").count()
    numbers = page.locator("#chain .step__i").all_text_contents()
    task_ms = longest_task_ms(page)
    context.close()
    return _Opened(paint_ms, rows, task_ms, page_kb, numbers)


def longest_task_ms(page: Page) -> float:
    """Scroll through the page and return the longest task of its main thread, in that thread's own time."""
    session = page.context.new_cdp_session(page)
    events: list[dict[str, Any]] = []
    ended: list[object] = []
    session.on("Tracing.dataCollected", lambda part: events.extend(part["value"]))
    session.on("Tracing.tracingComplete", lambda told: ended.append(told))
    session.send("Tracing.start", {"categories": "disabled-by-default-devtools.timeline,devtools.timeline", "transferMode": "ReportEvents"})
    for _ in range(40):
        page.mouse.wheel(0, 400)
        page.wait_for_timeout(16)
    session.send("Tracing.end")
    while not ended:
        page.wait_for_timeout(20)
    names = [event for event in events if event.get("name") == "thread_name" and event["args"] == {"name": "CrRendererMain"}]
    main = {(event["pid"], event["tid"]) for event in names}
    tasks = [event for event in events if event.get("name") == "RunTask" and (event["pid"], event["tid"]) in main]
    return max(float(event.get("tdur", 0)) / 1000 for event in tasks)
