"""Two weeks of four agents and more, sent as OTLP and linked: what rules compare with. Until a Monday, ten o'clock UTC."""

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from ingest.model import Span
from ingest.store.engine import open_store

from .alert_stage import HOUR, MINUTE, MONDAY_NS, Stage, make_stage, whole_run
from .builders import SECOND

DAYS = 16
BERLIN = ZoneInfo("Europe/Berlin")
_AT_ONCE = 600


def hourly_rate(agent: str, hour_ns: int) -> float:
    """Return how many runs an agent has in an hour, on average."""
    at = datetime.fromtimestamp(hour_ns // SECOND, UTC)
    if agent == "clerk":
        return 13.0 + 3.0 * math.sin(2 * math.pi * (at.hour - 9) / 24)
    if agent == "office":
        here = at.astimezone(BERLIN)
        return 26.0 if here.weekday() < 5 and 8 <= here.hour < 18 else 0.0
    if agent == "nightly":
        return 50.0 if at.hour == 2 else 0.0
    return 0.7


AGENTS = ("clerk", "office", "nightly", "rare")


def usual_hour(stage: Stage, hour_ns: int, agents: tuple[str, ...] = AGENTS, usd: float = 0.02, lasts_s: float = 8.0) -> list[list[Span]]:
    """Return the runs of an hour, in the order they begin."""
    runs = []
    for agent in agents:
        for at_ns in _times(stage, hourly_rate(agent, hour_ns)):
            cost, length = usd * math.exp(stage.rng.gauss(0, 0.5)), lasts_s * math.exp(stage.rng.gauss(0, 0.3))
            error = "no slot" if stage.rng.random() < 0.03 else ""
            runs.append(whole_run(stage, agent, hour_ns + at_ns, cost, length, error=error))
    return sorted(runs, key=lambda spans: spans[0].start_ns)


def _times(stage: Stage, rate: float) -> Iterator[int]:
    at = stage.rng.expovariate(rate) if rate else 2.0
    while at < 0.99:
        yield round(at * HOUR)
        at += stage.rng.expovariate(rate)


def write_history(path: Path, dawn: Path) -> None:
    """Fill a migrated store with what was before Monday, ten o'clock; ``dawn`` becomes what it was at five."""
    store = open_store(f"sqlite:///{path}")
    stage = make_stage(store, "history", MONDAY_NS + 10 * HOUR)
    waiting: list[Span] = []
    first_ns = MONDAY_NS - DAYS * 24 * HOUR
    for hour in range(DAYS * 24 + 10):
        if hour == DAYS * 24 + 5:
            stage.send(*waiting)
            waiting = []
            with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(dawn)) as copy:
                source.backup(copy)
        for number, spans in enumerate(usual_hour(stage, first_ns + hour * HOUR)):
            # That a tool is in use need not be said by every run.
            waiting += spans if number % 8 == 0 else spans[:2]
        if len(waiting) >= 3 * _AT_ONCE:
            stage.send(*waiting)
            waiting = []
    stage.send(*waiting)
    stage.night.tick()
    store.close()


def live_hours(stage: Stage, hours: float, usd: float = 0.02, lasts_s: float = 8.0, agents: tuple[str, ...] = AGENTS) -> None:
    """Let hours pass as they usually do, from now on; what runs cost and last may be other than usual."""
    start_ns, length_ns = stage.now_ns, round(hours * HOUR)
    coming = [
        spans
        for hour in range(math.ceil(hours))
        for spans in usual_hour(stage, start_ns + hour * HOUR, agents, usd, lasts_s)
        if spans[0].end_ns < start_ns + length_ns
    ]
    coming.sort(key=lambda spans: spans[0].end_ns)
    while stage.now_ns < start_ns + length_ns:
        stage.wait(5 * 60, 5 * MINUTE)
        ready = [spans for spans in coming if spans[0].end_ns <= stage.now_ns]
        if ready:
            stage.send(*(span for spans in ready for span in spans))
            coming = coming[len(ready) :]
