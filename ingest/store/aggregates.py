"""What many runs say together: an agent's recent runs, what runs used, and the sums that pages and analyses are made of.

Nothing here reads a span's content. Each function says what it costs, and what makes that grow.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, Select, and_, func, select

from ingest.model import TraceSummary

from .clip import clip
from .derived import branch_point, ledger, sign, summary, tally_day
from .engine import Store
from .lists import ListQuery, conditions_of, summary_of
from .tally import TALLY_SUMS, Branch, Example, Summed, Within

MOST_LOOKED_AT = 2_000
"""So many of an agent's runs on either side of a time are looked at for good ones."""


def recent_runs(store: Store, project_id: int, agents: Sequence[str], most: int = 200) -> dict[str, list[TraceSummary]]:
    """Return the latest runs of each agent, the newest first.

    Costs ``most`` rows an agent along ``ix_summary_agent``, whatever is stored.
    """
    found: dict[str, list[TraceSummary]] = {}
    with store.engine.connect() as conn:
        for agent in agents:
            wanted = _of_agent(project_id, agent).order_by(summary.c.started_ns.desc(), summary.c.trace_id.desc()).limit(most)
            found[agent] = [summary_of(row) for row in conn.execute(wanted)]
    return found


def good_runs(store: Store, project_id: int, agent: str, around_ns: int, most: int = 100) -> list[TraceSummary]:
    """Return an agent's runs that completed without an error of their own, up to ``most`` before a time and as many after.

    Looks at ``MOST_LOOKED_AT`` rows on either side at most, along ``ix_summary_agent``: where good runs are rarer than that,
    only the near ones are found.
    """
    key = summary.c.started_ns
    found: list[TraceSummary] = []
    with store.engine.connect() as conn:
        for side, order in ((key <= around_ns, key.desc()), (key > around_ns, key.asc())):
            near = _of_agent(project_id, agent).where(side).order_by(order).limit(MOST_LOOKED_AT).subquery()
            good = select(near).where(near.c.termination == "completed", near.c.status == "ok")
            found += [summary_of(row) for row in conn.execute(good.limit(most))]
    return found


def _of_agent(project_id: int, agent: str) -> Select[tuple[int]]:
    return select(summary).where(and_(summary.c.project_id == project_id, summary.c.agent == clip(agent)))


def tools_of(store: Store, project_id: int, trace_ids: Sequence[bytes]) -> dict[bytes, set[str]]:
    """Return the tools that each trace called. Costs the ledger rows of these traces, some ten each, along ``ix_ledger_trace``."""
    wanted = select(ledger.c.trace_id, ledger.c.tool).where(
        ledger.c.project_id == project_id, ledger.c.trace_id.in_(trace_ids), ledger.c.tool != ""
    )
    found: dict[bytes, set[str]] = {}
    with store.engine.connect() as conn:
        for trace_id, tool in conn.execute(wanted):
            found.setdefault(bytes(trace_id), set()).add(tool)
    return found


def summed(store: Store, project_id: int, within: Within) -> list[Summed]:
    """Return sums by agent and all three parts.

    Reads ``tally_day`` alone: kinds of things a day times days, whatever the number of runs.
    """
    columns = tally_day.c
    keys = (columns.agent, columns.a, columns.b, columns.c)
    wanted = (
        select(*keys, *(func.sum(columns[name]) for name in TALLY_SUMS))
        .where(columns.project_id == project_id, columns.topic == within.topic)
        .where(columns.day >= within.first_day, columns.day < within.end_day)
        .group_by(*keys)
    )
    if within.agent is not None:
        wanted = wanted.where(columns.agent == clip(within.agent))
    with store.engine.connect() as conn:
        # Sums of bigint are Decimal on PostgreSQL.
        return [Summed(*row[:4], *map(int, row[4:])) for row in conn.execute(wanted)]


def summed_by_day(store: Store, project_id: int, within: Within) -> dict[tuple[int, str], int]:
    """Return how many traces there were by day and first part. Costs as ``summed``."""
    columns = tally_day.c
    wanted = (
        select(columns.day, columns.a, func.sum(columns.traces))
        .where(columns.project_id == project_id, columns.topic == within.topic)
        .where(columns.day >= within.first_day, columns.day < within.end_day)
        .group_by(columns.day, columns.a)
    )
    if within.agent is not None:
        wanted = wanted.where(columns.agent == clip(within.agent))
    with store.engine.connect() as conn:
        return {(row[0], row[1]): int(row[2]) for row in conn.execute(wanted)}


def branch_points(store: Store, project_id: int, ids: Sequence[str]) -> dict[str, Branch]:
    """Return branch points by id. Costs one row each."""
    wanted = select(branch_point).where(branch_point.c.project_id == project_id, branch_point.c.branch.in_(ids))
    with store.engine.connect() as conn:
        return {
            row.branch: Branch(
                row.branch, row.agent, row.question, row.source, tuple(msgspec.json.decode(row.options, type=list[str])), bool(row.varies)
            )
            for row in conn.execute(wanted)
        }


def sign_examples(store: Store, project_id: int, agent: str | None = None) -> list[Example]:
    """Return the newest examples of signs, of one agent or all. The table holds three a sign and agent, whatever is stored."""
    wanted = select(sign).where(sign.c.project_id == project_id)
    if agent is not None:
        wanted = wanted.where(sign.c.agent == clip(agent))
    with store.engine.connect() as conn:
        rows = conn.execute(wanted.order_by(sign.c.started_ns.desc())).all()
    return [Example(row.agent, row.name, bool(row.failed), row.started_ns, *_ids(row), row.words) for row in rows]


def _ids(row: Row[Any]) -> tuple[bytes, bytes, bytes]:
    return bytes(row.trace_id), bytes(row.run_id), bytes(row.span_id)


def count_matching(store: Store, project_id: int, query: ListQuery, most: int = 1_000) -> int:
    """Return how many traces a list would have, at most so many. Costs as the list does: a condition that few traces meet and
    no index helps with tries every trace of the range.
    """
    with store.engine.connect() as conn:
        conditions = conditions_of(conn, project_id, query)
        found = select(summary.c.trace_id).where(and_(*conditions)).limit(most).subquery()
        return conn.execute(select(func.count()).select_from(found)).scalar_one()
