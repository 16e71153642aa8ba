"""The four who come to Clew, each on the sample agent's fortnight: how many things they do until they have what they came for.

And every page of that history, light and dark, under the eyes of axe-core.
"""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

import tracer
from ingest.settings import load_settings
from sample_agent.history import INVENTED, LOOP
from webui.alerts.setup import make_outlets

from .alert_play import Night, looping
from .builders import span_id
from .lived import Lived, lived_through
from .test_pages_browser import ARGS, CHROMIUM, NARROW, SERVE, WIDE, Seen
from .tracer_play import switch_off

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed here: apt-get install chromium lets these tests run")

AXE = (Path(__file__).parent / "fixtures" / "axe" / "axe.min.js").read_text("utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = ["color-contrast", "link-in-text-block"]
"""The rules of axe-core whose verdict depends on colours."""


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """Live through a fortnight, once for all journeys."""
    with lived_through(tmp_path_factory.mktemp("fortnight"), 40) as found:
        yield found


@pytest.fixture(scope="module")
def site(lived: Lived) -> Iterator[str]:
    """Start the real web process over the history and yield its address."""
    with subprocess.Popen([sys.executable, "-c", SERVE, lived.store_url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0


@pytest.fixture(scope="module")
def night(lived: Lived, site: str) -> Night:
    """Let an agent run away now, under a watch that mails links to this site."""
    settings = replace(load_settings({"CLEW_DATABASE_URL": lived.store_url}), base_url=site, alert_to="oncall@northgate.example")
    found = Night(lived.clew.store, time.time_ns(), make_outlets(settings, lived.clew.store))
    found.arrive(looping(1, 12))
    found.tick()
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield opened
        opened.close()


@pytest.fixture
def seen(site: str) -> Iterator[Seen]:
    """Watch a page; whatever it complained of, violations of its policy included, fails the test."""
    watcher = Seen(site)
    yield watcher
    assert watcher.complaints == []


@pytest.fixture
def context(browser: Browser, site: str) -> Iterator[BrowserContext]:
    opened = browser.new_context(base_url=site, viewport=WIDE)  # type: ignore[arg-type]
    yield opened
    opened.close()


@dataclass
class Reader:
    """Somebody at a page: what they do is counted."""

    page: Page
    did: int = 0

    def paste(self, text: str) -> None:
        """Type or paste where the cursor is, and send it: two things done."""
        self.page.keyboard.insert_text(text)
        self.press("Enter")
        self.did += 1

    def press(self, key: str) -> None:
        """Press a key."""
        self.did += 1
        self.page.keyboard.press(key)

    def click(self, what: str | Locator) -> None:
        """Click on the first of something."""
        self.did += 1
        (self.page.locator(what) if isinstance(what, str) else what).first.click()

    def is_at(self, part: str) -> None:
        """Expect a page whose address has this in it."""
        self.page.wait_for_url(re.compile(re.escape(part)), timeout=10_000)

    def sees(self, *words: str) -> None:
        """Expect words in sight, without scrolling."""
        try:
            self.page.wait_for_function(
                f"(words) => {{ const said = ({IN_SIGHT})(); return words.every((one) => new RegExp(one).test(said)); }}",
                arg=list(words),
                timeout=10_000,
            )
        except PlaywrightTimeout:
            said = self.page.evaluate(IN_SIGHT)
            pytest.fail(f"{[word for word in words if not re.search(word, said)]} is not among: {said[:3_000]}")


IN_SIGHT = """() => {
  const parts = [];
  const main = document.querySelector("main");
  if (!main) return "";  // amid a change of pages
  const walker = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  while (walker.nextNode()) {
    range.selectNodeContents(walker.currentNode);
    const box = range.getBoundingClientRect();
    if (box.width && box.bottom > 0 && box.top < innerHeight) parts.push(walker.currentNode.textContent);
  }
  return parts.join(" ").replace(/\\s+/g, " ");
}"""


@pytest.fixture
def reader(context: BrowserContext, seen: Seen) -> Reader:
    opened = context.new_page()
    seen.watch(opened)
    return Reader(opened)


def test_on_call_finds_the_wrong_decision(reader: Reader, lived: Lived) -> None:
    """A customer writes what they had asked for; where the run went wrong, and why, stands there after at most six things done."""
    (wrong,) = lived.traces(INVENTED)
    reader.page.goto("/")
    reader.paste("book 45 minutes on Thursday morning")
    reader.page.wait_for_url(re.compile("/lookup|/traces/"))
    if "/lookup" in reader.page.url:
        reader.click(f'a[href*="{wrong}"]')
    reader.is_at(wrong)
    reader.sees("Why it stopped loop", r"First failure: book_appointment", r"client_id 10999 appears nowhere before")
    reader.press("w")
    reader.sees("Where each argument came from", "What led here", r"decided, over \d+ others")
    assert reader.did <= 6


def test_on_call_finds_it_by_the_customers_number(reader: Reader, lived: Lived) -> None:
    """With nothing but who the customer is: their runs, the one that went wrong among them marked."""
    (wrong,) = lived.traces(INVENTED)
    reader.page.goto("/costs")
    reader.press("/")
    reader.paste("client-10417")
    reader.click(reader.page.locator("tr[data-row]", has_text="loop").locator("a"))
    reader.is_at(wrong)
    reader.sees(r"client_id 10999 appears nowhere before")
    assert reader.did <= 6


def test_who_watches_costs_finds_what_made_the_bill(reader: Reader, lived: Lived) -> None:
    """The bill doubled: the tool whose results were paid for over and over, and the run that did it."""
    (dear,) = lived.traces(LOOP)
    reader.page.goto("/")
    reader.click('.nav a[href="/costs"]')
    reader.is_at("/costs")
    if reader.page.locator(f'a[href*="{dear}"]').count() == 0:
        reader.click(reader.page.locator(".head a", has_text="30 d"))
        reader.is_at("last=30d")
    assert "check_availability" in reader.page.locator("main").inner_text()
    reader.click(f'a[href*="{dear}"]')
    reader.is_at(dear)
    reader.sees(r"step limit", r"\d+(\.\d)? × median", "check_availability")
    assert reader.did <= 6


def test_who_is_alerted_gets_from_the_mail_to_the_step_and_stops_it(reader: Reader, night: Night) -> None:
    """The mail's link leads to the evidence, that to the step where it began; one press stops what still goes on."""
    mail = next(one for one in night.parcels() if "billing-bot" in one.subject)
    link = f"{night.outlets.desk.base_url}/alerts/{mail.alert_id}"
    assert link in mail.body
    reader.page.goto(link)
    reader.did += 1
    reader.sees("billing-bot repeated search_orders")
    reader.click(reader.page.get_by_role("link", name="first"))
    reader.is_at("/traces/")
    reader.sees("search_orders")
    assert "search_orders" in reader.page.locator("#panel h2").inner_text()
    reader.did += 1
    reader.page.go_back()
    reader.click(reader.page.get_by_role("button", name=re.compile("^Stop")))
    reader.sees("asked to stop")
    assert reader.did <= 6
    trace_id = (1).to_bytes(16, "big").hex()
    control = reader.page.request.get(f"/api/v1/traces/{trace_id}/control?run={span_id(1).hex()}").json()
    assert control["stop"] is True


def test_who_uses_the_sdk_gets_from_the_printed_link_to_their_step(reader: Reader, lived: Lived, site: str) -> None:
    """The link is known before the run ends, and leads to it as soon as it was delivered."""
    tracer.configure(endpoint=lived.clew.endpoint, base_url=site, service="shop", heartbeat_s=0.0)
    try:
        printed = a_program_with_a_bug()
        assert tracer.flush(30.0)
    finally:
        switch_off()
    lived.clew.link(time.time_ns())
    reader.page.goto(printed)
    reader.did += 1
    reader.sees("support", "LookupError: order 12345", "First failure")
    reader.press("w")
    assert "find_order" in reader.page.locator("#panel h2").inner_text()
    reader.sees("12345")
    assert reader.did <= 6


def a_program_with_a_bug() -> str:
    """Run an agent as its developer would, and return the link that it prints."""

    @tracer.tool
    def find_order(order: str) -> str:
        raise LookupError(f"order {order}")

    printed = ""
    with pytest.raises(LookupError), tracer.agent_run("support") as run:
        printed = run.url
        run.reference(order="12345")
        find_order("12345")
    return printed


# --- every page -------------------------------------------------------------------------------------------------------


def pages_of(lived: Lived) -> list[str]:
    """Return the addresses of every page, with something on it and with nothing."""
    (wrong,), (dear,) = lived.traces(INVENTED), lived.traces(LOOP)
    of_run = [f"/traces/{wrong}?view={view}" for view in ("chain", "timeline", "graph", "graph&mode=merged", "conversation", "raw")]
    panels = [f"/traces/{wrong}?panel={panel}" for panel in ("input", "output", "tokens", "raw")]
    many = [f"/{name}?last=30d" for name in ("costs", "decisions", "tools", "terminations", "readiness")]
    alerts = ["/alerts", "/alerts/1", "/alerts/rules", "/alerts/silences", "/alerts/deliveries"]
    people = ["/agents", "/agents/scheduler", "/users", "/users/client-10417", "/sessions", "/sessions/chat-7-00001"]
    empty = ["/runs?filter=steps+%3E+1000000", "/runs?filter=agnt", f"/lookup?q={'f' * 32}", "/lookup?q=Thursday", "/nowhere", "/compare"]
    return ["/", "/runs", *of_run, *panels, f"/traces/{dear}", f"/compare?a={wrong}", *many, *alerts, *people, *empty, "/settings"]


def test_axe_finds_nothing_serious_on_any_page(browser: Browser, lived: Lived, night: Night, site: str) -> None:
    """No page has a serious or critical fault for anybody who cannot see, hear or point well, with all that is folded open.

    By all rules in the light; what does not depend on colours is the same in the dark.
    """
    context = browser.new_context(base_url=site, viewport=WIDE, color_scheme="light", reduced_motion="reduce")  # type: ignore[arg-type]
    page, watcher = context.new_page(), Seen(site)
    watcher.watch(page)
    found: list[str] = []
    for path in pages_of(lived):
        page.goto(path)
        page.evaluate(SHORT_AND_OPEN)
        page.evaluate(AXE)
        found += [f"{path}: {fault}" for fault in serious_faults(page, {"type": "tag", "values": TAGS})]
        page.emulate_media(color_scheme="dark")
        found += [f"{path}, dark: {fault}" for fault in serious_faults(page, {"type": "rule", "values": COLOURS})]
        page.emulate_media(color_scheme="light")
    context.close()
    assert not found, "\n".join(found)
    assert watcher.complaints == []
    assert night.alerts()


SHORT_AND_OPEN = """() => {
  document.querySelectorAll('details').forEach((box) => { box.open = true; });
  document.querySelectorAll('tbody tr:nth-child(n+9):not(:last-child)').forEach((row) => row.remove());
}"""
"""Opens what is folded, and leaves eight rows of a table and its last: those between are made by the same lines of a template."""


def serious_faults(page: Page, run_only: dict[str, Any]) -> list[str]:
    """Return what axe-core finds serious or worse on a page."""
    told: dict[str, Any] = page.evaluate("(runOnly) => axe.run(document, {resultTypes: ['violations'], runOnly})", run_only)
    return [
        f"{one['impact']} {one['id']} at {one['nodes'][0]['html'][:200]}"
        for one in told["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def test_a_phone_shows_every_page(browser: Browser, lived: Lived, night: Night, site: str) -> None:
    """Nothing is wider than a phone, and nothing moves where the reader asked for less motion."""
    context = browser.new_context(base_url=site, viewport=NARROW, reduced_motion="reduce", has_touch=True)  # type: ignore[arg-type]
    page, watcher = context.new_page(), Seen(site)
    watcher.watch(page)
    wide, moving = [], []
    for path in pages_of(lived):
        page.goto(path)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(path)
        if page.evaluate("document.getAnimations().length"):
            moving.append(path)
    context.close()
    assert (wide, moving, watcher.complaints) == ([], [], [])
    assert night.alerts()


def test_times_follow_the_reader(browser: Browser, lived: Lived, site: str) -> None:
    """Chosen once, every page tells times by the browser's own clock, and goes along when the browser travels."""
    (wrong,) = lived.traces(INVENTED)
    context = browser.new_context(base_url=site, viewport=WIDE, timezone_id="Asia/Tokyo")  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"/traces/{wrong}")
    at_utc = page.locator(".ident time").inner_text()
    page.locator("#zone").click()
    page.get_by_label(re.compile("this browser, Asia/Tokyo")).check()
    page.get_by_role("button", name="Keep").click()
    page.wait_for_url(re.compile(wrong))
    assert page.locator(".ident time").inner_text() != at_utc
    assert "Asia/Tokyo" in page.locator(".ident").inner_text()
    kept = context.cookies()
    context.close()
    moved = browser.new_context(base_url=site, viewport=WIDE, timezone_id="America/Lima")  # type: ignore[arg-type]
    moved.add_cookies(kept)  # type: ignore[arg-type]
    page = moved.new_page()
    page.goto(f"/traces/{quote(wrong)}")
    page.wait_for_selector('.ident :text("America/Lima")')
    assert urlsplit(page.url).path == f"/traces/{wrong}"
    moved.close()
