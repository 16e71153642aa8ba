"""The rows of a chain: which of its steps are shown, folded, or left out for the length of the page."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.model import Run, Step, Trace
from webui.format import clip, cost, duration, plural, termination_word, tone

from .folds import Fold, find_folds
from .links import trace_href
from .steps import Placed, StepRow, first_failure, nested_runs, place_steps, step_row, tokens_text

_WHOLE = 400
_FAR, _LEAD = 14, 4
"""A first failure further down than so many rows is brought up; so many rows before it stay in sight."""
_FEW = 6
"""A run of so few steps shows what its sub-agents did at once."""
_HEAD, _TAIL, _AROUND = 200, 100, 40
"""A longer chain shows its first and last rows, both ends being what matters, and what surrounds the selected step."""


@dataclass(frozen=True, slots=True)
class Inner:
    """A step as listed inside a fold or a sub-agent."""

    index: str
    name: str
    text: str
    words: bool
    """True where the text is what a model said."""
    result: str
    href: str
    bad: bool


@dataclass(frozen=True, slots=True)
class FoldView:
    """A folded repetition: one row that says what it cost."""

    label: str
    name: str
    rounds: int
    words: str
    lost: str
    time: str
    tokens: str
    cost: str
    inner: tuple[Inner, ...]
    more: int
    open: bool
    bad: bool


@dataclass(frozen=True, slots=True)
class SubView:
    """A sub-agent's run as a card."""

    agent: str
    facts: str
    failed: str
    open: bool
    tone: str
    why: str
    asked: str
    answered: str
    href: str
    inner: tuple[Inner, ...]
    more: int
    tokens: str
    cost: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the chain: a step, a fold, or a gap."""

    kind: str
    """``step``, ``fold`` or ``gap``."""
    key: str = ""
    href: str = ""
    selected: bool = False
    first_failure: bool = False
    step: StepRow | None = None
    fold: FoldView | None = None
    sub: SubView | None = None
    gap: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for."""

    run: str = ""
    step: str = ""
    panel: str = "why"
    start: int = 0


class Chain:
    """A run's steps as placed, and how to name them in addresses."""

    def __init__(self, trace: Trace, run: Run, asked: Asked) -> None:
        self.trace, self.run, self.asked = trace, run, asked
        self.placed = place_steps(run.steps)
        self.folds = find_folds(self.placed)
        self.failure = first_failure(self.placed)
        self.inner_failure = None if self.failure else _inner_failure(trace, run)
        """A first failure that happened in a sub-agent: its run and step."""
        self.at = _selected(self.placed, asked.step, self.failure or self._failed_agent())

    def _failed_agent(self) -> Placed | None:
        """Return the step of this run that called, at any depth, the sub-agent in which something failed."""
        if self.inner_failure is None:
            return None
        parents = {run.run_id: run.parent_run_id for run in self.trace.runs}
        at: bytes | None = self.inner_failure[0].run_id
        while at is not None and parents.get(at) != self.run.run_id:
            at = parents.pop(at, None)
        return next((item for item in self.placed if item.step.run_id == at), None) if at else None

    def href(self, key: str, run: Run | None = None) -> str:
        """Return the address of a step of this run, or of another run."""
        main = self.trace.runs[0]
        shown = run or self.run
        return trace_href(self.trace.trace_id, run=None if shown is main else shown.run_id.hex(), step=key)


def _selected(placed: Sequence[Placed], asked: str, failure: Placed | None) -> int | None:
    """Return the place of the step asked for, else of the first failure, else of the last step with words."""
    if asked:
        for place, item in enumerate(placed):
            if item.key == asked or (len(asked) < 8 and str(item.step.index) == asked):
                return place
    if failure is not None:
        return placed.index(failure)
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


Entry = int | Fold
"""A row before it is made: the place of a step, or a fold of several."""


@dataclass(frozen=True, slots=True)
class ChainView:
    """A chain as shown."""

    before: tuple[Row, ...]
    """What precedes a first failure far down, folded into one row."""
    before_words: str
    rows: tuple[Row, ...]


def view_chain(chain: Chain) -> ChainView:
    """Return the rows of a chain. Only those shown are made, so that a page costs the same for any length."""
    entries = _entries(chain)
    rows = _window(chain, entries)
    cut = _far_failure(chain, rows)
    return ChainView(rows[:cut], _before_words(chain, rows, cut), rows[cut:])


def _entries(chain: Chain) -> list[Entry]:
    folds = {fold.start: fold for fold in chain.folds}
    entries: list[Entry] = []
    at = 0
    while at < len(chain.placed):
        fold = folds.get(at)
        entries.append(at if fold is None else fold)
        at = at + 1 if fold is None else fold.stop
    return entries


def _holds(entry: Entry, at: int | None) -> bool:
    if at is None:
        return False
    return entry == at if isinstance(entry, int) else entry.start <= at < entry.stop


def _window(chain: Chain, entries: Sequence[Entry]) -> tuple[Row, ...]:
    """Keep both ends of a long chain, what surrounds the selected step and what was asked for; say what is left out."""
    kept = _kept(chain, entries)
    inner = nested_runs(chain.run, chain.trace.runs)
    shown: list[Row] = []
    before, model = -1, None
    for n in kept:
        if n > before + 1:
            shown.append(_gap_row(chain, before + 1, n))
            model = None
        before, entry = n, entries[n]
        if isinstance(entry, Fold):
            shown.append(_fold_row(chain, entry))
        else:
            shown.append(_step_row(chain, entry, model, inner))
            model = chain.placed[entry].step.model or model
    return tuple(shown)


