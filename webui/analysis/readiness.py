"""The production readiness checklist, judged per agent from what its traces show.

A trace proves that something is there, or that it was missing when it was needed; it cannot prove what was never put to the
test, and some of the checklist leaves no trace at all. So an item is *seen*, *seen failing*, *not seen*, or *cannot be seen*.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ingest.store.tally import Example, Summed

Status = Literal["seen", "seen failing", "not seen", "cannot be seen"]


@dataclass(frozen=True, slots=True)
class Count:
    """How many traces show a sign, how often, and how often as a failure."""

    traces: int = 0
    times: int = 0
    failed: int = 0


class Evidence:
    """The signs of one agent."""

    def __init__(self, counts: Mapping[str, Count]) -> None:
        self._counts = counts
        self.runs = counts.get("run", Count()).traces

    def of(self, *names: str) -> int:
        """Return in how many traces signs show, those of several added up."""
        return sum(self._counts.get(name, Count()).traces for name in names)

    def __getitem__(self, name: str) -> int:
        return self.of(name)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of one item: its status, why, and the signs to look at."""

    status: Status
    words: str
    signs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the checklist and how it is judged."""

    id: str
    title: str
    judge: Callable[[Evidence], Verdict]
    means: str
    """What would show it, for a reader who wants it seen."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One item, judged, with the newest spans that show it."""

    item: Item
    verdict: Verdict
    examples: tuple[Example, ...]


def _judge(good: Sequence[str], bad: Sequence[str], unseen: str = "nothing in the traces shows it") -> Callable[[Evidence], Verdict]:
    """Return a judge: failing where a bad sign shows, else seen where a good one does."""

    def judge(seen: Evidence) -> Verdict:
        for_it, against = _told(seen, good), _told(seen, bad)
        if against:
            also = f"; also {for_it}" if for_it else ""
            return Verdict("seen failing", f"{against}{also}", (*bad, *good))
        return Verdict("seen", for_it, tuple(good)) if for_it else Verdict("not seen", unseen)

    return judge


def _told(seen: Evidence, names: Iterable[str]) -> str:
    return ", ".join(f"{_WORDS.get(name, name)} in {_runs(seen[name])}" for name in names if seen[name])


def _runs(number: int) -> str:
    return f"{number:,} run{'' if number == 1 else 's'}"


_WORDS = {
    "retry": "retried", "fallback": "fell back", "repair": "repaired an answer", "answer refused": "refused an answer that did not fit",
    "breaker": "breaker at work", "hammered": "called on though it kept failing, no breaker", "reasoned": "thoughts or decisions",
    "unreasoned": "neither thought nor decision", "arguments refused": "refused wrong arguments", "guard on tools": "a guard on tools",
    "unread arguments": "took arguments that are no JSON", "guard on input": "a guard on input", "guard on output": "a guard on output",
    "guard refused": "a guard refused", "degraded": "answered though the model failed", "dead end": "no answer when the model failed",
    "recovered": "went on after a model failure", "not tried again": "gave up at the first model failure",
    "escalated": "handed to a person", "handoff": "handed on", "rate limited": "was told to slow down",
    "cut answer": "passed on an answer that was cut short",
    "over budget": "spent far more than the budget", "stopped by budget": "stopped by a budget", "finding P1": "something leaked",
    "finding P3": "instructions came in with what was read", "finding P4": "acted without the check that goes before",
    "finding B1": "came near or over a ceiling", "finding L1": "looped over the same call", "finding L4": "went on failing",
}  # fmt: skip


def _budget(seen: Evidence) -> Verdict:
    share = 100 * seen["budget"] / max(seen.runs, 1)
    if seen["over budget"]:
        return Verdict("seen failing", f"spent far more than its budget in {_runs(seen['over budget'])}", ("over budget", "budget"))
    if not seen["budget"]:
        stopped = seen["stopped by budget"]
        words = f"{_runs(stopped)} stopped by a budget" if stopped else "no run states a budget"
        return Verdict("seen", words, ("stopped by budget",)) if stopped else Verdict("not seen", words)
    held = f"; it stopped {_runs(seen['stopped by budget'])}" if seen["stopped by budget"] else ""
    if share < 90:
        return Verdict("seen failing", f"only {share:.0f} % of runs state a budget{held}", ("budget",))
    return Verdict("seen", f"{share:.0f} % of runs state a budget{held}", ("stopped by budget", "budget"))


def _tracing(seen: Evidence) -> Verdict:
    share = 100 * seen["reasoned"] / max(seen.runs, 1)
    if share >= 90:
        return Verdict("seen", f"thoughts or decisions in {share:.0f} % of runs, each under a trace id", ("reasoned",))
    if seen["reasoned"]:
        return Verdict("seen failing", f"thoughts or decisions in {share:.0f} % of runs only", ("unreasoned", "reasoned"))
    return Verdict("not seen", "runs have trace ids, but no thought and no decision on record", ("unreasoned",))


