"""What happened in a project since a time: its runs, its spend, its alerts, and whether those who ought to know were told."""

import msgspec
from sqlalchemy import Connection, and_, func, or_, select

from .alert_model import Alert
from .alert_schema import alert, outbox
from .alertbook import struct_of
from .derived import rollup_hour
from .samples import WANTED_ENDS

_HOUR_NS = 3_600_000_000_000
_MOST_ALERTS = 500


class AgentSum(msgspec.Struct, frozen=True):
    """An agent's runs and spend."""

    agent: str
    runs: int
    failed: int
    cost_nanos: int


class Roundup(msgspec.Struct, frozen=True):
    """What happened between two times."""

    agents: tuple[AgentSum, ...] = ()
    """Those that spent most first."""
    before_nanos: int = 0
    """What was spent in the same time before."""
    alerts: tuple[Alert, ...] = ()
    """Those that fired, went on or ended meanwhile; the gravest first."""
    sent: int = 0
    unsent: int = 0

    @property
    def runs(self) -> int:
        """Return the number of runs."""
        return sum(one.runs for one in self.agents)

    @property
    def failed(self) -> int:
        """Return how many of them ended as nobody wanted."""
        return sum(one.failed for one in self.agents)

    @property
    def cost_nanos(self) -> int:
        """Return what they cost."""
        return sum(one.cost_nanos for one in self.agents)


def read_roundup(conn: Connection, project_id: int, since_ns: int, until_ns: int) -> Roundup:
    """Return what happened in a project, by whole hours."""
    first, end = since_ns // _HOUR_NS, until_ns // _HOUR_NS
    agents = _agents(conn, project_id, first, end)
    sent, unsent = _told(conn, project_id, since_ns, until_ns)
    before = sum(one.cost_nanos for one in _agents(conn, project_id, first - (end - first), first))
    return Roundup(tuple(agents), before, tuple(_alerts(conn, project_id, since_ns)), sent, unsent)


def _agents(conn: Connection, project_id: int, first: int, end: int) -> list[AgentSum]:
    r = rollup_hour.c
    mine = and_(r.project_id == project_id, r.hour >= first, r.hour < end)
    bad = func.sum(r.runs).filter(r.operation == "run", r.termination.not_in(WANTED_ENDS))
    sums = (func.sum(r.runs).filter(r.operation == "run"), bad, func.sum(r.cost_nanos))
    rows = conn.execute(select(r.agent, *sums).where(mine).group_by(r.agent))
    found = [AgentSum(str(row[0]), int(row[1] or 0), int(row[2] or 0), int(row[3] or 0)) for row in rows]
    return sorted(found, key=lambda one: (-one.cost_nanos, -one.runs, one.agent))


def _alerts(conn: Connection, project_id: int, since_ns: int) -> list[Alert]:
    a = alert.c
    lately = or_(a.state != "resolved", a.resolved_ns >= since_ns)
    wanted = select(alert).where(a.project_id == project_id, a.fired_ns.is_not(None), a.severity != "info", lately)
    rows = conn.execute(wanted.order_by(a.id.desc()).limit(_MOST_ALERTS)).mappings()
    found = [struct_of(Alert, row) for row in rows]
    return sorted(found, key=lambda one: (one.state == "resolved", one.severity != "critical", -(one.wasted_nanos or 0), -one.id))


def _told(conn: Connection, project_id: int, since_ns: int, until_ns: int) -> tuple[int, int]:
    o = outbox.c
    mine = and_(o.project_id == project_id, o.created_ns >= since_ns, o.created_ns < until_ns)
    rows = conn.execute(select(o.state, func.count()).where(mine).group_by(o.state))
    states = {str(row[0]): int(row[1]) for row in rows}
    return states.get("sent", 0), states.get("failed", 0) + states.get("due", 0)
