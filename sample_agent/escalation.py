"""The queue of what a person must settle: each case with all they need, so that nobody has to ask the client again."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from sqlite3 import Row

from tracer import handoff

from .observe import FRONT_DESK, Escalated, Observe, ignore
from .state.store import StateStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is handed over. ``plan`` and ``done`` are lines in order; ``trace_url`` shows every step that led here."""

    session_id: str
    user_id: str
    client_id: str | None
    request: str
    """The user's words."""
    because: str
    """Why the agent stops here."""
    summary: str
    """The conversation so far, condensed."""
    plan: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    """What was done already and holds, with ids: not to be done again."""
    trace_url: str | None = None


@dataclass(frozen=True, slots=True)
class Queued:
    """A case in the queue. ``taken_by`` is None as long as nobody works on it."""

    id: str
    case: Case
    queued_at: datetime
    taken_by: str | None


class EscalationQueue:
    """Cases in the shared store, oldest first."""

    def __init__(self, store: StateStore, now: Callable[[], datetime], observe: Observe = ignore) -> None:
        self._store = store
        self._now = now
        self._observe = observe

    def escalate(self, case: Case) -> Queued:
        """Hand a case over and return it as queued. A session has one open case: what comes later is added to it."""
        with handoff(FRONT_DESK, because=case.because, input=asdict(case)):
            queued = self._put(case)
            self._observe(Escalated(queued.id, case.because))
        return queued

    def _put(self, case: Case) -> Queued:
        with self._store.change() as connection:
            row = connection.execute("SELECT * FROM escalation WHERE session_id = ? AND taken_by IS NULL", (case.session_id,)).fetchone()
            if row is not None:
                case = _merge(_queued(row).case, case)
                connection.execute("UPDATE escalation SET content = ? WHERE number = ?", (_written(case), row["number"]))
                return replace(_queued(row), case=case)
            values = (case.session_id, case.user_id, _written(case), int(self._now().timestamp()))
            query = "INSERT INTO escalation (session_id, user_id, content, at_s) VALUES (?, ?, ?, ?) RETURNING *"
            return _queued(connection.execute(query, values).fetchone())

    def waiting(self) -> tuple[Queued, ...]:
        """Return the cases that nobody has taken, oldest first."""
        return tuple(_queued(row) for row in self._store.rows("SELECT * FROM escalation WHERE taken_by IS NULL ORDER BY number"))

    def take(self, who: str) -> Queued | None:
        """Give the oldest waiting case to somebody, None when none waits; nobody else gets it."""
        with self._store.change() as connection:
            query = """UPDATE escalation SET taken_by = ? WHERE number = (SELECT min(number) FROM escalation WHERE taken_by IS NULL)
                       RETURNING *"""
            row = connection.execute(query, (who,)).fetchone()
            return _queued(row) if row is not None else None


def _merge(before: Case, after: Case) -> Case:
    done = tuple(dict.fromkeys((*before.done, *after.done)))
    return replace(after, because=_joined(before.because, after.because), request=_joined(before.request, after.request), done=done)


def _joined(before: str, after: str) -> str:
    return before if after in before.split("\n") else f"{before}\n{after}"


def _written(case: Case) -> str:
    return json.dumps(asdict(case))  # as ASCII: half a character, which somebody may well send, is no UTF-8


_FIELDS = frozenset(one.name for one in fields(Case))
"""What a case has now: one that waits since long may have been written with more."""


def _queued(row: Row) -> Queued:
    content = {name: value for name, value in json.loads(row["content"]).items() if name in _FIELDS}
    case = Case(**{**content, "plan": tuple(content["plan"]), "done": tuple(content["done"])})
    return Queued(f"C{row['number']}", case, datetime.fromtimestamp(row["at_s"], UTC), row["taken_by"])
