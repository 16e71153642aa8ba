"""What a run page is about: a run, the step in it that is looked at, and how both are named in addresses."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.model import Run, Trace
from webui.format import percent, stop_words, termination_word, tone

from .laid import lay_out
from .links import trace_href
from .scale import Interval, run_interval
from .steps import Placed, first_failure, place_steps


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for."""

    run: str = ""
    step: str = ""
    panel: str = "why"
    start: int = 0
    view: str = "chain"
    find: str = ""
    mode: str = ""
    """What a view can be told: ``cut`` idle time on the timeline, ``merged`` calls in the graph."""
    at: float | None = None
    """A point in time as a share of the run, to select the step nearest to it."""


@dataclass(frozen=True, slots=True)
class Focus:
    """The step that is looked at, among the steps of the run that it belongs to, which may be one inside the shown one."""

    run: Run
    placed: Sequence[Placed]
    at: int

    @property
    def item(self) -> Placed:
        """Return the step itself."""
        return self.placed[self.at]


_FAR_LONGER = 4


def main_run(trace: Trace) -> Run | None:
    """Return the run that a trace is about: its first, unless another that no run called did far more."""
    tops = [run for run in trace.runs if run.parent_run_id is None] or trace.runs
    if not tops:
        return None
    longest = max(tops, key=lambda run: run.totals.steps)
    return longest if longest.totals.steps > _FAR_LONGER * tops[0].totals.steps else tops[0]


def top_run(trace: Trace, run: Run) -> Run:
    """Return the outermost run around a run."""
    by_id = {one.run_id: one for one in trace.runs}
    for _ in trace.runs:
        around = by_id.get(run.parent_run_id) if run.parent_run_id else None
        if around is None or around is run:
            break
        run = around
    return run


class Chain:
    """A run's steps as placed, and how to name them in addresses."""

    def __init__(self, trace: Trace, run: Run, asked: Asked, now_ns: int) -> None:
        self.trace, self.run, self.asked = trace, run, asked
        laid = lay_out(run)
        self.placed, self.folds = laid.placed, laid.folds
        self.interval = run_interval(run, [item.step for item in self.placed], now_ns)
        self.failure = first_failure(self.placed)
        self.inner_failure = None if self.failure else _inner_failure(trace, run)
        """A first failure that happened in a sub-agent: its run and step."""
        own = _asked_place(self.placed, asked.step) if asked.at is None else _nearest(self.placed, self.interval, asked.at)
        self.focus = _focus_inside(trace, run, asked.step) if own is None and asked.step else None
        """The step asked for: in this run, or in one inside it; else this run's first failure."""
        if self.focus is not None:
            own = self._caller_of(self.focus.run)
        failed = self.failure or (self._caller(self.inner_failure[0]) if self.inner_failure else None)
        self.at = own if own is not None else _opening_place(self.placed, failed)
        if self.focus is None and self.at is not None:
            self.focus = Focus(run, self.placed, self.at)

    def _caller_of(self, inner: Run) -> int | None:
        caller = self._caller(inner)
        return None if caller is None else self.placed.index(caller)

    def _caller(self, inner: Run) -> Placed | None:
        """Return the step of this run that called, at any depth, a run inside it."""
        parents = {run.run_id: run.parent_run_id for run in self.trace.runs}
        at: bytes | None = inner.run_id
        while at is not None and parents.get(at) != self.run.run_id:
            at = parents.pop(at, None)
        return next((item for item in self.placed if item.step.run_id == at), None) if at else None

    def href(self, key: str, run: Run | None = None) -> str:
        """Return the address of a step of this run, or of another run, in the view that is shown."""
        main = main_run(self.trace)
        shown = run or self.run
        state = {"view": None if self.asked.view == "chain" else self.asked.view, "mode": self.asked.mode, "find": self.asked.find}
        return trace_href(self.trace.trace_id, run=None if shown is main else shown.run_id.hex(), step=key, **state)

    def strip_place(self, at_ns: int) -> str:
        """Return where a time lies on the strip, in percent: for marking what is in sight."""
        since, until = self.interval
        return f"{min(max(percent(at_ns - since, until - since), 0), 100):.1f}"

    def end_words(self) -> tuple[str, str]:
        """Say how the run ended, and how much attention that asks for."""
        why = self.run.termination.reason
        look, word = tone(why), termination_word(why)
        return ("Still running" if look == "live" else word.capitalize() if look == "ok" else stop_words(why)), look


def _asked_place(placed: Sequence[Placed], asked: str) -> int | None:
    """Return the place of the step that is asked for by its key or its number."""
    if not asked:
        return None
    number = asked if len(asked) < 8 else ""
    return next((n for n, item in enumerate(placed) if item.key == asked or str(item.step.index) == number), None)


def _nearest(placed: Sequence[Placed], interval: Interval, share: float) -> int | None:
    """Return the place of the step that begins nearest to a point of the run."""
    if not placed:
        return None
    at = interval[0] + share * (interval[1] - interval[0])
    return min(range(len(placed)), key=lambda n: (abs(placed[n].step.started_ns - at), bool(placed[n].step.children)))


def _focus_inside(trace: Trace, run: Run, asked: str) -> Focus | None:
    """Return the step of that key in one of the runs inside a run."""
    inside = {run.run_id}
    for other in trace.runs:
        if other.parent_run_id in inside and other is not run:
            inside.add(other.run_id)
            placed = place_steps(other.steps)
            at = next((n for n, item in enumerate(placed) if item.key == asked), None)
            if at is not None:
                return Focus(other, placed, at)
    return None


def _opening_place(placed: Sequence[Placed], failure: Placed | None) -> int | None:
    """Return the place that a page opens at: the first failure, else what is under way, else the last step with words."""
    if failure is not None:
        return placed.index(failure)
    under_way = next((n for n in range(len(placed) - 1, -1, -1) if placed[n].step.is_open and not placed[n].step.children), None)
    if under_way is not None:
        return under_way
    last = next((n for n in range(len(placed) - 1, -1, -1) if placed[n].step.output), len(placed) - 1)
    return last if placed else None


def _inner_failure(trace: Trace, run: Run) -> tuple[Run, Placed] | None:
    """Return the first failure in the runs inside a run."""
    if not run.totals.errors:
        return None
    inside = {run.run_id}
    for other in trace.runs:
        if other.parent_run_id in inside and other is not run:
            inside.add(other.run_id)
            failed = first_failure(place_steps(other.steps))
            if failed is not None:
                return other, failed
    return None
