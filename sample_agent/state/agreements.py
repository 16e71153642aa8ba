"""What people were asked to agree to, and whether they did: a yes holds for one action, once, and for a quarter of an hour."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection
from typing import Any

from .store import StateStore

GOOD_FOR_S = 15 * 60.0


@dataclass(frozen=True, slots=True)
class Pending:
    """An action that waits for a person's answer."""

    key: str
    tool: str
    arguments: dict[str, Any]
    question: str


class Agreements:
    """The agreements of one session. ``is_granted`` and ``spend`` are what ``ToolContext`` takes as ``confirmed`` and ``spend``."""

    def __init__(self, store: StateStore, session_id: str, now: Callable[[], datetime], good_for_s: float = GOOD_FOR_S) -> None:
        self._store = store
        self._session_id = session_id
        self._now = now
        self._good_for_s = good_for_s

    def ask(self, pending: Pending) -> None:
        """Write down that the person was asked. An older question without an answer is dropped: a yes must have one meaning."""
        values = (self._session_id, pending.key, pending.tool, json.dumps(pending.arguments), pending.question, self._now_s())
        with self._store.change() as connection:
            self._drop(connection)
            query = "INSERT INTO agreement (session_id, key, tool, arguments, question, asked_s, status) VALUES (?, ?, ?, ?, ?, ?, 'asked')"
            connection.execute(query, values)

    def drop(self) -> None:
        """Forget what waits for an answer: the conversation went on to something else, and a later yes belongs to that."""
        with self._store.change() as connection:
            self._drop(connection)

    def pending(self) -> Pending | None:
        """Return what waits for an answer, None for nothing or for what was asked too long ago."""
        query = "SELECT * FROM agreement WHERE session_id = ? AND status = 'asked' AND asked_s >= ?"
        rows = self._store.rows(query, (self._session_id, self._now_s() - self._good_for_s))
        return Pending(rows[0]["key"], rows[0]["tool"], json.loads(rows[0]["arguments"]), rows[0]["question"]) if rows else None

    def answer(self, pending: Pending, *, agreed: bool) -> None:
        """Write the person's answer to a question down; nothing, where the question was dropped meanwhile."""
        self._mark(pending.key, "asked", "granted" if agreed else "declined")

    def grant(self, key: str) -> None:
        """Write down that the person asked for exactly this themselves, so that there is nothing to ask."""
        values = (self._session_id, key, self._now_s())
        with self._store.change() as connection:
            query = """INSERT INTO agreement (session_id, key, tool, arguments, question, asked_s, status)
                       VALUES (?, ?, '', '{}', '', ?, 'granted')"""
            connection.execute(query, values)

    def is_granted(self, key: str) -> bool:
        """Say whether a yes for this is there, recent and unused."""
        query = "SELECT 1 FROM agreement WHERE session_id = ? AND key = ? AND status = 'granted' AND asked_s >= ?"
        return bool(self._store.rows(query, (self._session_id, key, self._now_s() - self._good_for_s)))

    def spend(self, key: str) -> None:
        """Use a yes up."""
        self._mark(key, "granted", "spent")

    def _drop(self, connection: Connection) -> None:
        connection.execute("DELETE FROM agreement WHERE session_id = ? AND status = 'asked'", (self._session_id,))

    def _mark(self, key: str, before: str, after: str) -> None:
        query = "UPDATE agreement SET status = ? WHERE session_id = ? AND key = ? AND status = ?"
        with self._store.change() as connection:
            connection.execute(query, (after, self._session_id, key, before))

    def _now_s(self) -> int:
        return int(self._now().timestamp())