def _kept(chain: Chain, entries: Sequence[Entry]) -> Sequence[int]:
    whole = len(entries)
    if whole <= _WHOLE:
        return range(whole)
    kept = set(range(_HEAD)) | set(range(whole - _TAIL, whole))
    selected = next((n for n, entry in enumerate(entries) if _holds(entry, chain.at)), None)
    if selected is not None:
        kept |= set(range(max(selected - _AROUND, 0), min(selected + _AROUND, whole)))
    if chain.asked.start > 0:
        kept |= set(range(min(chain.asked.start, whole), min(chain.asked.start + _HEAD, whole)))
    return sorted(kept)


def _step_row(chain: Chain, at: int, model: str | None, inner: dict[bytes, Run]) -> Row:
    item = chain.placed[at]
    nested = inner.get(item.step.run_id) if item.step.run_id else None
    return Row(
        kind="step",
        key=item.key,
        href=chain.href(item.key),
        selected=at == chain.at,
        first_failure=item is chain.failure,
        step=step_row(item, model),
        sub=_sub_view(chain, nested) if nested is not None else None,
    )


def _far_failure(chain: Chain, rows: Sequence[Row]) -> int:
    """Return how many rows to fold away before a first failure that would be out of sight, unless a step was asked for."""
    place = next((n for n, row in enumerate(rows) if row.first_failure and row.selected), 0)
    return place - _LEAD if place > _FAR and not chain.asked.step else 0


def _before_words(chain: Chain, rows: Sequence[Row], cut: int) -> str:
    if not cut:
        return ""
    steps = next((n for n, item in enumerate(chain.placed) if item.key == rows[cut].key), cut)
    repeated = sum(1 for row in rows[:cut] if row.fold is not None)
    folds = f", {plural(repeated, 'repetition')} among them" if repeated else ""
    return f"{plural(steps, 'step')} before the first failure{folds}"


def _inner(chain: Chain, placed: Sequence[Placed], run: Run | None = None) -> tuple[Inner, ...]:
    listed = []
    for item in placed:
        row = step_row(item)
        text = row.args or row.say
        listed.append(
            Inner(
                row.index,
                row.name or row.word,
                clip(text, 90),
                not row.args,
                clip(row.error or row.result, 90),
                chain.href(item.key, run),
                row.bad,
            )
        )
    return tuple(listed)


def _fold_row(chain: Chain, fold: Fold) -> Row:
    inside = chain.placed[fold.start : fold.stop]
    shown = next((item for item in inside if item.step.tool), inside[0])
    first, last = inside[0].step, inside[-1].step
    length = max(item.step.ended_ns for item in inside) - first.started_ns
    costs = [item.step.cost_nanos for item in inside if item.step.cost_nanos is not None]
    tokens = sum((item.step.usage.input_tokens or 0) + (item.step.usage.output_tokens or 0) for item in inside if item.step.usage)
    opened = chain.at is not None and fold.start <= chain.at < fold.stop
    spent = cost(sum(costs), 0) if costs else ""
    view = FoldView(
        label=f"{first.index}–{last.index}",
        name=clip(shown.step.tool.name if shown.step.tool else shown.step.name, 60),
        rounds=fold.rounds,
        words=_same_words(shown.step),
        lost=f"Nothing new since step {chain.placed[fold.start - 1].step.index}: {duration(length)}{f' and {spent}' if spent else ''}.",
        time=duration(length),
        tokens=f"{tokens:,}" if tokens else "",
        cost=spent,
        inner=_inner(chain, inside[:20]),
        more=max(len(inside) - 20, 0),
        open=opened,
        bad=shown.step.status == "error",
    )
    return Row(kind="fold", key=inside[0].key, href=chain.href(inside[0].key), selected=opened, fold=view)


def _same_words(step: Step) -> str:
    """Say what is known to be the same."""
    if step.status == "error":
        return "same error" if step.tool is None or step.tool.arguments is None else "same arguments, same error"
    if step.tool is None:
        return "the same again"
    return "same arguments, same result" if step.tool.result is not None else "same arguments, results not on record"


def _sub_view(chain: Chain, run: Run) -> SubView:
    placed = place_steps(run.steps)
    why, totals = run.termination.reason, run.totals
    return SubView(
        agent=clip(run.agent, 60),
        facts=f"sub-agent · {plural(totals.steps, 'step')} · {totals.llm_calls} model, {plural(totals.tool_calls, 'tool call')}",
        failed=f"{totals.errors:,} failed" if totals.errors else "",
        open=len(chain.placed) <= _FEW,
        tone=tone(why),
        why=termination_word(why),
        asked=clip(run.input, 160),
        answered=clip(run.output, 160),
        href=chain.href("", run),
        inner=_inner(chain, placed[:12], run),
        more=max(len(placed) - 12, 0),
        tokens=tokens_text(totals.usage),
        cost=cost(totals.cost_nanos, totals.unpriced_calls) if totals.llm_calls else "",
    )


def _gap_row(chain: Chain, start: int, stop: int) -> Row:
    asked = chain.asked
    href = trace_href(chain.trace.trace_id, run=asked.run, step=asked.step, from_=start)
    words = f"{stop - start:,} rows not shown"
    return Row(kind="gap", key=f"r{start}", href=f"{href}#r{start}", gap=words)
