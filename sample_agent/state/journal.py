"""Intents written before and outcomes after: a process killed in the middle of a booking leaves a question that the calendars answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from sqlite3 import Row
from typing import Any

from tracer import step

from ..domain.requests import find_outcome
from ..domain.store import DomainStore
from ..observe import Observe, Remembered, ignore
from .store import StateStore


@dataclass(frozen=True, slots=True)
class Intent:
    """Something that was about to be done. ``outcome`` is None while nobody knows whether it was."""

    key: str
    session_id: str
    tool: str
    arguments: dict[str, Any]
    outcome: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of an intent that a dead process left open."""

    intent: Intent
    was_done: bool


class Journal:
    """Keeps intents of all sessions."""

    def __init__(self, store: StateStore) -> None:
        self._store = store

    def begin(self, session_id: str, tool: str, arguments: Mapping[str, Any]) -> str:
        """Write an intent and return its key, new unless the same is open still: then the calendars see the same request again."""
        text = json.dumps(arguments, sort_keys=True)
        with self._store.change() as connection:
            query = "SELECT key FROM intent WHERE session_id = ? AND tool = ? AND arguments = ? AND outcome IS NULL"
            row = connection.execute(query, (session_id, tool, text)).fetchone()
            if row is not None:
                return str(row["key"])
            query = "INSERT INTO intent (key, session_id, tool, arguments) VALUES (lower(hex(randomblob(16))), ?, ?, ?) RETURNING key"
            return str(connection.execute(query, (session_id, tool, text)).fetchone()["key"])

    def finish(self, key: str, outcome: Mapping[str, Any]) -> None:
        """Write down how it ended; the first outcome stays."""
        with self._store.change() as connection:
            query = "UPDATE intent SET outcome = ? WHERE key = ? AND outcome IS NULL"
            connection.execute(query, (json.dumps(outcome), key))

    def unfinished(self, session_id: str) -> tuple[Intent, ...]:
        """Return the open intents of a session, oldest first."""
        query = "SELECT * FROM intent WHERE session_id = ? AND outcome IS NULL ORDER BY number"
        return tuple(_intent(row) for row in self._store.rows(query, (session_id,)))


def recover(journal: Journal, domain: DomainStore, session_id: str, observe: Observe = ignore) -> tuple[Recovered, ...]:
    """Close what a dead process left open in a session, each after asking the calendars whether it was done; recorded, if there was any.

    Call it when a session is taken over, before anything else is done in it. What was not done was never promised to anybody.
    """
    recoveries = []
    for intent in journal.unfinished(session_id):
        outcome = find_outcome(domain, intent.key)
        journal.finish(intent.key, outcome if outcome is not None else {"error": "not done", "code": "abandoned"})
        recoveries.append(Recovered(intent, outcome is not None))
        _record(recoveries[-1], observe)
    return tuple(recoveries)


def _record(recovery: Recovered, observe: Observe) -> None:
    text = f"{recovery.intent.tool} was {'done' if recovery.was_done else 'not done'} before the last process ended"
    with step("recover", kind="memory") as recovering:
        recovering.input(recovery.intent.arguments)
        recovering.output(text)
        observe(Remembered("recover", text))


def _intent(row: Row) -> Intent:
    outcome = None if row["outcome"] is None else json.loads(row["outcome"])
    return Intent(row["key"], row["session_id"], row["tool"], json.loads(row["arguments"]), outcome)
