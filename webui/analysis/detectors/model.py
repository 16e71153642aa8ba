"""What detectors take and give. Pure values: where they are kept and whom they alarm is the alert engine's business."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from ingest.findings import Finding
from ingest.model import Run, Step


class Limits(msgspec.Struct, frozen=True):
    """Two thresholds of a rule; None switches that severity off."""

    warning: float | None
    critical: float | None


class Rules(msgspec.Struct, frozen=True):
    """The settings of one agent's detectors: the project's, with what the agent's own say instead."""

    limits: Mapping[str, Limits] = {}
    """By rule; a rule that is not named has its defaults."""
    off: frozenset[str] = frozenset()
    polling: frozenset[str] = frozenset()
    """Tools that are asked again and again by design."""
    high_impact: frozenset[str] = frozenset()
    """Tools that nobody should call before something was validated, confirmed or looked up."""
    canaries: tuple[str, ...] = ()
    run_tokens: int = 50_000
    run_nanos: int = 5_000_000_000
    """The ceilings of a run that states no budget of its own."""


class Call(msgspec.Struct, frozen=True):
    """A tool call or a call of another agent, as the loop rules see it."""

    step: Step
    name: str
    digest: str
    """Of name and arguments; what only tells one attempt from another is left out."""
    answer: str | None
    """The result or error."""
    failed: bool
    polls: bool
    is_told: bool
    """False where neither arguments nor answer are on record: then nobody can say whether two calls are the same."""


class Seen(msgspec.Struct, frozen=True):
    """A run made ready for the detectors, once for all of them."""

    run: Run
    steps: Sequence[Step]
    """All of them, in order."""
    calls: Sequence[Call]
    rules: Rules


Detector = Callable[[Seen], Sequence[Finding]]
"""Looks at one run, ended or not, and tells what is wrong with it. Total and cheap: it is asked after every change of the run."""
