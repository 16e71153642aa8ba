"""What a trace adds to the sums that pages about many runs read: its tool calls, its choices, and signs of how its agents are built.

Pure: the same trace gives the same entries. They are kept as one row a trace, so that linking again moves the daily sums by
the difference.
"""

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from math import log2
from operator import add, itemgetter
from typing import Any

import msgspec
import zstandard

from ingest.chain.steps import in_order
from ingest.model import Decision, Run, Step, Trace, TraceSummary

from .chunks import compress, decompress
from .clip import clip_name

TALLY_SUMS = ("traces", "times", "failed", "repeats", "length_ns", "wasted_ns", "nanos")
"""What is summed. Of a tool: calls, failed ones, such as had been made before with the same answer, their time, and what the
repeated ones took and cost. Of an end: traces, failed steps, calls without a price, time, and what they cost. Of a turn and of
a second try: model calls, failed ones, their time, and what they cost."""

DAY_NS = 86_400 * 10**9

_LARGEST = 2**53
"""Bound of an amount, so that no sender's nonsense overflows the sums of sums."""

_MOST_ENTRIES = 400
"""Kinds of things that one trace adds: one that has more adds the rest to none."""
_MOST_SHAPES = 8
"""Shapes of arguments of one tool in one trace; further ones are all ``…``."""
_MOST_KEYS = 12

Key = tuple[str, str, str, str, str]
"""topic, agent and three parts that depend on the topic"""
Sums = list[int]

_ONCE = (1, 0, 0, 0, 0, 0)

TOOL, CHOICE, SIGN, END, TURN, AGAIN = "tool", "choice", "sign", "end", "turn", "again"


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """One thing that a trace adds. For ``tool`` the parts are tool, shape of its arguments and how long it took; for ``choice``
    branch point, what was chosen and how the trace ended; for ``sign`` the sign; for ``end`` why the trace ended, who says so,
    and the version of its first agent; for ``turn`` the tool whose result a model call read, empty for none; for ``again`` what
    made a model call a second try: ``retry``, ``fallback`` or ``repair``.
    """

    topic: str
    agent: str
    a: str
    b: str
    c: str
    sums: list[int]


class Tally(msgspec.Struct, array_like=True, frozen=True):
    """Everything a trace adds, to the sums of the day on which it began."""

    day: int
    entries: list[Entry]


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch point: who decides, on what, between what. ``varies`` where options differ each time and are no part of it."""

    id: str
    agent: str
    question: str
    source: str
    options: tuple[str, ...]
    varies: bool


def encode_tally(tally: Tally) -> bytes:
    """Return a tally as it is stored: compressed, because a row of more than a kilobyte takes pages of its own."""
    return compress(msgspec.msgpack.encode(tally))


def decode_tally(data: bytes) -> Tally:
    """Return a stored tally. Older ones are not compressed."""
    return msgspec.msgpack.decode(decompress(data) if data.startswith(zstandard.FRAME_HEADER) else data, type=Tally)


class _Adder:
    """Adds entries up by key."""

    def __init__(self) -> None:
        self.sums: dict[Key, Sums] = {}

    def add(self, key: Key, more: tuple[int, ...]) -> None:
        """Add to the sums after ``traces``, in their order."""
        sums = self.sums.get(key)
        if sums is None:
            if len(self.sums) < _MOST_ENTRIES:
                self.sums[key] = [1, *more]
            return
        sums[1:] = map(add, sums[1:], more)


def tally_of(trace: Trace, line: TraceSummary, signs: Iterable[tuple[str, str, int, int]], branches: "Branches") -> Tally:
    """Return what a trace adds; ``signs`` are agent, sign, times and failures of each sign in it."""
    adder = _Adder()
    _add_end(adder, line)
    for run in trace.runs:
        steps = in_order(run.steps)
        _add_tools(adder, run, steps)
        _add_turns(adder, run, steps)
        for step in steps:
            if step.decision is not None:
                branch = branches.of(run.agent, step.decision)
                adder.add((CHOICE, branch.agent, branch.id, chosen_text(step.decision, branch), line.termination), _ONCE)
    for agent, sign, times, failed in signs:
        adder.add((SIGN, clip_name(agent), sign, "", ""), (times, failed, 0, 0, 0, 0))
    return Tally(line.started_ns // DAY_NS, [Entry(*key, sums) for key, sums in sorted(adder.sums.items())])


def _add_end(adder: _Adder, line: TraceSummary) -> None:
    totals = line.totals
    length = min(line.ended_ns - line.started_ns, _LARGEST) if line.ended_ns is not None else 0
    nanos = max(-_LARGEST, min(totals.cost_nanos or 0, _LARGEST))
    key = (END, clip_name(line.agent), line.termination, line.termination_source, clip_name(line.version or ""))
    adder.add(key, (1, totals.errors, totals.unpriced_calls, length, 0, nanos))


def _add_tools(adder: _Adder, run: Run, steps: Iterable[Step]) -> None:
    seen: set[Hashable] = set()
    shapes: dict[str, set[str]] = {}
    agent = clip_name(run.agent)
    asker: Step | None = None
    for step in steps:
        if step.kind == "llm":
            asker = step
        tool = step.tool
        if tool is None:
            continue
        name, shape = clip_name(tool.name), shape_of(tool.arguments)
        known = shapes.setdefault(name, set())
        shape = shape if shape in known or len(known) < _MOST_SHAPES else "…"
        known.add(shape)
        length = min(step.ended_ns - step.started_ns, _LARGEST) if tool.source == "span" and not step.is_open else 0
        call = (name, _text(tool.arguments), tool.result, tool.error)
        again = tool.arguments is not None and call in seen
        seen.add(call)
        # The model call that asked for what was known already is part of the waste, once however much it asked for.
        wasted = min(asker.cost_nanos or 0, _LARGEST) if again and asker is not None else 0
        asker = None if again else asker
        failed = int(step.status == "error")
        adder.add((TOOL, agent, name, shape, bucket_of(length)), (1, failed, int(again), length, length if again else 0, wasted))


_MARKS = frozenset(("retry", "fallback", "repair"))


def _add_turns(adder: _Adder, run: Run, steps: Iterable[Step]) -> None:
    """Add what each model call cost to the tools whose results it was the first to read, in equal parts that add up to it."""
    agent = clip_name(run.agent)
    results: list[str] = []
    mark = ""
    for step in steps:
        if step.kind in _MARKS and step.usage is None:
            mark = step.kind
        elif step.tool is not None:
            results.append(clip_name(step.tool.name))
        elif step.kind == "llm":
            length = 0 if step.is_open else min(step.ended_ns - step.started_ns, _LARGEST)
            nanos, failed = min(step.cost_nanos or 0, _LARGEST), int(step.status == "error")
            if mark:
                adder.add((AGAIN, agent, mark, "", ""), (1, failed, 0, length, 0, nanos))
            for place, tool in enumerate(results or ("",)):
                number = len(results) or 1
                share = nanos // number + (nanos % number if place == 0 else 0)
                adder.add((TURN, agent, tool, "", ""), (1, failed, 0, length // number, 0, share))
            # A call that failed has read nothing: the one made in its place does.
            results, mark = (results if failed else []), ""


def _text(arguments: Any) -> Hashable:
    """Return arguments as what can be looked up; names in any order are the same arguments."""
    try:
        return msgspec.json.encode(arguments, order="deterministic")
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return repr(arguments)[:20_000]


def shape_of(arguments: Any) -> str:
    """Return the shape of a call's arguments: their names and kinds, in the order of names."""
    if not isinstance(arguments, dict):
        return "" if arguments is None else _kind_word(type(arguments))
    return _shape(tuple([(str(key)[:30], type(value)) for key, value in islice(arguments.items(), _MOST_KEYS + 1)]))


