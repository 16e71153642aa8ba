"""Sessions kept outside the process: any process can go on with one, and what is idle too long is summarised and closed.

A session belongs to the process that opened it last (its *owner*). Another process takes it over with a summary, not with the raw turns,
and the former owner can write to it no more. A session that was closed is continued by a new one, which begins with its summary.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from sqlite3 import Connection, Row
from typing import Literal

from ..memory.conversation import Conversation, Summarise, Turn, condense, summarise_recorded, write_out
from ..observe import Observe, ignore
from .store import StateStore

IDLE_TTL_S = 30 * 60.0
_MOST_TRIES = 5


class NotYourSession(Exception):
    """The session is another user's. Nothing of it was read out."""


class SessionTaken(Exception):
    """Another process has taken the session over, or it was closed: what this one was about to write must not be written."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session as its owner holds it. ``continues`` is the closed session before it; ``version`` counts what was written."""

    id: str
    user_id: str
    conversation: Conversation
    continues: str | None
    version: int
    opened: Literal["new", "resumed", "taken_over", "continued"]
    """How it came to be open: new; this process' own; another process'; or in place of a closed one."""


Closed = Callable[[str, str, str], None]
"""Takes the session's id, its user's, and its summary, "" where nothing was said."""


def forget(session_id: str, user_id: str, summary: str) -> None:
    """Do nothing about a closed session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How sessions are kept. ``summarise`` must not raise."""

    owner: str
    now: Callable[[], datetime]
    summarise: Summarise
    ttl_s: float = IDLE_TTL_S
    observe: Observe = ignore
    closed: Closed = forget
    """Is told of each session that was closed here, once."""


