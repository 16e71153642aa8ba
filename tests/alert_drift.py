"""Drift, labelled: agents whose runs cost or last more from day to day, and agents whose days only differ."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ingest.model import Span

from .alert_stage import HOUR, Scenario, Stage, whole_run
from .builders import SECOND

DAY = 24 * HOUR
AWAY = frozenset({"H1"})
"""What may be said beside it."""

_LEARNED = 29
"""Days before anything changes."""
_RUNS = 20


@dataclass(frozen=True)
class Course:
    """How an agent's days go: by what its usual cost and duration are multiplied, so many days after it was learned."""

    usd: Callable[[int], float] = lambda day: 1.0
    lasts: Callable[[int], float] = lambda day: 1.0
    learned: int = _LEARNED
    live: int = 12
    runs: int = _RUNS
    sure: int | None = None
    """After so many days the fact is in the data; None where there is none."""


def _day(stage: Stage, agent: str, start_ns: int, course: Course, after: int) -> list[Span]:
    mood = stage.rng.gauss(0, 0.04)
    spans: list[Span] = []
    for number in range(course.runs):
        usd = 0.2 * course.usd(after) * math.exp(mood + stage.rng.gauss(0, 0.3))
        lasts = 8.0 * course.lasts(after) * math.exp(mood + stage.rng.gauss(0, 0.2))
        # A model call and its run are all that such days are judged by.
        spans += whole_run(stage, agent, start_ns + round(number * DAY / course.runs), usd, lasts)[:2]
    return spans


def play(agent: str, course: Course) -> Callable[[Stage], None]:
    """Fill in what was before, then let days pass. The watch looks when each is over; that it was away until then it says too (H1)."""

    def played(stage: Stage) -> None:
        midnight_ns = stage.now_ns // DAY * DAY
        for back in range(course.learned, 0, -1):
            stage.send(*_day(stage, agent, midnight_ns - back * DAY, course, -1))
        for after in range(course.live):
            begin_ns = midnight_ns + after * DAY
            # What is said of a day needs it whole: it is sent as it ends, and judged an hour later.
            stage.wait((begin_ns + DAY + 60 * SECOND - stage.now_ns) / SECOND, DAY)
            stage.send(*_day(stage, agent, begin_ns, course, after))
            if after + 1 == course.sure:
                stage.fact()
            stage.wait(64 * 60, HOUR)
            stage.wait(60, 30 * SECOND)

    return played


def _creep(share: float) -> Callable[[int], float]:
    return lambda day: (1 + share) ** max(day + 1, 0)


def _step(factor: float) -> Callable[[int], float]:
    return lambda day: factor if day >= 0 else 1.0


def _spike(day: int) -> float:
    return 3.0 if day == 4 else 1.0


DRIFTING = {
    "cost-creeps": Course(usd=_creep(0.05), live=9, sure=6),
    "cost-steps": Course(usd=_step(1.5), live=5, sure=3),
    "duration-creeps": Course(lasts=_creep(0.05), live=9, sure=6),
    "duration-steps": Course(lasts=_step(1.5), live=5, sure=3),
}

STEADY = {
    "same": Course(live=10),
    "one-dear-day": Course(usd=_spike, live=7),
    "cheaper": Course(usd=_step(0.6), live=6),
    "young": Course(usd=_creep(0.05), learned=15),
    "seldom": Course(usd=_creep(0.05), runs=12, live=9),
    "cents": Course(usd=lambda day: 0.02 * _creep(0.05)(day), live=9),
}


def drifting(make: Callable[[str, Callable[[Stage], None]], Scenario]) -> Iterator[Scenario]:
    """Yield what drifts."""
    return (make(f"drift-{name}", play(f"drifter-{name}", course)) for name, course in DRIFTING.items())


def steady(make: Callable[[str, Callable[[Stage], None]], Scenario]) -> Iterator[Scenario]:
    """Yield what does not, or not so that it matters."""
    return (make(f"drift-{name}", play(f"steady-{name}", course)) for name, course in STEADY.items())
