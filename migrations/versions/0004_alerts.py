"""Alerts: incidents and their history, the outbox, silences, settings of rules, stop requests, the audit log.

Revision ID: 0004
Revises: 0003
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_TABLES = (
    "alert", "alert_run", "alert_event", "outbox", "attempt", "receiver", "silence", "rule_setting", "stop_request", "audit",
    "watch_state", "spend_minute", "spend_seen", "call_window",
)  # fmt: skip

_GROWS_ONLY = ("audit", "alert_event")


def upgrade() -> None:
    """Make the tables, and the triggers that keep what was written down as it was."""
    _create_alerts()
    _create_outbox()
    _create_words()
    _create_samples()
    for table in _GROWS_ONLY:
        _refuse_changes(table)


def downgrade() -> None:
    """Drop the tables; what they hold is nowhere else."""
    for table in reversed(_TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION clew_grows_only()")


def _number() -> "sa.Column[Any]":
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True)


def _key(name: str, kind: type[sa.types.TypeEngine[Any]] = sa.Text) -> "sa.Column[Any]":
    return sa.Column(name, kind(), primary_key=True, nullable=False, autoincrement=False)


def _texts(*names: str) -> "list[sa.Column[Any]]":
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _counts(*names: str, nullable: bool = False) -> "list[sa.Column[Any]]":
    return [sa.Column(name, sa.BigInteger(), nullable=nullable) for name in names]


def _figures(*names: str) -> "list[sa.Column[Any]]":
    return [sa.Column(name, sa.Float(), nullable=False) for name in names]


def _project() -> "sa.Column[Any]":
    return sa.Column("project_id", sa.Integer(), nullable=False)


def _bytes(name: str) -> "sa.Column[Any]":
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _create_alerts() -> None:
    op.create_table(
        "alert", _number(), _project(), *_texts("fingerprint", "rule", "agent", "subject", "state", "severity"),
        *_figures("observed", "threshold"), *_texts("sentence", "detail", "expected"), *_counts("opened_ns", "active_ns", "changed_ns"),
        *_counts("fired_ns", "resolved_ns", "acked_ns", nullable=True), *_texts("acked_by"), *_counts("notified_ns", nullable=True),
        *_texts("notified_severity", "thread"), *_counts("mails", "flaps", "runs"), *_counts("wasted_nanos", nullable=True),
    )  # fmt: skip
    _partial("ux_alert_open", "alert", ["project_id", "fingerprint"], "state <> 'resolved'", unique=True)
    op.create_index("ix_alert_changed", "alert", ["project_id", "state", "changed_ns"])
    op.create_index("ix_alert_resolved", "alert", ["resolved_ns"])
    op.create_table(
        "alert_run", _key("project_id", sa.Integer), _key("fingerprint"), _key("trace_id", sa.LargeBinary), _key("run_id", sa.LargeBinary),
        *_counts("alert_id"), *_texts("severity"), *_figures("observed"), *_counts("since_ns", "last_ns", "seen_ns"), _bytes("spans"),
        *_texts("sentence", "detail"), *_counts("wasted_nanos", nullable=True), sa.Column("is_open", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_index("ix_alert_run_alert", "alert_run", ["alert_id"])
    op.create_index("ix_alert_run_trace", "alert_run", ["project_id", "trace_id"])
    _partial("ix_alert_run_open", "alert_run", ["alert_id"], "is_open = 1")
    op.create_table("alert_event", _number(), *_counts("alert_id", "at_ns"), *_texts("kind", "actor", "words"))
    op.create_index("ix_alert_event", "alert_event", ["alert_id", "id"])


def _create_outbox() -> None:
    op.create_table(
        "outbox", _number(), _project(), *_counts("alert_id"), _bytes("alert_ids"),
        *_texts("kind", "severity", "channel", "receiver", "message_id", "thread", "subject", "body", "html", "state"),
        *_counts("attempts", "created_ns", "next_ns"), *_counts("lease_until_ns", "sent_ns", nullable=True),
        *_texts("lease_owner", "error"),
    )  # fmt: skip
    op.create_index("ux_outbox_message", "outbox", ["message_id", "channel"], unique=True)
    _partial("ix_outbox_due", "outbox", ["next_ns"], "state = 'due'")
    op.create_index("ix_outbox_receiver", "outbox", ["channel", "receiver", "created_ns"])
    op.create_index("ix_outbox_alert", "outbox", ["alert_id"])
    op.create_table("attempt", _number(), *_counts("outbox_id", "at_ns"), *_texts("outcome", "words"))
    op.create_index("ix_attempt", "attempt", ["outbox_id"])
    op.create_table(
        "receiver", _key("channel"), _key("receiver"), *_counts("refusals"), *_counts("disabled_ns", nullable=True), *_texts("error"),
        sqlite_with_rowid=False,
    )  # fmt: skip


def _create_words() -> None:
    op.create_table(
        "silence", _number(), _project(), *_texts("rule", "agent", "subject", "author", "reason"),
        *_counts("starts_ns", "ends_ns", "made_ns"),
    )  # fmt: skip
    op.create_index("ix_silence_ends", "silence", ["ends_ns"])
    op.create_table(
        "rule_setting", _key("project_id", sa.Integer), _key("agent"), _key("rule"), *_texts("setting"), *_counts("changed_ns"),
        *_texts("changed_by"), sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_table(
        "stop_request", _key("project_id", sa.Integer), _key("trace_id", sa.LargeBinary), _key("run_id", sa.LargeBinary),
        *_texts("stopped_by", "reason"), *_counts("asked_ns"), sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_table("audit", _number(), _project(), *_counts("at_ns"), *_texts("actor", "address", "deed", "object", "before", "after"))


def _create_samples() -> None:
    op.create_table("watch_state", _key("name"), *_texts("value"))
    for name, moment in (("spend_minute", "minute"), ("spend_seen", "hour")):
        op.create_table(
            name, _key("project_id", sa.Integer), _key(moment, sa.BigInteger), _key("agent"), *_counts("cost_nanos", "tokens"),
            sqlite_with_rowid=False,
        )  # fmt: skip
    op.create_table(
        "call_window", _key("project_id", sa.Integer), _key("slot", sa.BigInteger), _key("agent"), _key("digest"), *_texts("tool"),
        *_counts("calls", "runs"), _bytes("last_run"), sqlite_with_rowid=False,
    )  # fmt: skip


def _refuse_changes(table: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for deed in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{deed.lower()} BEFORE {deed} ON {table} BEGIN SELECT RAISE(ABORT, 'this table only grows'); END"
            )
        return
    op.execute(
        "CREATE OR REPLACE FUNCTION clew_grows_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'this table only grows'; END $$"
    )
    op.execute(f"CREATE TRIGGER {table}_grows_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION clew_grows_only()")
