"""Every program of the SDK's guide and of the README's tour, run as it stands against a real Clew, and what they say they print."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

import tracer
from tracer import semconv
from tracer.settings import Options

from .model_server import ModelServer, model_server
from .test_webui_cli_up import Up
from .webui_cli import clew

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "docs" / "sdk.md"
README = ROOT / "README.md"

LIMIT_S = 60
_SETTLED_S = 20

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a page: its programs, which are one, what they print, and the commands that follow with what these print."""

    name: str
    program: str
    printed: str
    commands: tuple[tuple[str, str], ...]


def sections_of(page: Path) -> list[Section]:
    """Return the sections of a page that have something to run."""
    _, *parts = re.split(r"^## ", page.read_text("utf-8"), flags=re.MULTILINE)
    return [section for part in parts if (section := _section(part)).program]


def _section(part: str) -> Section:
    blocks = [(match[1], match[2]) for match in _BLOCK.finditer(part)]
    said = ["".join(text for kind, text in blocks if kind == wanted) for wanted in ("python", "text")]
    commands = [text.removeprefix("$ ").partition("\n") for kind, text in blocks if kind == "console"]
    return Section(part.partition("\n")[0], said[0], said[1], tuple((command, printed) for command, _, printed in commands))


SECTIONS = sections_of(GUIDE)


@dataclass(frozen=True, slots=True)
class Site:
    """A running Clew, and a model's API."""

    store_url: str
    environ: dict[str, str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data_dir = tmp_path_factory.mktemp("clew")
    up = Up(data_dir)
    try:
        up.until("Clew is up:")
        # It guards a start that hangs; these programs may take longer together.
        up._guard.cancel()
        with model_server() as models:
            yield Site(f"sqlite:///{data_dir / 'clew.db'}", _environ(up, models))
    finally:
        up.close()


def _environ(up: Up, models: ModelServer) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("CLEW_", "OTEL_"))}
    return environ | {
        "CLEW_ENDPOINT": up.address("otlp-http"),
        "CLEW_BASE_URL": up.address("web"),
        "ANTHROPIC_BASE_URL": models.url,
        "ANTHROPIC_API_KEY": "none",
        "OPENAI_BASE_URL": f"{models.url}/v1",
        "OPENAI_API_KEY": "none",
        "PYTHONPATH": str(ROOT),
    }


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="module")
def ran(site: Site, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """Run the programs of all sections, a few at a time: most of their time is spent on importing."""
    directory = tmp_path_factory.mktemp("programs")
    with ThreadPoolExecutor(3) as pool:
        endings = pool.map(lambda section: run(section, site, directory), SECTIONS)
        return dict(zip((section.name for section in SECTIONS), endings, strict=True))


def run(section: Section, site: Site, directory: Path) -> Ran:
    """Run a program in a process of its own, as a file."""
    file = directory / f"{re.sub('[^a-z]+', '_', section.name.lower())}.py"
    file.write_text(section.program, "utf-8")
    command = [sys.executable, "-W", "error", str(file)]
    done = subprocess.run(command, cwd=directory, env=site.environ, capture_output=True, text=True, timeout=LIMIT_S)
    return Ran(done.returncode, done.stdout, done.stderr)


def without_times(text: str) -> str:
    """Return what was printed without ids, times, durations and numbers of spans, which differ each time."""
    text = re.sub(r"\b[0-9a-f]{32}\b", "TRACE", text)
    text = re.sub(r"\b[0-9a-f]{16}\b", "SPAN", text)
    text = re.sub(r"http://127\.0\.0\.1:\d+", "CLEW", text)
    text = re.sub(r"started .*? UTC", "started TIME", text)
    # A slow machine has more spans to tell of: what is open for long says so.
    text = re.sub(r"\b\d+ spans?\b", "SPANS", text)
    return re.sub(r"\b\d+(\.\d+)? (ns|µs|ms|s)\b", "TIME", text)


def answer(site: Site, command: str) -> str:
    """Carry out a command once what it asks for has arrived and settled."""
    words = command.split()
    assert words[0] == "clew"
    deadline = time.monotonic() + _SETTLED_S
    while True:
        said = clew(site.store_url, *words[1:])
        if (said.status == 0 and "settling" not in said.out) or time.monotonic() > deadline:
            return said.out + said.err
        time.sleep(0.1)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_programs_run_and_print_what_stands_there(section: Section, site: Site, ran: dict[str, Ran]) -> None:
    """They end well, say nothing on stderr, print what the page says, and Clew shows of them what the page says."""
    ended = ran[section.name]
    assert (ended.status, ended.err) == (0, ""), ended.err
    assert without_times(ended.out) == without_times(section.printed)
    for command, printed in section.commands:
        assert without_times(answer(site, command)) == without_times(printed)


def test_the_readmes_tour_is_the_guides() -> None:
    """Its blocks are the guide's own, character for character, so that they are run with it."""
    tours = [re.split(r"^## ", page.read_text("utf-8"), flags=re.MULTILINE) for page in (README, GUIDE)]
    blocks = [_BLOCK.findall(part) for parts in tours for part in parts if part.startswith("Five minutes")]
    assert len(blocks) == 2 and blocks[0] == blocks[1]


def test_every_setting_is_in_the_guide() -> None:
    """The table names them all."""
    table = GUIDE.read_text("utf-8").partition("## Every setting")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))))
    assert named == set(Options.__annotations__)


def test_every_public_name_is_in_the_guide() -> None:
    page = GUIDE.read_text("utf-8")
    assert [name for name in tracer.__all__ if not re.search(rf"\b{name}\b", page)] == []


def test_every_name_on_the_wire_is_in_the_guide() -> None:
    """Ours, written out or as the last part of one before it."""
    said = GUIDE.read_text("utf-8").partition("## Names on the wire")[2]
    names = [value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str)]
    parts = set(re.findall(r"`([.\w<>]+)`", said))
    missing = [
        name
        for name in names
        if name.rstrip(".") not in {part.removesuffix(".<name>") for part in parts} and f".{name.rpartition('.')[2]}" not in parts
    ]
    assert missing == []
