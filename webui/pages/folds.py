"""Where an agent went round in circles: the same calls with the same results, three times or more, are one row.

The first round stays as it is; the fold holds the rounds after it, which brought nothing new.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from operator import eq

from ingest.model import Step

from .steps import Placed, compact_json, is_cause

LEAST_ROUNDS = 3
_LONGEST_ROUND = 6
_SAYING = ("llm", "thought", "decision")
_COMPARED = 2_000
"""Characters of a text that are compared: enough to tell two results apart, cheap for huge ones."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Steps ``start`` to ``stop`` (exclusive) repeat, ``rounds`` times, what stands right before them."""

    start: int
    stop: int
    rounds: int


def find_folds(placed: Sequence[Placed]) -> list[Fold]:
    """Return the repeated stretches of a chain, in order and apart. Linear in steps."""
    marks = [_mark(item.step) for item in placed]
    repeats = _Repeats(marks)
    folds: list[Fold] = []
    at = repeats.next_place(0)
    while at is not None:
        fold = _fold_at(marks, at)
        if fold is not None:
            folds.append(fold)
        at = repeats.next_place(at + 1 if fold is None else fold.stop)
    return folds


class _Repeats:
    """Where, for each length of a round, three rounds in a row begin: most steps begin none, and are passed over without a look."""

    def __init__(self, marks: Sequence[Hashable]) -> None:
        self._equal = {length: bytes(map(eq, marks, marks[length:])) for length in range(1, _LONGEST_ROUND + 1)}
        """For each length and place, whether the step that far on is the same."""
        self._next = dict.fromkeys(self._equal, -1)

    def next_place(self, since: int) -> int | None:
        """Return the first place from one on at which rounds of any length begin."""
        for length, place in list(self._next.items()):
            if place < since:
                place = self._equal[length].find(b"\x01" * ((LEAST_ROUNDS - 1) * length), since)
                if place < 0:
                    del self._next[length]
                else:
                    self._next[length] = place
        return min(self._next.values(), default=None)


def _fold_at(marks: Sequence[Hashable], at: int) -> Fold | None:
    for length in range(1, _LONGEST_ROUND + 1):
        block = marks[at : at + length]
        if marks[at + length : at + 2 * length] != block or not any(map(_tells, block)):
            continue
        rounds = 1
        while marks[at + rounds * length : at + (rounds + 1) * length] == block:
            rounds += 1
        if rounds >= LEAST_ROUNDS:
            return Fold(at + length, at + rounds * length, rounds - 1)
    return None


def _tells(mark: Hashable) -> bool:
    """Tell whether a mark identifies a step by more than its kind."""
    return isinstance(mark, tuple) and len(mark) > 2


def _is_unknown(step: Step) -> bool:
    if step.status == "error" or step.kind in _SAYING:
        return False
    if step.tool is not None:
        return step.tool.arguments is None
    return step.input is None and step.output is None


def _mark(step: Step) -> Hashable:
    """Return what makes two steps the same. What chooses the same between identical tool calls counts as the same, whatever it says.

    A step of which neither what went in nor what came out is on record is like no other: nobody knows that it repeats.
    """
    if _is_unknown(step):
        return (step.index, step.span_id)
    if step.tool is not None:
        result = (step.tool.error or step.tool.result or "")[:_COMPARED]
        return (step.kind, step.tool.name, compact_json(step.tool.arguments)[:_COMPARED], result)
    if is_cause(step):
        return (step.kind, step.name, (step.error or "")[:_COMPARED])
    if step.kind in _SAYING:
        return (step.kind, step.decision.chosen if step.decision else "")
    return (step.kind, step.name, (step.input or "")[:_COMPARED], (step.output or "")[:_COMPARED])
