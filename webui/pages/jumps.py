"""Where the keys lead from the selected step: computed over the whole run, so that they reach steps that are not mounted."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .focus import Chain
from .steps import Placed, is_cause


@dataclass(frozen=True, slots=True)
class Jump:
    """A key, what it does, and where it leads; no address where there is nothing of the kind."""

    key: str
    words: str
    href: str


@dataclass(frozen=True, slots=True)
class JumpGroup:
    """Keys that belong together, under one word."""

    word: str
    jumps: tuple[Jump, ...]


_Test = Callable[[Placed], bool]
"""Tells whether a step is what a key looks for."""


def find_jumps(chain: Chain) -> tuple[JumpGroup, ...]:
    """Return the keys of a run page with the steps that they lead to from the selected one."""
    placed = chain.placed
    at = chain.at if chain.at is not None else -1
    selected = placed[at] if at >= 0 else None
    ahead, behind = range(at + 1, len(placed)), range(at - 1, -1, -1)

    def lead(key: str, words: str, places: Iterable[int], test: _Test) -> Jump:
        found = next((n for n in places if test(placed[n])), None)
        return Jump(key, words, _href(chain, found) or (_inner_failure(chain) if key == "e" else ""))

    def pair(word: str, keys: str, test: _Test) -> JumpGroup:
        nexts, lasts = (ahead, behind) if keys != "JK" else (_siblings(chain, at, 1), _siblings(chain, at, -1))
        return JumpGroup(word, (lead(keys[0], f"next {word}", nexts, test), lead(keys[1], f"previous {word}", lasts, test)))

    tool = selected.step.tool.name if selected is not None and selected.step.tool is not None else None
    around = [*ahead, *range(at)]
    return (
        pair("step", "jk", lambda item: True),
        pair("sibling", "JK", lambda item: True),
        pair("failure", "eE", lambda item: is_cause(item.step)),
        pair("decision", "dD", lambda item: item.step.decision is not None and item.step.kind != "fallback"),
        JumpGroup("same tool", (lead("t", "next call of the same tool", around, lambda item: _calls(item, tool)),)),
        JumpGroup("dearest", (Jump("$", "the most expensive step", _href(chain, _dearest(placed))),)),
    )


def _inner_failure(chain: Chain) -> str:
    """Return where the first failure of the runs inside is, for a run that itself has none."""
    if chain.inner_failure is None:
        return ""
    run, item = chain.inner_failure
    return f"{chain.href(item.key, run)}#s-{item.key}"


def _href(chain: Chain, place: int | None) -> str:
    if place is None:
        return ""
    key = chain.placed[place].key
    return f"{chain.href(key)}#s-{key}"


def _calls(item: Placed, tool: str | None) -> bool:
    return tool is not None and item.step.tool is not None and item.step.tool.name == tool


def _siblings(chain: Chain, at: int, by: int) -> Iterable[int]:
    """Return the places of the steps beside one, in one direction, until the step around them."""
    if at < 0:
        return
    depth = chain.placed[at].depth
    n = at + by
    while 0 <= n < len(chain.placed) and chain.placed[n].depth >= depth:
        if chain.placed[n].depth == depth:
            yield n
        n += by


def _dearest(placed: list[Placed]) -> int | None:
    priced = [n for n, item in enumerate(placed) if item.step.cost_nanos]
    return max(priced, key=lambda n: placed[n].step.cost_nanos or 0) if priced else None
