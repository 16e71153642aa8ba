"""Who ran agents lately: the sessions or users of the newest traces, each with its sums."""

from typing import Literal

import msgspec
from sqlalchemy import select

from .derived import summary
from .engine import Store

PersonKind = Literal["session", "user"]

MOST_TRACES = 2_000
"""So many of the newest traces are added up: some ten milliseconds, whatever is stored."""

_COLUMNS = {"session": summary.c.session_id, "user": summary.c.user_id}


class PersonSums(msgspec.Struct):
    """A session or a user, over those of its traces that are among the newest."""

    name: str
    traces: int = 0
    endings: dict[str, int] = {}
    """How many traces stopped for which reason."""
    agents: dict[str, int] = {}
    first_ns: int = 0
    last_ns: int = 0
    """When the first and the last of its traces began."""
    tokens: int = 0
    cost_nanos: int | None = None
    unpriced_calls: int = 0
    errors: int = 0
    """Steps that failed."""


class People(msgspec.Struct, frozen=True):
    """The people of the newest traces, who came last first."""

    people: tuple[PersonSums, ...]
    read_since_ns: int | None
    """When the oldest trace that was read began, where there were more than are read."""


def newest_people(store: Store, project_id: int, kind: PersonKind, since_ns: int) -> People:
    """Return the sessions or users of the traces that began since then, of the newest two thousand that name one."""
    s, named = summary.c, _COLUMNS[kind]
    columns = (named.label("name"), s.started_ns, s.agent, s.termination, s.tokens, s.cost_nanos, s.unpriced_calls, s.errors)
    wanted = select(*columns).where(s.project_id == project_id, s.started_ns >= since_ns, named.is_not(None), named != "")
    with store.engine.connect() as conn:
        rows = conn.execute(wanted.order_by(s.started_ns.desc(), s.trace_id.desc()).limit(MOST_TRACES + 1)).all()
    found: dict[str, PersonSums] = {}
    for row in rows[:MOST_TRACES]:
        who = found.get(row.name)
        if who is None:
            who = found[row.name] = PersonSums(row.name, last_ns=row.started_ns)
        who.traces += 1
        who.first_ns = row.started_ns
        who.endings[row.termination] = who.endings.get(row.termination, 0) + 1
        who.agents[row.agent] = who.agents.get(row.agent, 0) + 1
        who.tokens += row.tokens
        who.unpriced_calls += row.unpriced_calls
        who.errors += row.errors
        if row.cost_nanos is not None:
            who.cost_nanos = (who.cost_nanos or 0) + row.cost_nanos
    return People(tuple(found.values()), rows[MOST_TRACES - 1].started_ns if len(rows) > MOST_TRACES else None)