def _injections(seen: Evidence) -> Verdict:
    guards, came = _told(seen, ("guard refused", "guard on input")), seen["finding P3"]
    if guards:
        also = f"; instructions came in with what {_runs(came)} read" if came else ""
        return Verdict("seen", guards + also, ("guard refused", "guard on input", "finding P3"))
    if came:
        return Verdict("seen failing", f"instructions came in with what {_runs(came)} read, and no guard said a word", ("finding P3",))
    return Verdict("not seen", "no guard on what comes in")


def _tests(seen: Evidence) -> Verdict:
    number = seen["test run"]
    if number >= 20:
        return Verdict("seen", f"{_runs(number)} in a test environment", ("test run",))
    if number:
        return Verdict("not seen", f"only {_runs(number)} in a test environment: 20 scenarios are asked for", ("test run",))
    return Verdict("cannot be seen", "tests leave a trace only if they run with an environment named test, ci or eval")


def _attacks(seen: Evidence) -> Verdict:
    if seen["attacked in a test"]:
        return Verdict("seen", f"{_runs(seen['attacked in a test'])} refused in a test environment", ("attacked in a test",))
    return Verdict("cannot be seen", "attacks in tests are told from others only by an environment named test, ci or eval")


def _costs(seen: Evidence) -> Verdict:
    if seen["unpriced"]:
        words = f"calls without a price in {_runs(seen['unpriced'])}: what they cost, no alert sees"
        return Verdict("seen failing", words, ("unpriced",))
    if seen["priced"]:
        return Verdict("seen", f"every model call of {_runs(seen['priced'])} has a price, and Clew watches the sum", ("priced",))
    return Verdict("not seen", "no model call on record")


def _limits(seen: Evidence) -> Verdict:
    if seen["rate limited"]:
        return Verdict("seen", f"told to slow down in {_runs(seen['rate limited'])}", ("rate limited",))
    if not seen["identified"]:
        return Verdict("not seen", "no run names a session or user, so nothing can be limited by them")
    return Verdict("cannot be seen", "sessions or users are named, but nobody was ever told to slow down")


ITEMS: tuple[Item, ...] = (
    Item("budget", "Token budget with a hard ceiling per session and per step", _budget, "a budget stated on every run"),
    Item("recovery", "Retry and fallback layers for transient model failures",
         _judge(("retry", "fallback", "recovered"), ("not tried again",), "no model call failed, and nothing was retried"),
         "retry and fallback steps"),
    Item("validation", "Output validation of every model answer against a schema",
         _judge(("repair", "answer refused", "guard on output"), ("cut answer",)),
         "repair steps, or a run that ends with validation_failed"),
    Item("breaker", "Circuit breaker against cascading failures and cost runaway",
         _judge(("breaker",), ("hammered", "finding L4"), "nothing broke, as far as traces show"), "breaker steps"),
    Item("tracing", "Decision tracing of every reasoning step under a trace id", _tracing, "thoughts and decisions in every run"),
    Item("arguments", "Tool input validation against invented or malicious parameters",
         _judge(("arguments refused", "guard on tools"), ("finding P4", "unread arguments")), "tools that refuse wrong arguments"),
    Item("injection", "Prompt injection defences for untrusted inputs",
         _injections, "guardrail steps on what comes in"),
    Item("sanitising", "Output sanitisation that strips internal data",
         _judge(("guard on output",), ("finding P1",)), "guardrail steps on what goes out"),
    Item("golden", "Golden test suite of 20 and more critical scenarios", _tests, "runs in an environment named test, ci or eval"),
    Item("attacks", "Adversarial tests against common injection patterns", _attacks, "refused runs in a test environment"),
    Item("degradation", "Graceful degradation when the model is out",
         _judge(("degraded",), ("dead end",), "the model was never out"), "an answer in runs whose model failed"),
    Item("escalation", "Escalation to a person, defined and tested",
         _judge(("escalated",), (), "no run was handed to a person"), "runs that end with escalated"),
    Item("costs", "Cost monitoring with alerts for anomalous spend", _costs, "a price for every model call"),
    Item("limits", "Rate limiting per session and user", _limits, "refusals by rate, and runs that name their session or user"),
)  # fmt: skip
"""In the order of the checklist."""


def counts_by_agent(rows: Iterable[Summed]) -> dict[str, dict[str, Count]]:
    """Return the signs of each agent from the daily sums of signs."""
    found: dict[str, dict[str, Count]] = {}
    for row in rows:
        found.setdefault(row.agent, {})[row.a] = Count(row.traces, row.times, row.failed)
    return found


_EXAMPLES = 3


def judge_agent(counts: Mapping[str, Count], examples: Iterable[Example]) -> list[Judgement]:
    """Return the checklist of one agent; ``examples`` are the newest spans of its signs."""
    evidence, shown = Evidence(counts), list(examples)
    found = []
    for item in ITEMS:
        verdict = item.judge(evidence)
        spans = [one for name in verdict.signs for one in shown if one.name == name]
        found.append(Judgement(item, verdict, tuple(spans[:_EXAMPLES])))
    return found
