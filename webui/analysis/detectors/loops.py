"""Loops: a run that does again what it has done, learns nothing new, or only fails. One pass over its calls each."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from math import ceil
from operator import attrgetter
from typing import NamedTuple

import msgspec

from ingest.findings import Finding, Severity
from ingest.model import Step

from .model import Call, Limits, Seen

DEFAULTS: dict[str, Limits] = {
    "L1": Limits(4, 8), "L2": Limits(8, 20), "L3": Limits(3, 6), "L4": Limits(5, 10), "L5": Limits(4, 8), "L6": Limits(0.3, 0.15),
    "L8": Limits(1_000, 10_000),
}  # fmt: skip

_POLLING_FACTOR = 10
_POLLING_GAP_NS = 30_000_000_000
"""Calls of a polling tool that are so far apart do not count."""

_COSTLY_NANOS = 1_000_000_000
"""A run that has cost a dollar repeats at a price: its fourth repetition is critical."""

_SHOWN = 5
_DETAIL_CHARS = 200


def limits_of(seen: Seen, rule: str) -> Limits:
    """Return a rule's thresholds for the run's agent."""
    return seen.rules.limits.get(rule, DEFAULTS[rule])


def severity_of(observed: float, limits: Limits) -> Severity | None:
    """Return how bad a count is."""
    if limits.critical is not None and observed >= limits.critical:
        return "critical"
    return "warning" if limits.warning is not None and observed >= limits.warning else None


class _Repetition(NamedTuple):
    """What repeats: the steps in order, and the one with which it became too much."""

    rule: str
    severity: Severity
    subject: str
    steps: Sequence[Step]
    observed: float
    limit: float
    crossed: Step
    sentence: str
    detail: str = ""


def _finding(seen: Seen, found: _Repetition) -> Finding:
    last = found.steps[-1]
    after = [step for step in seen.steps if step.started_ns > found.crossed.started_ns]
    costs = [step.cost_nanos for step in after if step.cost_nanos is not None]
    between = found.steps[1:-1]
    shown = [found.steps[0], *between[:: max(len(between) // _SHOWN, 1)][:_SHOWN], *([last] if len(found.steps) > 1 else [])]
    return Finding(
        rule=found.rule,
        severity=found.severity,
        run_id=seen.run.run_id,
        agent=seen.run.agent,
        subject=found.subject,
        observed=found.observed,
        limit=found.limit,
        since_ns=found.crossed.started_ns,
        last_ns=last.ended_ns,
        spans=tuple(dict.fromkeys(step.span_id for step in shown)),
        sentence=found.sentence,
        detail=found.detail[:_DETAIL_CHARS],
        wasted_nanos=sum(costs) if costs else None,
        wasted_ns=max(last.ended_ns - found.crossed.started_ns, 0),
    )


def _counted(calls: Iterable[Call], key: Callable[[Call], tuple[str | None, ...]]) -> dict[tuple[str | None, ...], list[Call]]:
    """Group calls that are the same; those of a polling tool count only where they follow each other closely."""
    groups: dict[tuple[str | None, ...], list[Call]] = {}
    for call in calls:
        group = groups.setdefault(key(call), [])
        if call.polls and group and call.step.started_ns - group[-1].step.started_ns >= _POLLING_GAP_NS:
            group[-1] = call
        else:
            group.append(call)
    return groups


def _scaled(limits: Limits, polls: bool) -> Limits:
    if not polls:
        return limits
    return Limits(*(None if limit is None else limit * _POLLING_FACTOR for limit in (limits.warning, limits.critical)))


def identical_calls(seen: Seen) -> list[Finding]:
    """L1: the same call with the same answer."""
    found: list[Finding] = []
    known = [call for call in seen.calls if call.is_told]
    for group in _counted(known, lambda call: (call.digest, call.answer)).values():
        limits = _scaled(limits_of(seen, "L1"), group[0].polls)
        if (seen.run.totals.cost_nanos or 0) >= _COSTLY_NANOS and limits.warning is not None:
            limits = msgspec.structs.replace(limits, critical=min(limits.warning, limits.critical or limits.warning))
        found.extend(_repeats(seen, "L1", group, limits, "with the same arguments and the same answer"))
    return found


def calls_with_other_answers(seen: Seen) -> list[Finding]:
    """L2: the same call again and again, whatever it answers."""
    found: list[Finding] = []
    for group in _counted(seen.calls, lambda call: (call.digest,)).values():
        if len(group) > 1 and group[0].is_told and len({call.answer for call in group}) > 1:
            found.extend(_repeats(seen, "L2", group, _scaled(limits_of(seen, "L2"), group[0].polls), "with the same arguments"))
    return found


def _repeats(seen: Seen, rule: str, group: Sequence[Call], limits: Limits, how: str) -> Iterable[Finding]:
    severity = severity_of(len(group), limits)
    if severity is None:
        return
    limit = limits.critical if severity == "critical" else limits.warning
    assert limit is not None
    first = group[0]
    sentence = f"{seen.run.agent} called {first.name} {how} {len(group)} times"
    crossed = group[int(limits.warning or limit) - 1].step
    steps = [call.step for call in group]
    yield _finding(seen, _Repetition(rule, severity, first.name, steps, len(group), limit, crossed, sentence, arguments_of(first)))


def arguments_of(call: Call) -> str:
    """Return a call's arguments as one line."""
    if call.step.tool is None:
        return (call.step.input or "")[:_DETAIL_CHARS]
    arguments = call.step.tool.arguments
    try:
        return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
    except (TypeError, ValueError, RecursionError, OverflowError):
        return ""


