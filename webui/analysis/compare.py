"""Two traces side by side: where they first part, and which input differed there.

Steps are aligned by what was done, never by time. The first divergence is the first step that only one of them took, that
went otherwise or was done with other values; where an earlier step's answer holds the very values that set them apart, it is
that step. Two good runs of one task differ in ids, days, wording and length, and have no material difference.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from ingest.model import Run, Trace

from .align import align
from .differences import Difference, Pair, differences_of, own_values
from .divergence import Tops, find_divergence
from .sequence import MOST_STEPS, Side, sequence_of
from .values import Matching, names_in

_DAY_NS = 86_400 * 10**9
_EPOCH = date(1970, 1, 1)
_LAST_DAY = (date.max - _EPOCH).days

InputKind = Literal["request", "prompt", "tool result", "model", "version", "tools offered", "environment"]


@dataclass(frozen=True, slots=True)
class Input:
    """Something that went into a run and differed, and the pair at which it came in; None for the whole run."""

    kind: InputKind
    a: str
    b: str
    pair: int | None = None
    path: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two traces, aligned."""

    a: Trace
    b: Trace
    pairs: tuple[Pair, ...]
    first: int | None
    """The pair at which they part; None where there is no material difference."""
    shows: int | None
    """The pair at which it shows, where that is a later one: the answer differed first, what was made of it then."""
    inputs: tuple[Input, ...]
    """Which inputs differed before it, the one that explains it first; none where the model chose otherwise by itself."""
    truncated: bool = False
    """True where one of them has more steps than are compared."""


def compare_traces(a: Trace, b: Trace) -> Comparison:
    """Return two traces aligned by step. Total: a trace without runs or steps compares as one without steps."""
    ours, theirs = sequence_of(a), sequence_of(b)
    matching = Matching(_days(a, b))
    tops = _top(a), _top(b)
    asked_a, asked_b = ((top.input or "") if top is not None else "" for top in tops)
    requested = matching.bind_request(asked_a, asked_b)
    pairs = _pairs(ours, theirs, matching)
    others = bool(requested) or _are_others(tops)
    if others:
        pairs = _without_circumstances(pairs)
    pairs = _with_endings(pairs, tops)
    parted = find_divergence(pairs, tops, are_others=others)
    first, shows = (parted.first, parted.shows) if parted is not None else (None, None)
    whole = [Input("request", one.a[:300], one.b[:300]) for one in requested[:1]] + list(_whole_run(*tops))
    return Comparison(
        a,
        b,
        tuple(pairs),
        first,
        shows if shows != first else None,
        tuple(_inputs(pairs, first, whole)),
        truncated=max(len(ours), len(theirs)) >= MOST_STEPS,
    )


