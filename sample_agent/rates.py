"""Rate limits per session and per user, counted in the shared store so that a restart or a second process forgets none.

Libraries for this count by the wall clock and in one process or a server of their own; here the clock is given and the store is there.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection
from typing import Literal

from .observe import Guarded, Observe, ignore
from .security.verdict import record_verdict
from .state.store import StateStore

REQUEST = "request"
"""The action of asking the agent anything."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``most`` of these actions in any ``window_s`` seconds, of one session or one user."""

    name: str
    actions: frozenset[str]
    most: int
    window_s: int
    per: Literal["session", "user"]


_DESTRUCTIVE = frozenset({"cancel_appointment", "reschedule_appointment", "send_confirmation"})
_CHANGES = _DESTRUCTIVE | {"book_appointment"}

RATES = (
    Rate("requests of a session", frozenset({REQUEST}), 20, 60, "session"),
    Rate("requests of a user", frozenset({REQUEST}), 200, 3600, "user"),
    Rate("destructive actions of a session", _DESTRUCTIVE, 6, 3600, "session"),
    Rate("destructive actions of a user", _DESTRUCTIVE, 30, 24 * 3600, "user"),
    Rate("changes of a session", _CHANGES, 12, 3600, "session"),
)
"""What one person could want in good faith, with room to spare; a loop is over it soon."""


class RateLimiter:
    """Counts actions in sliding windows."""

    def __init__(self, store: StateStore, now: Callable[[], datetime], limits: Iterable[Rate] = RATES) -> None:
        self._store = store
        self._now = now
        self._limits = tuple(limits)

    def admit(self, action: str, session_id: str, user_id: str) -> float | None:
        """Count an action and return None; or count nothing and return for how many seconds a limit forbids it."""
        at_s = self._now().timestamp()
        wanted = [(limit, session_id if limit.per == "session" else user_id) for limit in self._limits if action in limit.actions]
        with self._store.change() as connection:
            waits = [_wait_s(connection, limit, whose, at_s) for limit, whose in wanted]
            if any(waits):
                return max(waits)
            rows = [(limit.name, whose, at_s) for limit, whose in wanted]
            connection.executemany("INSERT INTO admission (limit_name, whose, at_s) VALUES (?, ?, ?)", rows)
        return None


def _wait_s(connection: Connection, limit: Rate, whose: str, at_s: float) -> float:
    """Return how long a limit forbids one more, 0 for not at all; what has left its window is deleted."""
    since_s = at_s - limit.window_s
    connection.execute("DELETE FROM admission WHERE limit_name = ? AND whose = ? AND at_s <= ?", (limit.name, whose, since_s))
    query = "SELECT at_s FROM admission WHERE limit_name = ? AND whose = ? ORDER BY at_s DESC LIMIT 1 OFFSET ?"
    row = connection.execute(query, (limit.name, whose, limit.most - 1)).fetchone()
    return 0.0 if row is None else float(row["at_s"]) - since_s


def check_request(limiter: RateLimiter, session_id: str, user_id: str, observe: Observe = ignore) -> float | None:
    """Count a request, with the verdict recorded; None lets it pass, else the seconds to wait."""
    wait_s = limiter.admit(REQUEST, session_id, user_id)
    because = "within the limits" if wait_s is None else f"too many requests; again in {wait_s:.0f} s"
    verdict = Guarded("rate limit", REQUEST, "allowed" if wait_s is None else "refused", because)
    record_verdict(verdict, observe)
    return wait_s
