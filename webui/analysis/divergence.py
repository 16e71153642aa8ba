"""Where two runs first part: not always where it shows first, for what shows may come of what an earlier step was answered or said."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import orjson

from ingest.model import Run

from .differences import Difference, Pair, around, own_values
from .sequence import Side
from .values import TokenKind, names_in

Tops = tuple[Run | None, Run | None]
"""The outermost run of each trace."""

_MADE = frozenset(("arguments", "choice", "extra", "missing"))
"""What a model does, and may do because it was asked otherwise; a tool does not fail for that."""

_MENDING = frozenset(("repair", "retry"))
"""What is done because of what a model answered."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where two runs part."""

    first: int
    """The pair at which they do."""
    shows: int
    """The pair at which it shows: the same, or a later one."""


def find_divergence(pairs: list[Pair], tops: Tops, *, are_others: bool) -> Divergence | None:
    """Return where two runs part, None where nothing material differs. May add to ``pairs`` what a model answered otherwise.

    Of runs for different users (``are_others``) the world answers other values, and prompts name other people: neither is a cause.
    """
    shows = next((n for n, pair in enumerate(pairs) if pair.is_material), None)
    if shows is None:
        shows = None if are_others else _used_in_answer(pairs, tops)
        return Divergence(shows, shows) if shows is not None else None
    for origin in (_mended_answer(pairs, shows), _judged_answer(pairs, shows)):
        if origin is not None:
            pairs[origin] = _answered_otherwise(pairs[origin])
            return Divergence(origin, shows)
    return Divergence(_origin_of(pairs, shows, are_others=are_others), shows)


# --- an answer of a model that others deal with ------------------------------------------------------------------------


def _mended_answer(pairs: Sequence[Pair], shows: int) -> int | None:
    """Return the model call whose answer had to be repaired, where one run alone did that."""
    side = pairs[shows].a or pairs[shows].b
    is_mending = not pairs[shows].is_shared and side is not None and side.step.kind in _MENDING
    return _model_call_before(pairs, shows) if is_mending else None


def _judged_answer(pairs: Sequence[Pair], shows: int) -> int | None:
    """Return the model call whose answer a guard judged otherwise; none where the guard itself failed, or judged the same words."""
    is_verdict = pairs[shows].is_of("guardrail") and any(one.what == "result" and one.material for one in pairs[shows].differences)
    call = _model_call_before(pairs, shows) if is_verdict else None
    if call is None:
        return None
    a, b = pairs[call].a, pairs[call].b
    return call if a is not None and b is not None and a.step.output != b.step.output else None


def _model_call_before(pairs: Sequence[Pair], n: int) -> int | None:
    """Return the last model call before a step; none where a tool was called since, for then it is about what that answered."""
    for before in range(n - 1, -1, -1):
        if pairs[before].is_of("tool"):
            return None
        if pairs[before].is_of("llm"):
            return before
    return None


def _answered_otherwise(pair: Pair) -> Pair:
    a, b = (side.step.output or "" if side is not None else "" for side in (pair.a, pair.b))
    return replace(pair, differences=(Difference("answer", *around(a, b), material=True), *pair.differences))


# --- an answer of the world that shows later ---------------------------------------------------------------------------


def _origin_of(pairs: Sequence[Pair], shows: int, *, are_others: bool) -> int:
    """Return the earliest step whose answer holds the very values that set the runs apart, else where they part."""
    emptied = _emptied_before(pairs, shows)
    if emptied is not None:
        return emptied
    said = _said_at(pairs[shows]) if pairs[shows].is_shared or not are_others else []
    for n, pair in enumerate(pairs[:shows]):
        if any(one.what in ("result", "prompt") and any(_is_used(one, values) for values in said) for one in pair.differences):
            return n
    return shows if are_others else _asked_otherwise(pairs, shows)


def _emptied_before(pairs: Sequence[Pair], shows: int) -> int | None:
    """Return the last tool call before another path was taken, if it alone of the two found nothing."""
    if not any(one.what in ("choice", "extra", "missing", "ending") for one in pairs[shows].differences):
        return None
    for n in range(shows - 1, -1, -1):
        if pairs[n].is_of("tool"):
            return n if any(one.emptied for one in pairs[n].differences) else None
    return None


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
    return names_in(_json(side.step.tool.arguments))


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


def _used_in_answer(pairs: Sequence[Pair], tops: Tops) -> int | None:
    """Return where the answers part though the paths do not: a result that went into them, or an answer out of nowhere."""
    if tops[0] is None or tops[1] is None:
        return None
    here, there = (names_in(top.output or "") for top in tops if top is not None)
    # Either answer may leave unsaid what the other one tells.
    said: tuple[Values, Values] = ((here - there, set()), (set(), there - here))
    for n, pair in enumerate(pairs):
        if any(one.what == "result" and any(_is_used(one, values) for values in said) for one in pair.differences):
            return n
    return _ungrounded(pairs, tops)


def _ungrounded(pairs: Sequence[Pair], tops: Tops) -> int | None:
    """Return the last model call where one answer names an id, a day or a time that its run was never given and the other does not."""
    nowhere = []
    for top, known in zip(tops, (_given(pairs, "a"), _given(pairs, "b")), strict=True):
        answer = (top.output or "") if top is not None else ""
        nowhere.append(names_in(answer, ("id", "date", "time")) - known)
    if bool(nowhere[0]) == bool(nowhere[1]):
        return None
    return next((n for n in range(len(pairs) - 1, -1, -1) if (side := pairs[n].a) is not None and side.step.kind == "llm"), None)


_FACTS: tuple[TokenKind, ...] = ("id", "date", "time", "number")


def _given(pairs: Iterable[Pair], which: Literal["a", "b"]) -> set[str]:
    known: set[str] = set()
    for pair in pairs:
        side = pair.a if which == "a" else pair.b
        if side is not None:
            step = side.step
            texts = [step.input, side.run.input if side.place == 0 else None, step.output if step.kind != "llm" else None]
            if step.tool is not None:
                texts += [step.tool.result, _json(step.tool.arguments)]
            known.update(fact for text in texts if text for fact in names_in(text, _FACTS))
    return known
