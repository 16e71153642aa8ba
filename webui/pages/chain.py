"""The rows of a chain: which of its steps are shown, folded, or left out for the length of the page."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ingest.model import Run, Step
from webui.format import clip, cost, duration, plural, termination_word, tone

from .focus import Chain
from .folds import Fold
from .links import trace_href
from .steps import Placed, StepRow, Told, nested_runs, place_steps, step_row, tokens_text, told_at_start
from .window import gap_words, kept_places

_FAR, _LEAD = 14, 4
"""A first failure further down than so many rows is brought up; so many rows before it stay in sight."""
_FEW = 6
"""A run of so few steps shows what its sub-agents did at once."""


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
    at: str = ""
    """Where it begins on the strip."""
    depth: int = 0
    tool: str = ""
    step: StepRow | None = None
    fold: FoldView | None = None
    sub: SubView | None = None
    gap: str = ""


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
    before, told = -1, told_at_start(chain.run)
    for n in kept:
        if n > before + 1:
            shown.append(_gap_row(chain, before + 1, n))
            told = told_at_start(chain.run)
        before, entry = n, entries[n]
        if isinstance(entry, Fold):
            shown.append(_fold_row(chain, entry))
        else:
            shown.append(_step_row(chain, entry, told, inner))
            told = told.after(chain.placed[entry].step)
    return tuple(shown)


def _kept(chain: Chain, entries: Sequence[Entry]) -> Sequence[int]:
    selected = next((n for n, entry in enumerate(entries) if _holds(entry, chain.at)), None)
    return kept_places(len(entries), selected, chain.asked.start)


def _step_row(chain: Chain, at: int, told: Told, inner: dict[bytes, Run]) -> Row:
    item = chain.placed[at]
    nested = inner.get(item.step.run_id) if item.step.run_id else None
    return Row(
        kind="step",
        key=item.key,
        href=chain.href(item.key),
        selected=at == chain.at,
        first_failure=item is chain.failure,
        at=chain.strip_place(item.step.started_ns),
        depth=item.depth,
        tool=clip(item.step.tool.name, 80) if item.step.tool else "",
        step=_with_request(step_row(item, told), chain.placed[at + 1 : at + 2]),
        sub=_sub_view(chain, nested) if nested is not None else None,
    )


def _with_request(row: StepRow, following: Sequence[Placed]) -> StepRow:
    """Let a model call without a word say what it was followed by, where that is a tool."""
    silent = row.look == "llm" and not (row.say or row.note or row.fork or row.bad)
    tool = following[0].step.tool if silent and following else None
    return replace(row, note=f"asked for {clip(tool.name, 60)}") if tool is not None else row


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
    at = chain.strip_place(first.started_ns)
    return Row(kind="fold", key=inside[0].key, href=chain.href(inside[0].key), selected=opened, at=at, depth=inside[0].depth, fold=view)


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
    return Row(kind="gap", key=f"r{start}", href=f"{href}#r{start}", gap=gap_words(start, stop))