_PERIODS = range(2, 9)
_FEWEST_ROUNDS = 3


def cycles(seen: Seen) -> list[Finding]:
    """L3: the same few calls in the same order, over and over.

    For each period the number of calls that equal the one a period before is carried along, so that a call costs seven comparisons.
    """
    calls = [call for call in seen.calls if not call.polls]
    if max(Counter(call.digest for call in calls).values(), default=0) < _FEWEST_ROUNDS:
        return []
    alike = dict.fromkeys(_PERIODS, 0)
    best: tuple[int, int, int] | None = None
    for place, call in enumerate(calls):
        for period in _PERIODS:
            same = place >= period and calls[place - period].digest == call.digest
            alike[period] = alike[period] + 1 if same else 0
            repeats = alike[period] // period + 1
            if repeats < _FEWEST_ROUNDS or (best is not None and repeats <= best[0]):
                continue
            # One call alone is no cycle: that is L1's or L2's.
            if len({one.digest for one in calls[place - period + 1 : place + 1]}) > 1:
                best = repeats, period, place
    if best is None:
        return []
    repeats, period, end = best
    limits = limits_of(seen, "L3")
    severity = severity_of(repeats, limits)
    if severity is None:
        return []
    steps = [call.step for call in calls[end + 1 - repeats * period : end + 1]]
    names = " > ".join(call.name for call in calls[end + 1 - period : end + 1])
    limit = limits.critical if severity == "critical" else limits.warning
    crossed = steps[min(int(limits.warning or 3) * period, len(steps)) - 1]
    sentence = f"{seen.run.agent} went round {names} {repeats} times with the same arguments"
    return [_finding(seen, _Repetition("L3", severity, names, steps, repeats, limit or 0, crossed, sentence))]


def error_streaks(seen: Seen) -> list[Finding]:
    """L4: a tool that fails every time it is called. Critical only where it is one error: who gets ever new ones still tries."""
    limits = limits_of(seen, "L4")
    streaks: dict[str, list[Call]] = {}
    longest: dict[str, list[Call]] = {}
    for call in seen.calls:
        streak = streaks.setdefault(call.name, [])
        if not call.failed:
            streak.clear()
            continue
        streak.append(call)
        if len(streak) > len(longest.get(call.name, ())):
            longest[call.name] = streak.copy()
    found: list[Finding] = []
    for name, streak in longest.items():
        severity = severity_of(len(streak), limits)
        if severity is None:
            continue
        if max(len(list(same)) for _, same in groupby(streak, attrgetter("answer"))) < (limits.warning or 1):
            severity = "warning"
        limit = limits.critical if severity == "critical" else limits.warning
        error = streak[-1].step.error or ""
        sentence = f"{name}, called by {seen.run.agent}, failed {len(streak)} times in a row"
        crossed = streak[min(int(limits.warning or 1), len(streak)) - 1].step
        steps = [call.step for call in streak]
        found.append(_finding(seen, _Repetition("L4", severity, name, steps, len(streak), limit or 0, crossed, sentence, error)))
    return found


_FEWEST_WORDS, _MOST_WORDS = 8, 200
_LOOKED_BACK = 5
_ALIKE = 0.9
_SHORTER = 0.8
_THOUGHT_CHARS = 2_000

_Shingles = frozenset[int]


@lru_cache(maxsize=256)
def _shingles(text: str) -> _Shingles:
    """Return every five words that follow each other, by their hash; none of a text too short to be told from another."""
    words = text.lower().split()[:_MOST_WORDS]
    if len(words) < _FEWEST_WORDS:
        return frozenset()
    return frozenset(map(hash, zip(words, words[1:], words[2:], words[3:], words[4:], strict=False)))