def _days(a: Trace, b: Trace) -> tuple[date, date] | None:
    """Return the days on which two runs were made."""
    if not a.runs or not b.runs:
        return None
    first, second = (_EPOCH + timedelta(days=min(max(trace.runs[0].started_ns // _DAY_NS, 0), _LAST_DAY)) for trace in (a, b))
    return first, second


def _top(trace: Trace) -> Run | None:
    return next((run for run in trace.runs if run.parent_run_id is None), trace.runs[0] if trace.runs else None)


def _pairs(a: Sequence[Side], b: Sequence[Side], matching: Matching) -> list[Pair]:
    """Lay two sequences side by side; what only one has stands where it happened, the first trace's steps first."""
    pairs: list[Pair] = []
    changed: set[tuple[str, str]] = set()
    at_a = at_b = 0
    for i, j in (*align([side.key for side in a], [side.key for side in b]), (len(a), len(b))):
        pairs += [Pair(side, None, (Difference("extra", side.name, "", material=True),)) for side in a[at_a:i]]
        pairs += [Pair(None, side, (Difference("missing", "", side.name, material=True),)) for side in b[at_b:j]]
        if i < len(a):
            pairs.append(Pair(a[i], b[j], tuple(_told_once(differences_of(a[i], b[j], matching), changed))))
        at_a, at_b = i + 1, j + 1
    return pairs


def _are_others(tops: Tops) -> bool:
    """Tell whether two runs worked for different users: what the world answers them differs then."""
    a, b = tops
    return a is not None and b is not None and a.user_id is not None and b.user_id is not None and a.user_id != b.user_id


def _without_circumstances(pairs: Sequence[Pair]) -> list[Pair]:
    """Take differences for no divergence that come from what each run was given: another request, another user.

    What a run chose or passed on is its own fault only where it was never given it, or where the other one acts otherwise.
    """
    known: tuple[set[str], set[str]] = (set(), set())
    kept = []
    for pair in pairs:
        for words, side in zip(known, (pair.a, pair.b), strict=True):
            if side is not None:
                words.update(_given_at(side, asked=True))
        kept.append(Pair(pair.a, pair.b, tuple(_grounded(one, known) for one in pair.differences)))
        for words, side in zip(known, (pair.a, pair.b), strict=True):
            if side is not None:
                words.update(_given_at(side, asked=False))
    return kept


def _grounded(one: Difference, known: tuple[set[str], set[str]]) -> Difference:
    if one.what == "result" and one.emptied and one.path:
        return replace(one, material=False)
    if one.what not in ("arguments", "choice"):
        return one
    a, b = own_values(one)
    return replace(one, material=False) if a <= known[0] and b <= known[1] else one


def _given_at(side: Side, *, asked: bool) -> Iterator[str]:
    """Yield the words that a step was given: what it was asked, or what came of it."""
    step = side.step
    texts = [step.input, side.run.input if side.place == 0 else None] if asked else [step.output if step.kind != "llm" else None]
    if step.tool is not None and not asked:
        texts.append(step.tool.result)
    for text in texts:
        if text:
            yield from names_in(text)


def _told_once(found: Iterable[Difference], changed: set[tuple[str, str]]) -> Iterator[Difference]:
    """Yield differences, a change of model as material where it is first met only."""
    for one in found:
        if one.what == "model":
            again = (one.a, one.b) in changed
            changed.add((one.a, one.b))
            yield replace(one, material=not again)
        else:
            yield one


def _with_endings(pairs: list[Pair], tops: Tops) -> list[Pair]:
    """Add how the runs ended, where that differs and nothing before does."""
    a, b = tops
    if a is None or b is None or not pairs or a.termination.reason == b.termination.reason:
        return pairs
    ending = Difference("ending", a.termination.reason, b.termination.reason, material=True)
    last = next((n for n in range(len(pairs) - 1, -1, -1) if pairs[n].a is not None), len(pairs) - 1)
    changed = Pair(pairs[last].a, pairs[last].b, (*pairs[last].differences, ending))
    return [*pairs[:last], changed, *pairs[last + 1 :]]


def _whole_run(a: Run | None, b: Run | None) -> Iterator[Input]:
    if a is None or b is None:
        return
    if a.version != b.version and (a.version or b.version):
        yield Input("version", a.version or "none stated", b.version or "none stated")
    if a.environment != b.environment and (a.environment or b.environment):
        yield Input("environment", a.environment or "none stated", b.environment or "none stated")


_INPUT_OF: dict[str, InputKind] = {"result": "tool result", "prompt": "prompt", "model": "model", "options": "tools offered"}


def _inputs(pairs: Sequence[Pair], first: int | None, whole: Sequence[Input]) -> Iterator[Input]:
    """Yield the inputs that differed: those at the divergence, those of the whole run, then those before, the nearest first."""
    if first is None:
        return
    yield from _inputs_at(pairs, first)
    yield from whole
    for n in range(first - 1, -1, -1):
        yield from _inputs_at(pairs, n)


def _inputs_at(pairs: Sequence[Pair], n: int) -> Iterator[Input]:
    for one in pairs[n].differences:
        if one.what in _INPUT_OF:
            yield Input(_INPUT_OF[one.what], one.a, one.b, n, one.path)
