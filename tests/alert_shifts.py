"""Shifts, labelled: more failures than usual, runs that last longer, more runs, and silence."""

from collections.abc import Callable, Iterator

from .alert_drift import AWAY, drifting
from .alert_history import AGENTS, live_hours
from .alert_stage import Scenario, Stage, whole_run
from .builders import SECOND

_SHIFTS = frozenset({"A1", "A2", "A4", "L4"})


def _scenario(name: str, rules: str, play: Callable[[Stage], None], base: str = "", also: frozenset[str] = _SHIFTS) -> Scenario:
    return Scenario(f"shift-{name}", "shift", frozenset(rules.split()), also, play, base)


_ENDINGS: tuple[dict[str, str], ...] = (
    {},
    {"clew.termination.reason": "tool_failure"},
    {"clew.termination.reason": "max_steps"},
    {"clew.termination.reason": "validation_failed"},
    {"clew.termination.reason": "llm_unavailable"},
)


def _failing(number: int, share: float, every_s: float) -> Callable[[Stage], None]:
    """Runs of which a share does not complete; the fact is six failures among at least twenty runs."""

    def play(stage: Stage) -> None:
        ending = _ENDINGS[number % len(_ENDINGS)]
        failed = total = 0
        while total < 70:
            fails = stage.rng.random() < share
            attributes = ending if fails else {}
            error = "no answer" if fails and not ending else ""
            spans = whole_run(stage, f"desk-{number}", stage.now_ns - 8 * SECOND, error=error, attributes=attributes)
            if fails:
                stage.guilty.add(spans[0].trace_id)
            stage.send(*spans)
            failed, total = failed + fails, total + 1
            if failed >= 6 and total >= 20:
                stage.fact()
            if stage.fact_ns is not None and stage.now_ns - stage.fact_ns > 240 * SECOND:
                return
            stage.wait(every_s, 15 * SECOND)

    return play


def _was_fine(number: int, share: float) -> Callable[[Stage], None]:
    """An agent that did well for weeks and now fails."""

    def play(stage: Stage) -> None:
        failed = 0
        for turn in range(60):
            fails = stage.rng.random() < share
            stage.send(*whole_run(stage, ("clerk", "office")[number % 2], stage.now_ns - 8 * SECOND, error="timeout" if fails else ""))
            failed += fails
            if failed >= 6 and turn >= 19:
                stage.fact()
            stage.wait(15, 15 * SECOND)

    return play


def _slower(factor: float, agent: str) -> Callable[[Stage], None]:
    """Runs that last many times as long as they did; the fact is the first of them."""

    def play(stage: Stage) -> None:
        stage.fact()
        live_hours(stage, 2.2, lasts_s=8.0 * factor)

    return play


def _more_runs(factor: int) -> Callable[[Stage], None]:
    """Many times as many runs as in such an hour; the fact is three times what the whole hour usually has."""

    def play(stage: Stage) -> None:
        for turn in range(26 * factor):
            stage.send(*whole_run(stage, "office", stage.now_ns - 9 * SECOND))
            if turn == 3 * 26:
                stage.fact()
            stage.wait(3600 / 26 / factor, 60 * SECOND)

    return play


def _silent(hours: float) -> Callable[[Stage], None]:
    """An agent that stops in the middle of its day; the fact is two hours without a run."""

    def play(stage: Stage) -> None:
        live_hours(stage, hours)
        rest = tuple(one for one in AGENTS if one != "office")
        # The watch speaks of whole hours: those two after the one in which it stopped.
        live_hours(stage, 3.0 - hours % 1.0, agents=rest)
        stage.fact()
        live_hours(stage, 0.4, agents=rest)

    return play


def _all() -> Iterator[Scenario]:
    for n in range(16):
        yield _scenario(f"failing-{n}", "A2", _failing(n, (0.35, 0.5, 0.7, 1.0)[n % 4], (8.0, 12.0, 20.0)[n % 3]))
    for n in range(6):
        yield _scenario(f"was-fine-{n}", "A2", _was_fine(n, (0.4, 0.6, 0.9)[n % 3]), "weeks")
    for n, factor in enumerate((4.0, 6.0, 10.0, 20.0)):
        yield _scenario(f"slower-{n}", "A1", _slower(factor, "office"), "weeks")
    for n, factor in enumerate((5, 8)):
        yield _scenario(f"more-runs-{n}", "A1", _more_runs(factor), "weeks")
    for n, hours in enumerate((0.2, 1.0)):
        yield _scenario(f"silent-{n}", "A4", _silent(hours), "weeks")
    yield from drifting(lambda name, play: _scenario(name, "A3", play, also=AWAY))


SHIFTS = tuple(_all())
