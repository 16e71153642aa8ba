"""Every detector that looks at one run. A new one is a function and a line here."""

from collections.abc import Sequence

from ingest.chain.steps import in_order
from ingest.findings import Finding
from ingest.model import Run

from .ceilings import ceilings
from .digest import call_of
from .leaks import injections, leaks, unchecked_deeds
from .loops import calls_with_other_answers, cycles, error_streaks, fan_out, identical_calls, no_progress, repeated_thoughts
from .model import Detector, Rules, Seen

DETECTORS: tuple[tuple[str, Detector], ...] = (
    ("L1", identical_calls),
    ("L2", calls_with_other_answers),
    ("L3", cycles),
    ("L4", error_streaks),
    ("L5", repeated_thoughts),
    ("L6", no_progress),
    ("L8", fan_out),
    ("B1", ceilings),
    ("P1", leaks),
    ("P3", injections),
    ("P4", unchecked_deeds),
)


def see(run: Run, rules: Rules) -> Seen:
    """Return a run made ready for the detectors."""
    steps = in_order(run.steps)
    calls = [call for step in steps if (call := call_of(step, rules)) is not None]
    return Seen(run, steps, calls, rules)


def inspect_seen(seen: Sequence[Seen]) -> list[list[Finding]]:
    """Return everything that the rules find in each of the runs that were made ready."""
    found: list[list[Finding]] = [[] for _ in seen]
    # One detector for all of them, then the next: to change detectors at each run takes longer.
    for rule, detect in DETECTORS:
        for one, theirs in zip(seen, found, strict=True):
            if rule not in one.rules.off:
                theirs.extend(detect(one))
    return found


def inspect(run: Run, rules: Rules) -> list[Finding]:
    """Return everything that the rules find in a run, ended or still open."""
    return inspect_seen([see(run, rules)])[0]


def worst(findings: Sequence[Finding]) -> Finding | None:
    """Return the most severe finding, the first of equals."""
    order = ("critical", "warning", "info")
    return min(findings, key=lambda finding: order.index(finding.severity), default=None)
