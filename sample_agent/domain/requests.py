"""Doing what was asked for once, however often it is asked: the outcome is kept under the request's key, in the same transaction."""

import hashlib
import json
from collections.abc import Callable, Mapping
from sqlite3 import Connection
from typing import Any

from .model import DomainError
from .store import DomainStore

Outcome = dict[str, Any]


def do_once(store: DomainStore, key: str, request: tuple[str, Mapping[str, Any]], action: Callable[[Connection], Outcome]) -> Outcome:
    """Run an action in a transaction of its own and return its outcome, or the kept one when the key was used before.

    ``request`` is the operation and its arguments. Raises ``DomainError`` (key_reused) where the key stands for something else, and
    what the action raises; then nothing was done and the key is still free.
    """
    operation, arguments = request
    digest = hashlib.sha256(json.dumps(arguments, sort_keys=True, default=str).encode()).hexdigest()
    with store.change() as connection:
        row = connection.execute("SELECT * FROM request WHERE key = ?", (key,)).fetchone()
        if row is not None:
            return _kept(row["operation"] == operation and row["digest"] == digest, row["outcome"])
        outcome = action(connection)
        values = (key, operation, digest, json.dumps(outcome))
        connection.execute("INSERT INTO request VALUES (?, ?, ?, ?)", values)
        return outcome


def _kept(is_same: bool, outcome: str) -> Outcome:
    if not is_same:
        raise DomainError("key_reused", "This request key was used for something else already. Nothing was changed.")
    kept: Outcome = json.loads(outcome)
    return kept


def find_outcome(store: DomainStore, key: str) -> Outcome | None:
    """Return what was done under a key, None when nothing was: what a process asks that takes over from one that died."""
    rows = store.rows("SELECT outcome FROM request WHERE key = ?", (key,))
    return json.loads(rows[0]["outcome"]) if rows else None