class Sessions:
    """All sessions, seen from one process."""

    def __init__(self, store: StateStore, keeping: Keeping) -> None:
        self._store = store
        self._keeping = keeping

    def open(self, session_id: str, user_id: str) -> Session:
        """Open a session, new or known, or what continues it. Raises ``NotYourSession``, and ``SessionTaken`` while others fight for it.

        A ``~`` in an id is kept for sessions that continue others.
        """
        for _ in range(_MOST_TRIES):
            session = self._try_to_open(session_id, user_id)
            if session is not None:
                return session
        raise SessionTaken(session_id)

    def _try_to_open(self, session_id: str, user_id: str) -> Session | None:
        row = self._last_of(session_id)
        if row is None and "~" not in session_id:
            return self._create(session_id, user_id, None)
        if row is None or row["user_id"] != user_id:
            raise NotYourSession(session_id)
        if row["closed_because"] is None and self._is_idle(row):
            self._close(row, "idle")
            return None
        if row["closed_because"] is not None:
            return self._create(_name_after(row["id"]), user_id, row)
        if row["owner"] == self._keeping.owner:
            return _session(row, Conversation(row["summary"], self._turns(row["id"])), "resumed")
        return self._take_over(row)

    def add(self, session: Session, *turns: Turn) -> Session:
        """Write turns and return the session with them. Raises ``SessionTaken``."""
        with self._store.change() as connection:
            after = self._claim(connection, session)
            rows = [(session.id, turn.role, turn.text) for turn in turns]
            connection.executemany("INSERT INTO turn (session_id, role, text) VALUES (?, ?, ?)", rows)
        said = session.conversation
        return replace(after, conversation=Conversation(said.summary, (*said.turns, *turns)))

    def condense(self, session: Session, most_tokens: int) -> Session:
        """Condense the older turns of a session that has grown larger than this. Raises ``SessionTaken``."""
        shorter = condense(session.conversation, most_tokens, self._keeping.summarise, self._keeping.observe)
        if shorter is session.conversation:
            return session
        with self._store.change() as connection:
            after = self._claim(connection, session)
            connection.execute("UPDATE session SET summary = ? WHERE id = ?", (shorter.summary, session.id))
            self._forget_turns(connection, session.id)
            rows = [(session.id, turn.role, turn.text) for turn in shorter.turns]
            connection.executemany("INSERT INTO turn (session_id, role, text) VALUES (?, ?, ?)", rows)
        return replace(after, conversation=shorter)

    def close(self, session: Session, because: str) -> str:
        """Summarise and close a session, and return the summary. Raises ``SessionTaken``."""
        row = self._row(session.id)
        if row is None or row["version"] != session.version or row["owner"] != self._keeping.owner:
            raise SessionTaken(session.id)
        summary = self._close(row, because)
        if summary is None:
            raise SessionTaken(session.id)
        return summary

    def are_idle(self) -> bool:
        """Say whether there is any session to close."""
        return bool(self._idle())

    def close_idle(self) -> tuple[str, ...]:
        """Summarise and close every session that is idle too long, whoever owned it; return their ids."""
        return tuple(row["id"] for row in self._idle() if self._close(row, "idle") is not None)

    def _idle(self) -> list[Row]:
        query = "SELECT * FROM session WHERE closed_because IS NULL AND touched_s < ? ORDER BY touched_s, id"
        return self._store.rows(query, (self._now_s() - self._keeping.ttl_s,))

    # --- inside ---------------------------------------------------------------------------------------------------

    def _create(self, session_id: str, user_id: str, before: Row | None) -> Session | None:
        summary, continues = (before["summary"], before["id"]) if before is not None else ("", None)
        values = (session_id, user_id, self._keeping.owner, self._now_s(), summary, continues)
        query = "INSERT OR IGNORE INTO session (id, user_id, owner, touched_s, summary, version, continues) VALUES (?, ?, ?, ?, ?, 1, ?)"
        with self._store.change() as connection:
            if not connection.execute(query, values).rowcount:
                return None
        return Session(session_id, user_id, Conversation(summary), continues, 1, "continued" if continues else "new")

    def _take_over(self, row: Row) -> Session | None:
        summary = self._summarise("take session over", row)
        if not self._replace_turns(row, summary, "owner = ?", self._keeping.owner):
            return None
        return replace(_session(row, Conversation(summary), "taken_over"), version=row["version"] + 1)

    def _close(self, row: Row, because: str) -> str | None:
        """Close a session as it was read, and return its summary; None where it was changed since."""
        summary = self._summarise("close session", row)
        if not self._replace_turns(row, summary, "closed_because = ?", because):
            return None
        self._keeping.closed(row["id"], row["user_id"], summary)
        return summary

    def _replace_turns(self, row: Row, summary: str, change: str, value: str) -> bool:
        values = (summary, self._now_s(), value, row["id"], row["version"])
        query = f"UPDATE session SET summary = ?, touched_s = ?, {change}, version = version + 1 WHERE id = ? AND version = ?"
        with self._store.change() as connection:
            if not connection.execute(query, values).rowcount:
                return False
            self._forget_turns(connection, row["id"])
            return True

    def _summarise(self, name: str, row: Row) -> str:
        conversation = Conversation(row["summary"], self._turns(row["id"]))
        if not conversation.turns:
            return conversation.summary
        # Outside any transaction: a model is asked, and others must be able to write meanwhile.
        return summarise_recorded(name, write_out(conversation), self._keeping.summarise, self._keeping.observe)

    def _claim(self, connection: Connection, session: Session) -> Session:
        """Count a write by the owner. The version says that nobody else wrote since, the owner that nobody took the session over."""
        query = """UPDATE session SET version = version + 1, touched_s = ?
                   WHERE id = ? AND version = ? AND owner = ? AND closed_because IS NULL"""
        values = (self._now_s(), session.id, session.version, self._keeping.owner)
        if not connection.execute(query, values).rowcount:
            raise SessionTaken(session.id)
        return replace(session, version=session.version + 1)

    def _forget_turns(self, connection: Connection, session_id: str) -> None:
        connection.execute("DELETE FROM turn WHERE session_id = ?", (session_id,))

    def _last_of(self, session_id: str) -> Row | None:
        """Return the session, or the last of those that continue it one after another."""
        row, after = None, self._row(session_id)
        while after is not None:
            row = after
            rows = self._store.rows("SELECT * FROM session WHERE continues = ?", (row["id"],))
            after = rows[0] if rows else None
        return row

    def _row(self, session_id: str) -> Row | None:
        rows = self._store.rows("SELECT * FROM session WHERE id = ?", (session_id,))
        return rows[0] if rows else None

    def _turns(self, session_id: str) -> tuple[Turn, ...]:
        rows = self._store.rows("SELECT role, text FROM turn WHERE session_id = ? ORDER BY number", (session_id,))
        return tuple(Turn(row["role"], row["text"]) for row in rows)

    def _is_idle(self, row: Row) -> bool:
        return bool(self._now_s() - row["touched_s"] > self._keeping.ttl_s)

    def _now_s(self) -> int:
        return int(self._keeping.now().timestamp())


def _session(row: Row, conversation: Conversation, opened: Literal["resumed", "taken_over"]) -> Session:
    return Session(row["id"], row["user_id"], conversation, row["continues"], row["version"], opened)


def _name_after(session_id: str) -> str:
    """Return the id of the session after this one: ``s`` is followed by ``s~2``, that by ``s~3``."""
    first, _, number = session_id.partition("~")
    return f"{first}~{int(number or 1) + 1}"
