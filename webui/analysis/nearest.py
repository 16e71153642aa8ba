"""The closest successful run: of the same agent, asked the nearest thing, with the nearest tools. Pure: the store picks candidates."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log

from ingest.model import TraceSummary

from .values import tokens

LEAST_LIKENESS = 0.3
"""A run less alike than this is about something else: to compare with it would show nothing but that."""

_DAY_NS = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Shape:
    """What a run's task looks like from outside: what was asked and which tools were used."""

    summary: TraceSummary
    tools: frozenset[str]


@dataclass(frozen=True, slots=True)
class Nearest:
    """A successful run, how alike its task is from 0 to 1, and in which words that was judged."""

    summary: TraceSummary
    likeness: float
    why: tuple[str, ...]


def rank_nearest(wanted: Shape, good: Iterable[Shape], most: int = 5) -> list[Nearest]:
    """Return the successful runs nearest to a run, the nearest first; none where all are about something else.

    Judged by the words of the request (rare words count more, numbers and ids not at all), by the tools used, by version (a
    run of another one may differ everywhere for that alone), environment and closeness in time.
    """
    shapes = [one for one in good if one.summary.trace_id != wanted.summary.trace_id]
    words = {one.summary.trace_id: task_words(one.summary.input) for one in (*shapes, wanted)}
    weights = _weights(words.values())
    ranked = [_judge(wanted, one, words, weights) for one in shapes]
    ranked = [one for one in ranked if one.likeness >= LEAST_LIKENESS]
    return sorted(ranked, key=lambda one: (-one.likeness, abs(one.summary.started_ns - wanted.summary.started_ns)))[:most]


def task_words(text: str | None) -> frozenset[str]:
    """Return the words of a request that say what kind of task it is."""
    return frozenset(token.text for token in tokens(text or "") if token.kind == "word" and len(token.text) > 2)


def _weights(texts: Collection[frozenset[str]]) -> dict[str, float]:
    """Return how much a word tells: the rarer among the candidates, the more."""
    seen = Counter(word for words in texts for word in words)
    return {word: log(1 + len(texts) / number) for word, number in seen.items()}


def _judge(wanted: Shape, one: Shape, words: Mapping[bytes, frozenset[str]], weights: Mapping[str, float]) -> Nearest:
    ours, theirs = words[wanted.summary.trace_id], words[one.summary.trace_id]
    asked = _overlap(ours, theirs, weights)
    used = _used(wanted.tools, one.tools)
    same_version = wanted.summary.version == one.summary.version
    same_environment = wanted.summary.environment == one.summary.environment
    days = abs(wanted.summary.started_ns - one.summary.started_ns) / _DAY_NS
    likeness = 0.5 * asked + 0.2 * used + 0.2 * same_version + 0.05 * same_environment + 0.05 / (1 + days)
    why = [_asked_words(asked, bool(ours or theirs)), _used_words(wanted.tools, one.tools)]
    if wanted.summary.version or one.summary.version:
        why.append(f"the same version, {one.summary.version}" if same_version else f"version {one.summary.version or 'not stated'}")
    return Nearest(one.summary, round(likeness, 4), tuple(word for word in why if word))


def _overlap(a: frozenset[str], b: frozenset[str], weights: Mapping[str, float]) -> float:
    """Return the weighted share of words in common; a run that states no request tells nothing, which is half way."""
    if not a or not b:
        return 0.5
    return sum(weights[word] for word in a & b) / sum(weights[word] for word in a | b)


def _used(wanted: frozenset[str], good: frozenset[str]) -> float:
    """Return how far the good run used what the other used. The other may have stopped early: what it lacks counts less."""
    if not wanted:
        return 0.5
    return 0.75 * len(wanted & good) / len(wanted) + 0.25 * len(wanted & good) / len(wanted | good)


def _asked_words(asked: float, stated: bool) -> str:
    if not stated:
        return ""
    return "asked in the same words" if asked > 0.95 else f"{100 * asked:.0f} % of what was asked is the same"


def _used_words(wanted: frozenset[str], good: frozenset[str]) -> str:
    if not wanted:
        return ""
    return "used all its tools" if wanted <= good else f"used {len(wanted & good)} of its {len(wanted)} tools"


def shapes_of(summaries: Sequence[TraceSummary], tools: Mapping[bytes, Collection[str]]) -> list[Shape]:
    """Return summaries with their tools."""
    return [Shape(one, frozenset(tools.get(one.trace_id, ()))) for one in summaries]
