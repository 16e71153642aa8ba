"""Tables of alerts: what the watch found and told whom, what people said to it, and what they set. No run of spans rebuilds them.

Money is integer nano-dollars, times are integer nanoseconds. ``audit`` and ``alert_event`` only grow.
"""

from typing import Any

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, Table, Text, text

from .schema import metadata


def _number(name: str = "id") -> Column[Any]:
    return Column(name, BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


def _project(**more: Any) -> Column[Any]:
    return Column("project_id", Integer, nullable=False, **more)


def _texts(*names: str) -> list[Column[Any]]:
    return [Column(name, Text, nullable=False) for name in names]


def _counts(*names: str, nullable: bool = False) -> list[Column[Any]]:
    return [Column(name, BigInteger, nullable=nullable) for name in names]


def _key(name: str, kind: Any) -> Column[Any]:
    return Column(name, kind, primary_key=True, autoincrement=False)


alert = Table(
    "alert",
    metadata,
    _number(),
    _project(),
    *_texts("fingerprint", "rule", "agent", "subject", "state", "severity"),
    Column("observed", Float, nullable=False),
    Column("threshold", Float, nullable=False),
    *_texts("sentence", "detail", "expected"),
    *_counts("opened_ns", "active_ns", "changed_ns"),
    *_counts("fired_ns", "resolved_ns", "acked_ns", nullable=True),
    *_texts("acked_by"),
    *_counts("notified_ns", nullable=True),
    *_texts("notified_severity", "thread"),
    *_counts("mails", "flaps", "runs"),
    *_counts("wasted_nanos", nullable=True),
)
"""One row per incident. Of one fingerprint at most one is not resolved."""

_UNRESOLVED = text("state <> 'resolved'")
Index("ux_alert_open", alert.c.project_id, alert.c.fingerprint, unique=True, sqlite_where=_UNRESOLVED, postgresql_where=_UNRESOLVED)
Index("ix_alert_changed", alert.c.project_id, alert.c.state, alert.c.changed_ns)
Index("ix_alert_resolved", alert.c.resolved_ns)

alert_run = Table(
    "alert_run",
    metadata,
    _key("project_id", Integer),
    _key("fingerprint", Text),
    _key("trace_id", LargeBinary),
    _key("run_id", LargeBinary),
    *_counts("alert_id"),
    *_texts("severity"),
    Column("observed", Float, nullable=False),
    *_counts("since_ns", "last_ns", "seen_ns"),
    Column("spans", LargeBinary, nullable=False),
    *_texts("sentence", "detail"),
    *_counts("wasted_nanos", nullable=True),
    Column("is_open", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""The runs behind an alert, each with what was found in it. It outlives the alert, so that a restart repeats nothing."""

Index("ix_alert_run_alert", alert_run.c.alert_id)
Index("ix_alert_run_trace", alert_run.c.project_id, alert_run.c.trace_id)
_OPEN = text("is_open = 1")
Index("ix_alert_run_open", alert_run.c.alert_id, sqlite_where=_OPEN, postgresql_where=_OPEN)

alert_event = Table("alert_event", metadata, _number(), *_counts("alert_id", "at_ns"), *_texts("kind", "actor", "words"))
"""What happened to an alert, in order."""

Index("ix_alert_event", alert_event.c.alert_id, alert_event.c.id)

outbox = Table(
    "outbox",
    metadata,
    _number(),
    _project(),
    *_counts("alert_id"),
    Column("alert_ids", LargeBinary, nullable=False),
    *_texts("kind", "severity", "channel", "receiver", "message_id", "thread", "subject", "body", "html", "state"),
    *_counts("attempts", "created_ns", "next_ns"),
    *_counts("lease_until_ns", "sent_ns", nullable=True),
    *_texts("lease_owner", "error"),
)
"""What is to be told to whom, written in the transaction of what it tells. ``state``: due, sent, failed, suppressed or kept."""

Index("ux_outbox_message", outbox.c.message_id, outbox.c.channel, unique=True)
_DUE = text("state = 'due'")
Index("ix_outbox_due", outbox.c.next_ns, sqlite_where=_DUE, postgresql_where=_DUE)
Index("ix_outbox_receiver", outbox.c.channel, outbox.c.receiver, outbox.c.created_ns)
Index("ix_outbox_alert", outbox.c.alert_id)

attempt = Table("attempt", metadata, _number(), *_counts("outbox_id", "at_ns"), *_texts("outcome", "words"))
"""Each attempt to deliver something."""

Index("ix_attempt", attempt.c.outbox_id)

receiver = Table(
    "receiver",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("receiver", Text, primary_key=True),
    *_counts("refusals"),
    *_counts("disabled_ns", nullable=True),
    *_texts("error"),
    sqlite_with_rowid=False,
)
"""Who refused mail: five times in a row and nothing more is sent there until somebody says so."""

silence = Table(
    "silence",
    metadata,
    _number(),
    _project(),
    *_texts("rule", "agent", "subject", "author", "reason"),
    *_counts("starts_ns", "ends_ns", "made_ns"),
)
"""What nobody wants to hear of for a while; an empty ``rule``, ``agent`` or ``subject`` fits all."""

Index("ix_silence_ends", silence.c.ends_ns)

rule_setting = Table(
    "rule_setting",
    metadata,
    _key("project_id", Integer),
    _key("agent", Text),
    _key("rule", Text),
    Column("setting", Text, nullable=False),
    *_counts("changed_ns"),
    *_texts("changed_by"),
    sqlite_with_rowid=False,
)
"""A project's settings of a rule, and with an agent's name that agent's own; JSON. The rule ``*`` is about all rules."""

stop_request = Table(
    "stop_request",
    metadata,
    _key("project_id", Integer),
    _key("trace_id", LargeBinary),
    _key("run_id", LargeBinary),
    *_texts("stopped_by", "reason"),
    *_counts("asked_ns"),
    sqlite_with_rowid=False,
)
"""Who wants a run to stop; an empty ``run_id`` means all runs of the trace."""

audit = Table("audit", metadata, _number(), _project(), *_counts("at_ns"), *_texts("actor", "address", "deed", "object", "before", "after"))
"""What people and rules did. Triggers refuse to change or delete a row."""

watch_state = Table("watch_state", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))
"""What the watch remembers: its lease, how far it has read, and the key of signed links."""

spend_minute = Table(
    "spend_minute",
    metadata,
    _key("project_id", Integer),
    _key("minute", BigInteger),
    _key("agent", Text),
    *_counts("cost_nanos", "tokens"),
    sqlite_with_rowid=False,
)
"""What was spent, by the minute in which the bill grew."""

spend_seen = Table(
    "spend_seen",
    metadata,
    _key("project_id", Integer),
    _key("hour", BigInteger),
    _key("agent", Text),
    *_counts("cost_nanos", "tokens"),
    sqlite_with_rowid=False,
)
"""What the bill of an hour was when it was last looked at."""

call_window = Table(
    "call_window",
    metadata,
    _key("project_id", Integer),
    _key("slot", BigInteger),
    _key("agent", Text),
    _key("digest", Text),
    *_texts("tool"),
    *_counts("calls", "runs"),
    Column("last_run", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""How often an agent made the same call in five minutes, over all its runs."""

agent_day = Table(
    "agent_day",
    metadata,
    _key("project_id", Integer),
    _key("agent", Text),
    _key("day", BigInteger),
    *_counts("runs"),
    *_counts("cost_nanos", "duration_ns", nullable=True),
    sqlite_with_rowid=False,
)
"""A day of an agent as drift is judged by it: finished runs, the median of what one cost, the 95th percentile of how long they took."""

intake_slot = Table(
    "intake_slot",
    metadata,
    _key("project_id", Integer),
    _key("slot", BigInteger),
    *_counts("stored", "rejected"),
    sqlite_with_rowid=False,
)
"""How many spans were taken in within five minutes, and how many could not be."""

ALERT_TABLES = (
    alert, alert_run, alert_event, outbox, attempt, receiver, silence, rule_setting, stop_request, audit, watch_state,
    spend_minute, spend_seen, call_window, agent_day, intake_slot,
)  # fmt: skip
