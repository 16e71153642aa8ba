"""What detectors find in runs: the value that travels from them into the store and on to the alerts."""

from typing import Literal

import msgspec

Severity = Literal["info", "warning", "critical"]


class Finding(msgspec.Struct, frozen=True):
    """One rule met in one run."""

    rule: str
    severity: Severity
    run_id: bytes
    agent: str
    subject: str
    """What repeats, fails or leaks: a tool, a model, an agent; part of an alert's identity."""
    observed: float
    limit: float
    """The threshold that was crossed, in the unit of ``observed``."""
    since_ns: int
    """When it was crossed, by the clock of the agent's process."""
    last_ns: int
    spans: tuple[bytes, ...]
    """The first, the last, and up to five between."""
    sentence: str
    """What happened, who did it, how often."""
    detail: str = ""
    """Arguments, a thought or a masked match, at most 200 characters."""
    wasted_nanos: int | None = None
    """What was spent from the point on where it should have stopped; None where that is not known."""
    wasted_ns: int = 0
