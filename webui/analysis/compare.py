"""Two traces side by side: where they first part, and which input differed there.

Steps are aligned by what was done, never by time. The first divergence is the first step that only one of them took, that
went otherwise or was done with other values; where an earlier step's answer holds the very values that set them apart, it is
that step. Two good runs of one task differ in ids, days, wording and length, and have no material difference.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

import orjson

from ingest.model import Run, Trace

from .align import align
from .differences import Difference, differences_of, own_values
from .sequence import MOST_STEPS, Side, sequence_of
from .values import Matching, facts_in, tokens

_DAY_NS = 86_400 * 10**9
_EPOCH = date(1970, 1, 1)
_LAST_DAY = (date.max - _EPOCH).days

InputKind = Literal["request", "prompt", "tool result", "model", "version", "tools offered", "environment"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A step of both runs, or a step that only one of them took."""

    a: Side | None
    b: Side | None
    differences: tuple[Difference, ...] = ()

    @property
    def is_material(self) -> bool:
        """True where the runs part here, if they have not before."""
        return any(one.material for one in self.differences)


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
    shows = next((n for n, pair in enumerate(pairs) if pair.is_material), None)
    shows = _used_in_answer(pairs, tops) if shows is None and not others else shows
    first = _origin_of(pairs, shows) if shows is not None else None
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


def _are_others(tops: tuple[Run | None, Run | None]) -> bool:
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
    if one.what == "result" and one.path:
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
            yield from (token.text for token in tokens(text))


def _told_once(found: Iterable[Difference], changed: set[tuple[str, str]]) -> Iterator[Difference]:
    """Yield differences, a change of model as material where it is first met only."""
    for one in found:
        if one.what == "model":
            again = (one.a, one.b) in changed
            changed.add((one.a, one.b))
            yield replace(one, material=not again)
        else:
            yield one


def _with_endings(pairs: list[Pair], tops: tuple[Run | None, Run | None]) -> list[Pair]:
    """Add how the runs ended, where that differs and nothing before does."""
    a, b = tops
    if a is None or b is None or not pairs or a.termination.reason == b.termination.reason:
        return pairs
    ending = Difference("ending", a.termination.reason, b.termination.reason, material=True)
    last = next((n for n in range(len(pairs) - 1, -1, -1) if pairs[n].a is not None), len(pairs) - 1)
    changed = Pair(pairs[last].a, pairs[last].b, (*pairs[last].differences, ending))
    return [*pairs[:last], changed, *pairs[last + 1 :]]


def _origin_of(pairs: Sequence[Pair], shows: int) -> int:
    """Return the earliest step whose answer holds the very values that set the runs apart, else where they part."""
    said = _said_at(pairs[shows])
    for n, pair in enumerate(pairs[:shows]):
        if any(one.what in ("result", "prompt") and any(_is_used(one, values) for values in said) for one in pair.differences):
            return n
    return _asked_otherwise(pairs, shows)


_MADE = frozenset(("arguments", "choice", "extra", "missing"))
"""What a model does, and may do because it was asked otherwise; a tool does not fail for that."""


def _asked_otherwise(pairs: Sequence[Pair], shows: int) -> int:
    """Return the model call before a divergence whose prompt differed, else the divergence itself."""
    if not any(one.material and one.what in _MADE for one in pairs[shows].differences):
        return shows
    for n in range(shows - 1, max(shows - 3, -1), -1):
        pair = pairs[n]
        if pair.a is not None and pair.a.step.kind == "llm":
            return n if any(one.what == "prompt" for one in pair.differences) else shows
    return shows


Values = tuple[set[str], set[str]]
"""What one run said that the other did not, and the other way round."""


def _said_at(pair: Pair) -> list[Values]:
    """Return what set the runs apart at a step, difference by difference: other arguments, another choice, a step more."""
    if pair.a is None or pair.b is None:
        return [(_words_of(pair.a), _words_of(pair.b))]
    return [own_values(one) for one in pair.differences if one.material and one.what in ("arguments", "choice")]


def _words_of(side: Side | None) -> set[str]:
    if side is None or side.step.tool is None:
        return set()
    return {token.text for token in tokens(_json(side.step.tool.arguments))}


def _json(value: object) -> str:
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:
        return str(value)


def _is_used(difference: Difference, said: Values) -> bool:
    """Tell whether what a difference says is what was said then: by both runs where both said something of their own.

    Where one alone did, it must be no short number, which might stand there by chance.
    """
    a, b = own_values(difference)
    if said[0] and said[1]:
        return bool(a & said[0] and b & said[1])
    return any(len(text) > 2 for text in (a & said[0]) | (b & said[1]))


def _used_in_answer(pairs: Sequence[Pair], tops: tuple[Run | None, Run | None]) -> int | None:
    """Return where the answers part though the paths do not: a result that went into them, or an answer out of nowhere."""
    if tops[0] is None or tops[1] is None:
        return None
    here, there = ({token.text for token in tokens(top.output or "")} for top in tops if top is not None)
    # Either answer may leave unsaid what the other one tells.
    said: tuple[Values, Values] = ((here - there, set()), (set(), there - here))
    for n, pair in enumerate(pairs):
        if any(one.what == "result" and any(_is_used(one, values) for values in said) for one in pair.differences):
            return n
    return _ungrounded(pairs, tops)


def _ungrounded(pairs: Sequence[Pair], tops: tuple[Run | None, Run | None]) -> int | None:
    """Return the last model call where one answer names an id, a day or a time that its run was never given and the other does not."""
    nowhere = []
    for top, known in zip(tops, (_given(pairs, "a"), _given(pairs, "b")), strict=True):
        answer = (top.output or "") if top is not None else ""
        named = {token.text for token in tokens(answer) if token.kind in ("id", "date", "time")}
        nowhere.append(named - known)
    if bool(nowhere[0]) == bool(nowhere[1]):
        return None
    return next((n for n in range(len(pairs) - 1, -1, -1) if (side := pairs[n].a) is not None and side.step.kind == "llm"), None)


def _given(pairs: Iterable[Pair], which: Literal["a", "b"]) -> set[str]:
    known: set[str] = set()
    for pair in pairs:
        side = pair.a if which == "a" else pair.b
        if side is not None:
            step = side.step
            texts = [step.input, side.run.input if side.place == 0 else None, step.output if step.kind != "llm" else None]
            if step.tool is not None:
                texts += [step.tool.result, _json(step.tool.arguments)]
            known.update(fact for text in texts if text for fact in facts_in(text))
    return known


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
