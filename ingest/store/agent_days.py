"""Days of agents, noted once they are over: the median of what a run cost and the 95th percentile of how long runs took.

Roll-ups hold sums, which one giant run can carry off; these are of single runs, and outlast them.
"""

from statistics import median

import msgspec
from sqlalchemy import Connection, and_, func, select

from .alert_schema import agent_day
from .bulk import Row, transaction
from .derived import rollup_day, run
from .engine import Store

_HOUR_NS = 3_600_000_000_000
_DAY_NS = 24 * _HOUR_NS

_FEWEST_RUNS = 20
"""Days of fewer runs are not noted: a median or 95th percentile of few says nothing."""

_LOOKED_BACK = 60
"""Days that are noted afterwards, where nobody watched or the history was filled in."""

_KEPT = 400
_RUNS_AN_HOUR = 250
"""Of each hour of a day at most so many runs are read: enough for a percentile of the day, bounded whatever the day had."""


class AgentDay(msgspec.Struct, frozen=True):
    """A day of an agent, since the Unix epoch in UTC; None where no run has a known cost."""

    agent: str
    day: int
    runs: int
    cost_nanos: int | None
    duration_ns: int | None


def note_days(store: Store, project_id: int, today: int, most: int) -> int:
    """Note days before ``today`` that are not yet, the oldest first and at most so many; returns how many. Raises ``StoreBusy``."""
    with store.engine.connect() as conn:
        rows = [_day_row(conn, project_id, *missing) for missing in _missing(conn, project_id, today)[:most]]
    if rows:
        with transaction(store) as tx:
            tx.insert(agent_day.name, agent_day.c.keys(), rows, "(project_id, agent, day) DO NOTHING")
            tx.run("DELETE FROM agent_day WHERE project_id = ? AND day < ?", (project_id, today - _KEPT))
    return len(rows)


def _missing(conn: Connection, project_id: int, today: int) -> list[tuple[int, str]]:
    r, d = rollup_day.c, agent_day.c
    ended = and_(r.project_id == project_id, r.day >= today - _LOOKED_BACK, r.day < today, r.operation == "run", r.termination != "running")
    had = select(r.day, r.agent).where(ended).group_by(r.day, r.agent).having(func.sum(r.runs) >= _FEWEST_RUNS)
    noted = select(d.day, d.agent).where(d.project_id == project_id, d.day >= today - _LOOKED_BACK)
    return sorted({(int(row[0]), row[1]) for row in conn.execute(had)} - {(int(row[0]), row[1]) for row in conn.execute(noted)})


def _day_row(conn: Connection, project_id: int, day: int, agent: str) -> Row:
    r = run.c
    costs: list[int] = []
    lengths: list[int] = []
    for start_ns in range(day * _DAY_NS, (day + 1) * _DAY_NS, _HOUR_NS):
        within = and_(r.started_ns >= start_ns, r.started_ns < start_ns + _HOUR_NS, r.ended_ns.is_not(None))
        wanted = select(r.cost_nanos, r.ended_ns - r.started_ns).where(r.project_id == project_id, r.agent == agent, within)
        for cost, length in conn.execute(wanted.order_by(r.started_ns).limit(_RUNS_AN_HOUR)):
            lengths.append(max(int(length), 0))
            if cost is not None:
                costs.append(int(cost))
    lengths.sort()
    slow = lengths[min(int(len(lengths) * 0.95), len(lengths) - 1)] if lengths else None
    return project_id, agent, day, len(lengths), round(median(costs)) if costs else None, slow


def read_days(conn: Connection, project_id: int, since_day: int, agent: str = "") -> dict[str, list[AgentDay]]:
    """Return the days on record since one, in order, by agent; those of one agent where it is named."""
    d = agent_day.c
    wanted = select(d.agent, d.day, d.runs, d.cost_nanos, d.duration_ns).where(d.project_id == project_id, d.day >= since_day)
    if agent:
        wanted = wanted.where(d.agent == agent)
    found: dict[str, list[AgentDay]] = {}
    for row in conn.execute(wanted.order_by(d.agent, d.day)):
        found.setdefault(row[0], []).append(AgentDay(*row))
    return found
