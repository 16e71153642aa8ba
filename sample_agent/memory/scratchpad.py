"""Short-term memory: notes that the agent writes to itself within a session, outside the context window and outside the process."""

import json
from collections.abc import Mapping
from typing import Any

from tracer import step

from ..observe import Observe, Remembered, ignore
from ..state.store import StateStore

MOST_NOTES = 30
MOST_NOTE_CHARS = 2_000


def fit(note: Mapping[str, Any]) -> dict[str, Any]:
    """Return a note that is short enough to be kept: its last facts go first, then the end of its longest text."""
    kept = dict(note)
    while len(_written(kept)) > MOST_NOTE_CHARS:
        facts = kept.get("facts")
        if facts:
            kept["facts"] = dict(list(facts.items())[:-1])
            continue
        longest = max(kept, key=lambda name: len(str(kept[name])))
        text = str(kept.pop(longest))
        if len(text) > 1:
            kept[longest] = text[: len(text) // 2]
    return kept


def _written(note: Mapping[str, Any]) -> str:
    return json.dumps(note, ensure_ascii=False)


class Scratchpad:
    """The notes of one session: the newest ``MOST_NOTES`` are kept."""

    def __init__(self, store: StateStore, session_id: str, observe: Observe = ignore) -> None:
        self._store = store
        self._session_id = session_id
        self._observe = observe

    def write(self, note: Mapping[str, Any]) -> None:
        """Add a note, a JSON object; of one that is too long, what ``fit`` leaves of it."""
        text = _written(fit(note))
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
