"""Long-term memory: what happened with a user in earlier sessions, found again by meaning."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from tracer import retrieval, step

from ..observe import Observe, Recalled, Remembered, ignore
from ..state.store import StateStore
from .embedding import Vector, embed, rank

SOURCE = "episodes"
MOST_EPISODES = 200
MOST_EPISODE_CHARS = 1_000
LEAST_SCORE = 0.15


@dataclass(frozen=True, slots=True)
class Episode:
    """One earlier session in a few words. ``score`` is how near it is to what was looked for, 0 to 1."""

    id: str
    session_id: str
    text: str
    score: float


class Episodes:
    """The episodes of all users; nobody is ever shown another's."""

    def __init__(self, store: StateStore, now: Callable[[], datetime], observe: Observe = ignore) -> None:
        self._store = store
        self._now = now
        self._observe = observe

    def remember(self, user_id: str, session_id: str, text: str) -> None:
        """Keep an episode; of each user the newest ``MOST_EPISODES``."""
        kept = text[:MOST_EPISODE_CHARS]
        with step("remember episode", kind="memory") as remembering:
            self._insert(user_id, session_id, kept)
            remembering.output(kept)
            self._observe(Remembered("remember episode", kept))

    def _insert(self, user_id: str, session_id: str, text: str) -> None:
        values = (user_id, session_id, text, int(self._now().timestamp()), embed(text).tobytes())
        with self._store.change() as connection:
            connection.execute("INSERT INTO episode (user_id, session_id, text, at_s, vector) VALUES (?, ?, ?, ?, ?)", values)
            query = """DELETE FROM episode WHERE user_id = ?1 AND number NOT IN
                       (SELECT number FROM episode WHERE user_id = ?1 ORDER BY number DESC LIMIT ?2)"""
            connection.execute(query, (user_id, MOST_EPISODES))

    def recall(self, user_id: str, query: str, most: int = 3) -> tuple[Episode, ...]:
        """Return the user's episodes nearest to a text, of equally near ones the newest first; nothing for nothing near."""
        with retrieval(query, name="recall episodes", source=SOURCE) as recalling:
            found = self._nearest(user_id, query, most)
            recalling.documents([{"id": one.id, "score": round(one.score, 4), "content": one.text} for one in found])
            self._observe(Recalled(SOURCE, query, tuple(one.id for one in found)))
        return found

    def _nearest(self, user_id: str, query: str, most: int) -> tuple[Episode, ...]:
        rows = self._store.rows("SELECT * FROM episode WHERE user_id = ? ORDER BY number DESC", (user_id,))
        vectors = [_vector(row["vector"]) for row in rows]
        near = [(rows[at], score) for at, score in rank(embed(query), vectors)[:most] if score >= LEAST_SCORE]
        return tuple(Episode(f"E{row['number']}", row["session_id"], row["text"], score) for row, score in near)


def _vector(stored: bytes) -> Vector:
    return np.frombuffer(stored, np.float32)
