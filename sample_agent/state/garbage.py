"""What nobody needs any more, deleted: sessions that were closed long ago with all that hangs on them."""

from collections.abc import Iterable
from sqlite3 import Connection

from .store import StateStore

_OF_SESSION = ("turn", "note", "intent", "agreement", "spending")
"""Tables whose rows go with their session. Cases and episodes stay: they are for people, and for later sessions of the user."""

_FIRST = "substr(id, 1, instr(id || '~', '~') - 1)"
"""The first of the sessions that continue one another. They go together: the id that the user knows leads to the last of them."""


def old_sessions(store: StateStore, before_s: float) -> tuple[str, ...]:
    """Return the ids of sessions that were closed before then, as was all that continues them."""
    query = f"""SELECT id FROM session WHERE {_FIRST} IN (SELECT {_FIRST} FROM session GROUP BY {_FIRST}
                HAVING max(touched_s) < ? AND count(closed_because) = count(*)) ORDER BY id"""
    return tuple(row["id"] for row in store.rows(query, (before_s,)))


def delete_sessions(store: StateStore, before_s: float) -> tuple[str, ...]:
    """Delete ``old_sessions`` with their turns, notes, intents, agreements and counted tokens, and return their ids."""
    with store.change() as connection:
        ids = old_sessions(store, before_s)
        for table in _OF_SESSION:
            _delete(connection, table, "session_id", ids)
        _delete(connection, "session", "id", ids)
    return ids


def _delete(connection: Connection, table: str, column: str, ids: Iterable[str]) -> None:
    # In one statement, since each continued session refers to the one before. The names are ours, the ids are values.
    ids = tuple(ids)
    connection.execute(f"DELETE FROM {table} WHERE {column} IN ({', '.join('?' * len(ids))})", ids)


def delete_counts(store: StateStore, before_s: float) -> None:
    """Delete actions that were counted so long ago that no limit looks back to them, and answers that are too old to be shown again."""
    with store.change() as connection:
        connection.execute("DELETE FROM admission WHERE at_s < ?", (before_s,))
        connection.execute("DELETE FROM answered WHERE at_s < ?", (before_s,))