def repeated_thoughts(seen: Seen) -> list[Finding]:
    """L5: thinking or saying the same thing again: nine tenths of all sequences of five words are those of one of the last five."""
    thinking = [step for step in seen.steps if step.thought or (step.kind == "llm" and step.output)]
    limits = limits_of(seen, "L5")
    fewest = ceil(min(limit for limit in (limits.warning, limits.critical, len(thinking) + 1) if limit is not None))
    if len(thinking) < fewest:
        return []
    longest = _longest_streak(thinking, fewest)
    severity = severity_of(len(longest), limits)
    if severity is None:
        return []
    limit = limits.critical if severity == "critical" else limits.warning
    sentence = f"{seen.run.agent} had the same thought {len(longest)} times in a row"
    crossed = longest[min(int(limits.warning or 1), len(longest)) - 1]
    detail = longest[-1].thought or longest[-1].output or ""
    return [_finding(seen, _Repetition("L5", severity, "thought", longest, len(longest), limit or 0, crossed, sentence, detail))]


def _longest_streak(thinking: Sequence[Step], fewest: int) -> Sequence[Step]:
    """Return the first of the longest streaks of at least so many steps that say the same; the first step where there is none.

    All of a streak but its first step repeat, so that one step in ``fewest - 1`` is a look at every streak that is long enough.
    """
    texts = [(step.thought or step.output or "")[:_THOUGHT_CHARS] for step in thinking]

    def repeats(place: int) -> bool:
        return _repeats_one_of(texts[max(place - _LOOKED_BACK, 0) : place], texts[place])

    stride = max(fewest - 1, 1)
    first = last = 0
    place = stride
    while place < len(texts):
        began = ended = place
        while began and repeats(began):
            began -= 1
        if began < place:
            while ended + 1 < len(texts) and repeats(ended + 1):
                ended += 1
            if ended - began > last - first:
                first, last = began, ended
        place = ended + stride
    return thinking[first : last + 1]


def _repeats_one_of(recent: Sequence[str], now: str) -> bool:
    """Tell whether a text is like one of those before. Most differ in length and need no closer look."""
    near = [before for before in recent if _SHORTER * len(before) <= len(now) <= len(before) / _SHORTER]
    if not near:
        return False
    these = _shingles(now)
    return any(_are_alike(these, _shingles(before)) for before in near)


def _are_alike(these: _Shingles, those: _Shingles) -> bool:
    """Tell whether two texts share nine tenths of their shingles (Jaccard)."""
    common = len(these & those)
    return common > 0 and common >= _ALIKE * (len(these) + len(those) - common)


_MANY_CALLS = 30


def no_progress(seen: Seen) -> list[Finding]:
    """L6: many calls, few different ones."""
    calls = [call for call in seen.calls if not call.polls]
    if len(calls) < _MANY_CALLS:
        return []
    share = len({call.digest for call in calls}) / len(calls)
    limits = limits_of(seen, "L6")
    below = [limit is not None and share < limit for limit in (limits.warning, limits.critical)]
    if not any(below):
        return []
    severity: Severity = "critical" if below[1] else "warning"
    limit = limits.critical if below[1] else limits.warning
    sentence = f"only {share:.0%} of {seen.run.agent}'s {len(calls)} calls were different ones"
    steps = [call.step for call in calls]
    return [_finding(seen, _Repetition("L6", severity, "progress", steps, share, limit or 0, steps[_MANY_CALLS - 1], sentence))]


_DEEPEST = 20


def fan_out(seen: Seen) -> list[Finding]:
    """L8: a run that starts agents without end, or agents that start each other ever deeper."""
    return [*_breadth(seen), *_depth(seen)]


def _breadth(seen: Seen) -> Iterable[Finding]:
    agents = [step for step in seen.steps if step.run_id is not None]
    limits = limits_of(seen, "L8")
    severity = severity_of(len(agents), limits)
    if severity is None:
        return
    limit = limits.critical if severity == "critical" else limits.warning
    sentence = f"{seen.run.agent} started {len(agents):,} agents in one run"
    crossed = agents[int(limits.warning or limit or 1) - 1]
    yield _finding(seen, _Repetition("L8", severity, "agents", agents, len(agents), limit or 0, crossed, sentence))


def _depth(seen: Seen) -> Iterable[Finding]:
    # Told of the first run that lies too deep and of none below it.
    if seen.run.depth == _DEEPEST + 1 and seen.steps:
        sentence = f"{seen.run.agent} runs {seen.run.depth} agents deep"
        found = _Repetition("L8", "warning", "depth", seen.steps, seen.run.depth, _DEEPEST, seen.steps[0], sentence)
        yield _finding(seen, found)