@lru_cache(maxsize=4_096)
def _shape(named: tuple[tuple[str, type], ...]) -> str:
    more = ", …" if len(named) > _MOST_KEYS else ""
    words = (f"{name} {_kind_word(kind)}" for name, kind in sorted(named[:_MOST_KEYS], key=itemgetter(0)))
    return clip_name(", ".join(words) + more) or "nothing"


_KIND_WORDS = {type(None): "null", bool: "yes/no", int: "number", float: "number", str: "text", list: "list", dict: "object"}


def _kind_word(kind: type) -> str:
    return _KIND_WORDS.get(kind, "other")


def bucket_of(length_ns: int) -> str:
    """Return which quarter of an octave of microseconds a length lies in, empty for none; as text of one width, so that it sorts."""
    return f"{round(4 * log2(max(length_ns / 1000, 1))):03d}" if length_ns > 0 else ""


def bucket_ns(bucket: str) -> int:
    """Return the middle of a bucket: at most 9 % from any length in it."""
    return round(1000 * 2 ** (int(bucket) / 4))


_UNSTEADY = re.compile(r"\d{3}|\d[:/.]\d|\b\d{1,2} [A-Z]|#\d")
"""What makes a name one of data: numbers, days and times, which are others each time."""


def branch_of(agent: str, decision: Decision) -> Branch:
    """Return the branch point of a decision. Decisions with the same question and options by the same agent are one."""
    agent, question = clip_name(agent), _steady(decision.question or "")
    names = tuple(sorted({clip_name(option.name) for option in decision.alternatives}))
    varies = decision.source == "declared" and (not names or any(_UNSTEADY.search(name) or len(name) > 60 for name in names))
    digest = blake2b(msgspec.msgpack.encode((agent, question, () if varies else names)), digest_size=8)
    return Branch(digest.hexdigest(), agent, question, decision.source, () if varies else names[:100], varies)


def chosen_text(decision: Decision, branch: Branch) -> str:
    """Return what was chosen as it is counted: where options differ each time, without what makes them differ."""
    return _steady(decision.chosen) if branch.varies else clip_name(decision.chosen)


def _steady(text: str) -> str:
    return clip_name(re.sub(r"(?<![\w-])[\w-]*\d[\w:.,/-]*", "#", text[:2_000]))


class Branches:
    """The branch points of one trace, each worked out once: reconstruction shares the options of calls that were offered the same."""

    def __init__(self) -> None:
        self._by_options: dict[tuple[str, str | None, str, int], Branch] = {}

    def of(self, agent: str, decision: Decision) -> Branch:
        """Return the branch point of a decision of the trace, which keeps its options alive."""
        key = (agent, decision.question, decision.source, id(decision.alternatives))
        found = self._by_options.get(key)
        if found is None:
            found = self._by_options[key] = branch_of(agent, decision)
        return found

    def met(self) -> dict[str, Branch]:
        """Return what was asked for so far, by id."""
        return {branch.id: branch for branch in self._by_options.values()}


@dataclass(frozen=True, slots=True)
class Summed:
    """Sums of one group of daily tallies; the names of sums and parts are those of ``tally``."""

    agent: str
    a: str
    b: str
    c: str
    traces: int
    times: int
    failed: int
    repeats: int
    length_ns: int
    wasted_ns: int
    nanos: int


@dataclass(frozen=True, slots=True)
class Within:
    """Which tallies are asked for: a topic, UTC days from the first to before the second, and one agent or all."""

    topic: str
    first_day: int
    end_day: int
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A span that shows a sign, and what of it."""

    agent: str
    name: str
    failed: bool
    started_ns: int
    trace_id: bytes
    run_id: bytes
    span_id: bytes
    words: str
