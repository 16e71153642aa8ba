"""The values of alerts: an incident, the runs behind it, what is told of it and what people said to it."""

from typing import Literal

import msgspec

from ingest.findings import Severity

AlertState = Literal["pending", "firing", "recovering", "resolved"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
"""From the least to the worst."""


def worse(one: str, other: str) -> bool:
    """Tell whether the first severity is worse than the second; an empty one is none."""
    return _rank(one) > _rank(other)


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1


class Alert(msgspec.Struct, frozen=True):
    """An incident. Fields are the columns of its table."""

    id: int
    project_id: int
    fingerprint: str
    rule: str
    agent: str
    subject: str
    state: AlertState
    severity: Severity
    observed: float
    threshold: float
    sentence: str
    detail: str
    expected: str
    """What was expected, and how that was computed."""
    opened_ns: int
    active_ns: int
    """When the condition held last."""
    changed_ns: int
    fired_ns: int | None = None
    resolved_ns: int | None = None
    acked_ns: int | None = None
    acked_by: str = ""
    notified_ns: int | None = None
    notified_severity: str = ""
    """The severity that receivers know of; empty where they know of nothing, or that it is over."""
    thread: str = ""
    """Names the first mail about it, to which all later ones answer."""
    mails: int = 0
    flaps: int = 0
    """How often it came back soon after it was over."""
    runs: int = 0
    wasted_nanos: int | None = None


class AlertRun(msgspec.Struct, frozen=True):
    """A run behind an alert. Fields are the columns of its table."""

    project_id: int
    fingerprint: str
    trace_id: bytes
    run_id: bytes
    alert_id: int
    severity: Severity
    observed: float
    since_ns: int
    last_ns: int
    seen_ns: int
    spans: bytes
    """Span ids one after the other: the first, the last, and some between."""
    sentence: str
    detail: str
    wasted_nanos: int | None
    is_open: int
    """1 while the run goes on."""


class AlertEvent(msgspec.Struct, frozen=True):
    """Something that happened to an alert."""

    alert_id: int
    at_ns: int
    kind: str
    """opened, fired, raised, returned, recovering, resolved, mailed, acknowledged, silenced, stop, note"""
    actor: str = ""
    words: str = ""


class Silence(msgspec.Struct, frozen=True):
    """What nobody wants to hear of for a while."""

    id: int
    project_id: int
    rule: str
    agent: str
    subject: str
    author: str
    reason: str
    starts_ns: int
    ends_ns: int
    made_ns: int

    def covers(self, alert: Alert, now_ns: int) -> bool:
        """Tell whether an alert is silenced by it now."""
        wanted = ((self.rule, alert.rule), (self.agent, alert.agent), (self.subject, alert.subject))
        in_time = self.project_id == alert.project_id and self.starts_ns <= now_ns < self.ends_ns
        return in_time and all(not mine or mine == its for mine, its in wanted)


class Parcel(msgspec.Struct, frozen=True):
    """Something to be told to one receiver. Fields are the columns of the outbox."""

    project_id: int
    alert_id: int
    """The alert it is mainly about; 0 for a test or a digest."""
    alert_ids: bytes
    """All of them, eight bytes each."""
    kind: str
    """firing, raised, reminder, resolved, digest or test"""
    severity: str
    channel: str
    """mail or webhook"""
    receiver: str
    message_id: str
    thread: str
    """The message id that it answers to; its own where it is the first."""
    subject: str
    body: str
    html: str
    state: str
    created_ns: int
    next_ns: int
    id: int = 0
    attempts: int = 0
    lease_until_ns: int | None = None
    sent_ns: int | None = None
    lease_owner: str = ""
    error: str = ""


class Attempt(msgspec.Struct, frozen=True):
    """One attempt to deliver a parcel."""

    outbox_id: int
    at_ns: int
    outcome: str
    """sent, later, failed, suppressed or misconfigured"""
    words: str


class Receiver(msgspec.Struct, frozen=True):
    """How a receiver behaves."""

    channel: str
    receiver: str
    refusals: int
    disabled_ns: int | None
    error: str


class StopRequest(msgspec.Struct, frozen=True):
    """Who wants a run to stop."""

    project_id: int
    trace_id: bytes
    run_id: bytes
    """Empty for all runs of the trace."""
    stopped_by: str
    reason: str
    asked_ns: int


class AuditEntry(msgspec.Struct, frozen=True):
    """Something that a person or a rule did."""

    project_id: int
    at_ns: int
    actor: str
    address: str
    deed: str
    object: str
    before: str = ""
    after: str = ""


class SeenFinding(msgspec.Struct, frozen=True):
    """A finding as it is stored, with when its trace was last heard of and whether its run goes on."""

    project_id: int
    trace_id: bytes
    place: int
    run_id: bytes
    rule: str
    severity: Severity
    agent: str
    subject: str
    observed: float
    threshold: float
    since_ns: int
    last_ns: int
    spans: bytes
    sentence: str
    detail: str
    wasted_nanos: int | None
    seen_ns: int
    ended_ns: int | None


def pack_ids(ids: list[int]) -> bytes:
    """Return alert ids as bytes."""
    return b"".join(number.to_bytes(8, "big") for number in ids)


def unpack_ids(data: bytes) -> list[int]:
    """Return alert ids from their bytes."""
    return [int.from_bytes(data[at : at + 8], "big") for at in range(0, len(data) - 7, 8)]
