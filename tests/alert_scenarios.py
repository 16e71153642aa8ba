"""All labelled scenarios, a seeded sample of them, and the figures of how the detectors did."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .alert_benign import BENIGN
from .alert_leaks import LEAKS
from .alert_loops import LOOPS
from .alert_shifts import SHIFTS
from .alert_spend import SPEND
from .alert_stage import Outcome, Scenario

SCENARIOS: tuple[Scenario, ...] = (*LOOPS, *SPEND, *SHIFTS, *LEAKS, *BENIGN)


def sample(share: int) -> list[Scenario]:
    """Return one scenario in ``share``, the same ones each time and some of every family."""
    chosen: list[Scenario] = []
    for family in dict.fromkeys(one.family for one in SCENARIOS):
        members = sorted((one for one in SCENARIOS if one.family == family), key=lambda one: hashlib.sha256(one.name.encode()).digest())
        chosen += members[: max(len(members) // share, 2)]
    return chosen


@dataclass(frozen=True)
class Score:
    """How well rules spoke: where they ought to, whether they did, how soon, and how often without reason."""

    name: str
    asked: int
    found: int
    false: int
    delays_s: tuple[float, ...]

    @property
    def recall(self) -> float:
        """Return the share that was found."""
        return self.found / self.asked if self.asked else 1.0

    @property
    def precision(self) -> float:
        """Return the share of what was said that had a reason."""
        said = self.found + self.false
        return self.found / said if said else 1.0

    @property
    def p95_s(self) -> float:
        """Return the time to the mail that 95 % kept."""
        ordered = sorted(self.delays_s)
        return ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)] if ordered else 0.0

    @property
    def median_s(self) -> float:
        """Return the middle of the times to the mail."""
        ordered = sorted(self.delays_s)
        return ordered[len(ordered) // 2] if ordered else 0.0


def score_family(outcomes: Sequence[Outcome], family: str) -> Score:
    """Return how a family of scenarios was found; false is what was said wrongly in them or, of the benign, at all."""
    mine = [one for one in outcomes if one.scenario.family == family]
    found = [one for one in mine if one.found]
    return Score(family, len(mine), len(found), sum(bool(one.false) for one in mine), tuple(_delays(found)))


def score_rules(outcomes: Sequence[Outcome]) -> Iterator[Score]:
    """Yield how each rule did: asked in the scenarios that are its own, false wherever it spoke without reason."""
    for rule in sorted({rule for one in outcomes for rule in (*one.scenario.rules, *one.false)}):
        mine = [one for one in outcomes if one.scenario.rules == {rule} or (rule in one.scenario.rules & one.fired)]
        found = [one for one in mine if rule in one.fired]
        false = sum(rule in one.false for one in outcomes)
        yield Score(rule, len(mine), len(found), false, tuple(_delays(found)))


def _delays(outcomes: Iterable[Outcome]) -> Iterator[float]:
    return (max(one.after_s, 0.0) for one in outcomes if one.after_s is not None)


def precision(outcomes: Sequence[Outcome]) -> float:
    """Return the share of all incidents that had a reason."""
    said = [rule for one in outcomes for rule in one.fired]
    wrong = [rule for one in outcomes for rule in one.false]
    return 1 - len(wrong) / len(said) if said else 1.0


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the figures as a table in Markdown."""
    lines = ["| | scenarios | found | recall | false | precision | median s | p95 s |", "|---|---|---|---|---|---|---|---|"]
    families = [score_family(outcomes, family) for family in dict.fromkeys(one.scenario.family for one in outcomes)]
    for one in (*families, *score_rules(outcomes)):
        recall = f"{one.recall:.3f}" if one.name != "benign" else "–"
        lines.append(
            f"| {one.name} | {one.asked} | {one.found} | {recall} | {one.false} | {one.precision:.3f} "
            f"| {one.median_s:.0f} | {one.p95_s:.0f} |"
        )
    return "\n".join(lines)
