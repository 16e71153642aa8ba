"""What the watch remembers between its looks: its lease, how far it has read, the key of signed links, settings of rules."""

import secrets
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from .alert_model import AuditEntry
from .alert_schema import rule_setting, watch_state
from .alertbook import Actor, add_audit
from .bulk import Transaction, transaction
from .engine import Store

LEASE_NS = 30_000_000_000
"""Who watches has so long to show that it still does; then another may."""


class LeaseLost(Exception):
    """Another process watches now: what this one was about to write is not written."""


class Lease(msgspec.Struct, frozen=True):
    """Who watches. The token grows with every change of holder, so that one that slept too long writes nothing."""

    holder: str
    token: int
    until_ns: int


class Progress(msgspec.Struct, frozen=True):
    """How far the watch has read, and when it last did."""

    read_ns: int = 0
    """Findings seen before are dealt with."""
    ticked_ns: int = 0
    series_hour: int = 0
    digest_day: int = 0
    digest_week: int = 0


def _read(conn: Connection, name: str) -> str | None:
    return conn.execute(select(watch_state.c.value).where(watch_state.c.name == name)).scalar()


def _write(tx: Transaction, name: str, value: str) -> None:
    tx.run("INSERT INTO watch_state (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value))


def take_lease(store: Store, holder: str, now_ns: int) -> Lease | None:
    """Take or keep the lease; None while another process holds it. Raises ``StoreBusy``."""
    with store.engine.connect() as conn:
        known = _lease(_read(conn, "lease"))
    if known is not None and not _is_free(known, holder, now_ns):
        return None
    with transaction(store) as tx:
        lock = "" if tx.dialect == "sqlite" else " FOR UPDATE"
        found = tx.rows(f"SELECT value FROM watch_state WHERE name = 'lease'{lock}")
        current = _lease(found[0][0]) if found else None
        if current is not None and not _is_free(current, holder, now_ns):
            return None
        token = 1 if current is None else current.token + (current.holder != holder)
        fresh = Lease(holder, token, now_ns + LEASE_NS)
        _write(tx, "lease", msgspec.json.encode(fresh).decode())
    return fresh


def _lease(text: str | None) -> Lease | None:
    return None if text is None else msgspec.json.decode(text, type=Lease)


def _is_free(lease: Lease, holder: str, now_ns: int) -> bool:
    # One that ends too far ahead was taken by a clock that has been put back since.
    return lease.holder == holder or lease.until_ns <= now_ns or lease.until_ns > now_ns + 2 * LEASE_NS


def give_lease_back(store: Store, holder: str) -> None:
    """Let another process watch at once. Raises ``StoreBusy``."""
    with store.engine.connect() as conn:
        known = _lease(_read(conn, "lease"))
    if known is not None and known.holder == holder:
        with transaction(store) as tx:
            _write(tx, "lease", msgspec.json.encode(Lease(holder, known.token, 0)).decode())


def hold(tx: Transaction, lease: Lease, now_ns: int) -> None:
    """Make sure, inside a transaction, that the lease is still held, and keep it. Raises ``LeaseLost``."""
    lock = "" if tx.dialect == "sqlite" else " FOR UPDATE"
    found = tx.rows(f"SELECT value FROM watch_state WHERE name = 'lease'{lock}")
    current = _lease(found[0][0]) if found else None
    if current is None or current.token != lease.token or current.holder != lease.holder:
        raise LeaseLost
    _write(tx, "lease", msgspec.json.encode(Lease(lease.holder, lease.token, now_ns + LEASE_NS)).decode())


def read_progress(conn: Connection) -> Progress:
    """Return how far the watch has read."""
    text = _read(conn, "progress")
    return Progress() if text is None else msgspec.json.decode(text, type=Progress)


def save_progress(tx: Transaction, progress: Progress) -> None:
    """Write down how far the watch has read."""
    _write(tx, "progress", msgspec.json.encode(progress).decode())


def signing_key(store: Store, configured: str) -> bytes:
    """Return the key that signs links and webhooks: the configured one, else one that is made once and kept. Raises ``StoreBusy``."""
    if configured:
        return configured.encode()
    with store.engine.connect() as conn:
        known = _read(conn, "signing_key")
    if known is None:
        with transaction(store) as tx:
            fresh = secrets.token_hex(32)
            tx.run("INSERT INTO watch_state (name, value) VALUES ('signing_key', ?) ON CONFLICT (name) DO NOTHING", (fresh,))
        with store.engine.connect() as conn:
            known = _read(conn, "signing_key")
    return (known or "").encode()


# --- settings of rules --------------------------------------------------------------------------------------------

ALL_RULES = "*"


class RuleSetting(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a project, or one of its agents, sets of a rule; None leaves the default."""

    on: bool | None = None
    warning: float | None = None
    critical: float | None = None
    stop: str = ""
    """``warning`` or ``critical``: from that severity on, the rule stops the run."""
    polling: tuple[str, ...] = ()
    high_impact: tuple[str, ...] = ()
    canaries: tuple[str, ...] = ()
    run_tokens: int | None = None
    run_nanos: int | None = None
    day_nanos: int | None = None
    month_nanos: int | None = None


SettingKey = tuple[int, str, str]
"""project, agent (empty for the project), rule"""


def read_settings(conn: Connection, project_id: int | None = None) -> dict[SettingKey, RuleSetting]:
    """Return the settings of rules, of one project or all. What cannot be read any more is left out."""
    wanted = select(rule_setting.c.project_id, rule_setting.c.agent, rule_setting.c.rule, rule_setting.c.setting)
    if project_id is not None:
        wanted = wanted.where(rule_setting.c.project_id == project_id)
    found: dict[SettingKey, RuleSetting] = {}
    for project, agent, rule, text in conn.execute(wanted):
        try:
            found[project, agent, rule] = msgspec.json.decode(text, type=RuleSetting)
        except msgspec.DecodeError:
            continue
    return found


def save_setting(store: Store, key: SettingKey, setting: RuleSetting, actor: Actor, now_ns: int) -> None:
    """Set a rule; a setting that says nothing is forgotten. Raises ``StoreBusy``."""
    after = msgspec.json.encode(setting).decode()
    with transaction(store) as tx:
        found = tx.rows("SELECT setting FROM rule_setting WHERE project_id = ? AND agent = ? AND rule = ?", key)
        before = found[0][0] if found else ""
        if setting == RuleSetting():
            tx.run("DELETE FROM rule_setting WHERE project_id = ? AND agent = ? AND rule = ?", key)
        else:
            tx.run(
                "INSERT INTO rule_setting (project_id, agent, rule, setting, changed_ns, changed_by) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (project_id, agent, rule) DO UPDATE SET setting = excluded.setting, "
                "changed_ns = excluded.changed_ns, changed_by = excluded.changed_by",
                (*key, after, now_ns, actor.name),
            )
        what = f"rule {key[2]}" + (f" of agent {key[1]}" if key[1] else "")
        add_audit(tx, [AuditEntry(key[0], now_ns, actor.name, actor.address, "set rule", what, before, after)])


def merged(settings: Mapping[SettingKey, RuleSetting], project_id: int, agent: str, rule: str) -> RuleSetting:
    """Return what holds for an agent: its own setting where it says something, else the project's."""
    project = settings.get((project_id, "", rule), RuleSetting())
    own = settings.get((project_id, agent, rule)) if agent else None
    if own is None:
        return project
    nothing = RuleSetting()
    said: dict[str, Any] = {name: getattr(own, name) for name in own.__struct_fields__ if getattr(own, name) != getattr(nothing, name)}
    return msgspec.structs.replace(project, **said)
