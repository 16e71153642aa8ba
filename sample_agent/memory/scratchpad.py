"""Short-term memory: notes that the agent writes to itself within a session, outside the context window and outside the process."""

import json
from collections.abc import Mapping
from typing import Any

from tracer import step

from ..observe import Observe, Remembered, ignore
from ..state.store import StateStore

MOST_NOTES = 30
MOST_NOTE_CHARS = 2_000


class Scratchpad:
    """The notes of one session: the newest ``MOST_NOTES`` are kept."""

    def __init__(self, store: StateStore, session_id: str, observe: Observe = ignore) -> None:
        self._store = store
        self._session_id = session_id
        self._observe = observe

    def write(self, note: Mapping[str, Any]) -> None:
        """Add a note, a JSON object. Raises ``ValueError`` for one that is too long to be a note."""
        text = json.dumps(note, ensure_ascii=False)
        if len(text) > MOST_NOTE_CHARS:
            raise ValueError(f"a note has at most {MOST_NOTE_CHARS} characters, not {len(text)}")
        with step("write note", kind="memory") as writing:
            self._insert(text)
            writing.output(text)
            self._observe(Remembered("write note", text))

    def _insert(self, text: str) -> None:
        with self._store.change() as connection:
            connection.execute("INSERT INTO note (session_id, content) VALUES (?, ?)", (self._session_id, text))
            query = """DELETE FROM note WHERE session_id = ?1 AND number NOT IN
                       (SELECT number FROM note WHERE session_id = ?1 ORDER BY number DESC LIMIT ?2)"""
            connection.execute(query, (self._session_id, MOST_NOTES))

    def read(self) -> tuple[dict[str, Any], ...]:
        """Return the notes, oldest first."""
        rows = self._store.rows("SELECT content FROM note WHERE session_id = ? ORDER BY number", (self._session_id,))
        return tuple(json.loads(row["content"]) for row in rows)

    def clear(self) -> None:
        """Forget all notes."""
        with self._store.change() as connection:
            connection.execute("DELETE FROM note WHERE session_id = ?", (self._session_id,))
