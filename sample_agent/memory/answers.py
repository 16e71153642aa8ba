"""Answers given before, for the time when no model answers: the same question of the same user has at least its last answer."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tracer import retrieval

from ..observe import Observe, Recalled, ignore
from ..state.store import StateStore

SOURCE = "earlier answers"
GOOD_FOR_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Earlier:
    """An answer and when it was given: what it says may have changed since."""

    text: str
    at: datetime


class EarlierAnswers:
    """The last answer to each question that stood by itself, kept for a day. ``whose`` is who asked, with all that they may see."""

    def __init__(self, store: StateStore, now: Callable[[], datetime], observe: Observe = ignore) -> None:
        self._store = store
        self._now = now
        self._observe = observe

    def keep(self, whose: str, question: str, text: str) -> None:
        """Keep an answer to which nothing was changed: said again, it must not sound as if something was done."""
        query = "INSERT OR REPLACE INTO answered (whose, question, text, at_s) VALUES (?, ?, ?, ?)"
        with self._store.change() as connection:
            connection.execute(query, (whose, _plain(question), text, int(self._now().timestamp())))

    def recall(self, whose: str, question: str) -> Earlier | None:
        """Return the answer to the same words, in any case and spacing; None where there is none, or an old one."""
        with retrieval(question, name="recall answer", source=SOURCE) as recalling:
            query = "SELECT rowid, * FROM answered WHERE whose = ? AND question = ? AND at_s >= ?"
            rows = self._store.rows(query, (whose, _plain(question), int(self._now().timestamp() - GOOD_FOR_S)))
            recalling.documents([{"id": f"W{row['rowid']}", "content": row["text"]} for row in rows])
            self._observe(Recalled(SOURCE, question, tuple(f"W{row['rowid']}" for row in rows)))
        return Earlier(rows[0]["text"], datetime.fromtimestamp(rows[0]["at_s"], UTC)) if rows else None


def _plain(question: str) -> str:
    return " ".join(question.casefold().split())
