"""``python -m tests.screenshots``: every page light, dark, on a phone, with nothing and with very much on it, as pictures in ``docs/``."""

import base64
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from ingest.settings import load_settings
from ingest.store.engine import open_store
from migrations.migrate import migrate
from sample_agent.history import INVENTED, LOOP
from webui.alerts.setup import make_outlets

from .alert_play import Night, looping
from .builders import SECOND, T0
from .lived import Lived, lived_through
from .test_pages_browser import ARGS, CHROMIUM, SERVE
from .test_pages_browser import long_spans as crawled
from .webui_app import fill, later
from .wire import in_trace, link_all

DOCS = Path(__file__).parent.parent / "docs"
FOLDER = DOCS / "screenshots"
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 1200}
HUGE = bytes([0xEE]) * 16
_QUALITY = 45
_RUNS = 160
_LIVE = 1
"""The number of the run that goes on while the pictures are taken."""


def main() -> int:
    """Take all pictures anew, write the page that shows them and return 0; 1 where there is no chromium."""
    if not CHROMIUM:
        print("chromium is not installed here: apt-get install chromium", file=sys.stderr)
        return 1
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        _picture_all(browser, Path(directory))
        browser.close()
    (DOCS / "screenshots.md").write_text(_document(), "utf-8")
    print(f"{sum(path.stat().st_size for path in FOLDER.iterdir()):,} bytes in {FOLDER}")
    return 0


def _picture_all(browser: Browser, directory: Path) -> None:
    empty = f"sqlite:///{directory / 'empty.db'}"
    migrate(empty)
    with serving(empty) as site:
        _take(browser, site, "empty", EMPTY)
    lived_in = directory / "lived"
    lived_in.mkdir()
    with lived_through(lived_in, _RUNS) as lived, serving(lived.store_url) as site:
        _run_away(lived, site)
        pages = pages_of(lived)
        for look in ("light", "dark", "phone"):
            _take(browser, site, look, pages)
    huge = f"sqlite:///{directory / 'huge.db'}"
    migrate(huge)
    _run_long(huge)
    with serving(huge) as site:
        _take(browser, site, "huge", HUGE_PAGES)


def _run_away(lived: Lived, site: str) -> None:
    """Let an agent run away now, under the watch."""
    settings = replace(load_settings({"CLEW_DATABASE_URL": lived.store_url}), base_url=site, alert_to="oncall@northgate.example")
    night = Night(lived.clew.store, time.time_ns(), make_outlets(settings, lived.clew.store))
    night.arrive(looping(_LIVE, 12))
    night.tick()


def _run_long(store_url: str) -> None:
    store = open_store(store_url)
    off_ns = time.time_ns() - 86_400 * SECOND - T0
    fill(store, [later(span, off_ns) for span in in_trace(crawled(10_000), HUGE)])
    link_all(store, time.time_ns())
    store.close()


EMPTY = {name: f"/{path}" for name, path in (
    ("home", ""), ("runs", "runs"), ("costs", "costs"), ("alerts", "alerts"), ("decisions", "decisions"), ("agents", "agents"),
    ("lookup-miss", f"lookup?q={'f' * 32}"), ("readiness", "readiness"),
)}  # fmt: skip
HUGE_PAGES = {
    "run": f"/traces/{HUGE.hex()}",
    "timeline": f"/traces/{HUGE.hex()}?view=timeline",
    "graph": f"/traces/{HUGE.hex()}?view=graph",
}


def pages_of(lived: Lived) -> dict[str, str]:
    """Return every page with something on it, by the name of its picture."""
    (wrong,), (dear,) = lived.traces(INVENTED), lived.traces(LOOP)
    views = {f"run-{view}": f"/traces/{wrong}?view={view}" for view in ("timeline", "graph", "conversation", "raw")}
    many = {name: f"/{name}?last=30d" for name in ("costs", "decisions", "tools", "terminations", "readiness")}
    alerts = {"alerts": "/alerts", "alert": "/alerts/1", "alert-rules": "/alerts/rules", "alert-deliveries": "/alerts/deliveries"}
    people = {"agents": "/agents", "agent": "/agents/scheduler", "users": "/users", "user": "/users/client-10417", "sessions": "/sessions"}
    first = {
        "home": "/",
        "runs": "/runs",
        "lookup": "/lookup?q=Thursday",
        "run": f"/traces/{wrong}",
        **views,
        "run-loop": f"/traces/{dear}",
        "run-live": f"/traces/{_LIVE:032x}",
    }
    return {**first, "compare": f"/compare?a={wrong}", **many, **alerts, **people, "settings": "/settings"}


@contextmanager
def serving(store_url: str) -> Iterator[str]:
    """Run the real web process over a store, and yield its address."""
    with subprocess.Popen([sys.executable, "-c", SERVE, store_url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()
        process.wait(15)


def _take(browser: Browser, site: str, look: str, pages: Mapping[str, str]) -> None:
    context = browser.new_context(
        base_url=site,
        viewport=PHONE if look == "phone" else WIDE,  # type: ignore[arg-type]
        color_scheme="dark" if look == "dark" else "light",
        reduced_motion="reduce",
        timezone_id="Europe/Zurich",
    )
    page = context.new_page()
    for name, path in pages.items():
        page.goto(path)
        page.wait_for_load_state("networkidle")
        _save(page, FOLDER / f"{name}-{look}.webp")
    context.close()


def _save(page: Page, path: Path) -> None:
    session = page.context.new_cdp_session(page)
    taken = session.send("Page.captureScreenshot", {"format": "webp", "quality": _QUALITY})
    path.write_bytes(base64.b64decode(taken["data"]))
    session.detach()


def _document() -> str:
    """Return the page that shows the pictures, by what is on them."""
    looks: dict[str, list[str]] = {}
    for path in sorted(FOLDER.glob("*.webp")):
        name, _, look = path.stem.rpartition("-")
        looks.setdefault(name, []).append(look)
    lines = [
        "# What it looks like",
        "",
        "Every page, over two weeks of the sample agent's life, made by `make screenshots` (as is this document). Nobody retouches them.",
    ]
    for name, seen in looks.items():
        lines += ["", f"## {name.replace('-', ' ').capitalize()}", ""]
        ordered = sorted(seen, key=("light", "dark", "phone", "empty", "huge").index)
        lines += [f'<img src="screenshots/{name}-{look}.webp" alt="{name}, {look}" width="{_SHOWN[look]}">' for look in ordered]
    return "\n".join(lines) + "\n"


_SHOWN = {"light": 480, "dark": 480, "phone": 160, "empty": 480, "huge": 480}

if __name__ == "__main__":
    sys.exit(main())
