"""What rules over many runs are judged by: spend by the minute it arrived in, hours of agents, runs touched lately, tools seen first.

Every read is bounded by hours, agents or runs, whatever the store holds.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, and_, func, select

from .alert_schema import call_window, spend_minute, spend_seen
from .bulk import transaction
from .derived import finding, ledger, rollup_day, rollup_hour, run
from .engine import Store
from .schema import trace

_MINUTE_NS = 60_000_000_000
_HOUR_NS = 60 * _MINUTE_NS
_RECENT_HOURS = 2
"""Only what was spent so lately is velocity: older calls that arrive late are in the bill, not in the rate."""
_KEPT_MINUTES = 8 * 1_440
_LONGEST_GAP = 60
_MOST_AGENTS = 200
_MOST_RUNS = 500


# --- spend by the minute ------------------------------------------------------------------------------------------


def sample_spend(store: Store, now_ns: int, looked_ns: int) -> None:
    """Note by how much the bill of the last hours grew since it was last looked at, at ``looked_ns``. Raises ``StoreBusy``."""
    hour, minute = now_ns // _HOUR_NS, now_ns // _MINUTE_NS
    with store.engine.connect() as conn:
        bill = _bill(conn, hour - _RECENT_HOURS)
        known = conn.execute(select(spend_seen).where(spend_seen.c.hour >= hour - _RECENT_HOURS))
        seen = {(row[0], row[1], row[2]): (row[3], row[4]) for row in known}
    grown = {key: sums for key, sums in bill.items() if seen.get(key) != sums}
    if not grown:
        return
    added: dict[tuple[int, str], list[int]] = {}
    for key, (cost, tokens) in grown.items():
        before = seen.get(key, (0, 0))
        sums = added.setdefault((key[0], key[2]), [0, 0])
        sums[0] += cost - before[0]
        sums[1] += tokens - before[1]
    # What came while nobody looked is spread over that time: it was not spent in this minute.
    gap = max(1, min((now_ns - looked_ns) // _MINUTE_NS, _LONGEST_GAP))
    rows = [(project, at, agent, cost // gap, tokens // gap) for (project, agent), (cost, tokens) in sorted(added.items())
            for at in range(minute - gap + 1, minute + 1)]  # fmt: skip
    with transaction(store) as tx:
        tx.insert("spend_minute", spend_minute.c.keys(), rows, _ADD_MINUTE)
        tx.insert("spend_seen", spend_seen.c.keys(), [(*key, *sums) for key, sums in sorted(grown.items())], _SET_SEEN)
        tx.run("DELETE FROM spend_seen WHERE hour < ?", (hour - _RECENT_HOURS,))
        tx.run("DELETE FROM spend_minute WHERE minute < ?", (minute - _KEPT_MINUTES,))


_ADD_MINUTE = (
    "(project_id, minute, agent) DO UPDATE SET cost_nanos = spend_minute.cost_nanos + excluded.cost_nanos, "
    "tokens = spend_minute.tokens + excluded.tokens"
)
_SET_SEEN = "(project_id, hour, agent) DO UPDATE SET cost_nanos = excluded.cost_nanos, tokens = excluded.tokens"


def _bill(conn: Connection, since_hour: int) -> dict[tuple[int, int, str], tuple[int, int]]:
    r = rollup_hour.c
    tokens = r.uncached_input_tokens + r.cache_read_tokens + r.cache_write_tokens + r.plain_output_tokens + r.reasoning_tokens
    wanted = select(r.project_id, r.hour, r.agent, func.sum(r.cost_nanos), func.sum(tokens)).where(r.hour >= since_hour)
    rows = conn.execute(wanted.group_by(r.project_id, r.hour, r.agent))
    return {(row[0], row[1], row[2]): (int(row[3]), int(row[4])) for row in rows}


def spent_within(conn: Connection, project_id: int, now_minute: int, windows: Sequence[int]) -> dict[int, int]:
    """Return what arrived in the last minutes, by the length of the window."""
    s = spend_minute.c
    found = {}
    for window in windows:
        wanted = select(func.sum(s.cost_nanos)).where(s.project_id == project_id, s.minute > now_minute - window, s.minute <= now_minute)
        found[window] = int(conn.execute(wanted).scalar() or 0)
    return found


def usual_tens(conn: Connection, project_id: int, now_minute: int) -> list[int]:
    """Return the spends of the last week's tens of minutes in which anything was spent, without the last hour."""
    s = spend_minute.c
    ten = s.minute // 10
    wanted = select(func.sum(s.cost_nanos)).where(s.project_id == project_id, s.minute > now_minute - 10_080, s.minute <= now_minute - 60)
    return [int(row[0]) for row in conn.execute(wanted.group_by(ten)) if row[0] and row[0] > 0]


def spent_since_day(conn: Connection, project_id: int, day: int) -> int:
    """Return what was spent since a day began, by the bill."""
    r = rollup_day.c
    wanted = select(func.sum(r.cost_nanos)).where(r.project_id == project_id, r.day >= day)
    return int(conn.execute(wanted).scalar() or 0)


# --- hours of agents ----------------------------------------------------------------------------------------------


class AgentHours(msgspec.Struct):
    """An agent's hours: number of runs, cost, tokens, and the mean duration of its runs."""

    agent: str
    first_hour: int
    runs: dict[int, float]
    cost: dict[int, float]
    tokens: dict[int, float]
    duration: dict[int, float]


def agent_hours(conn: Connection, project_id: int, since_hour: int) -> list[AgentHours]:
    """Return the hours of the agents that ran most since an hour, at most two hundred of them."""
    r = rollup_hour.c
    tokens = r.uncached_input_tokens + r.cache_read_tokens + r.cache_write_tokens + r.plain_output_tokens + r.reasoning_tokens
    sums = [func.sum(one) for one in (r.runs, r.cost_nanos, tokens, r.duration_ns)]
    of_project = and_(r.project_id == project_id, r.hour >= since_hour)
    found: dict[str, AgentHours] = {}
    for is_run in (True, False):
        wanted = select(r.agent, r.hour, *sums).where(of_project, (r.operation == "run") if is_run else (r.operation != "run"))
        for agent, hour, runs, cost, used, length in conn.execute(wanted.group_by(r.agent, r.hour)):
            hours = found.setdefault(agent, AgentHours(agent, hour, {}, {}, {}, {}))
            hours.first_hour = min(hours.first_hour, hour)
            if is_run:
                hours.runs[hour] = float(runs)
                hours.duration[hour] = float(length) / runs if runs else 0.0
            else:
                hours.cost[hour], hours.tokens[hour] = float(cost), float(used)
    return sorted(found.values(), key=lambda one: -sum(one.runs.values()))[:_MOST_AGENTS]


def ended_lately(conn: Connection, project_id: int, now_ns: int) -> dict[str, tuple[int, int]]:
    """Return, by agent, how many top runs that ended in the last quarter of an hour did not complete, and how many did end."""
    r = run.c
    wanted = select(r.agent, r.termination, func.count()).where(
        r.project_id == project_id, r.started_ns >= now_ns - _HOUR_NS, r.ended_ns >= now_ns - 15 * _MINUTE_NS, r.parent_run_id.is_(None)
    )
    found: dict[str, tuple[int, int]] = {}
    for agent, termination, number in conn.execute(wanted.group_by(r.agent, r.termination)):
        bad, total = found.get(agent, (0, 0))
        found[agent] = (bad + (number if _is_bad(termination) else 0), total + number)
    return found


def ended_in_days(conn: Connection, project_id: int, first_day: int, end_day: int) -> dict[str, tuple[int, int]]:
    """Return the same of whole days, from the roll-ups."""
    r = rollup_day.c
    wanted = select(r.agent, r.termination, func.sum(r.runs)).where(
        r.project_id == project_id, r.day >= first_day, r.day < end_day, r.operation == "run", r.termination != "running"
    )
    found: dict[str, tuple[int, int]] = {}
    for agent, termination, number in conn.execute(wanted.group_by(r.agent, r.termination)):
        bad, total = found.get(agent, (0, 0))
        found[agent] = (bad + (int(number) if _is_bad(termination) else 0), total + int(number))
    return found


WANTED_ENDS = ("completed", "escalated", "refused", "cancelled", "stopped", "running")
"""Ends that are as somebody wanted: handing over to a person, refusing and being stopped among them."""


def _is_bad(termination: str) -> bool:
    return termination not in WANTED_ENDS


# --- runs touched lately ------------------------------------------------------------------------------------------


class Touched(msgspec.Struct, frozen=True):
    """A run of which something arrived lately."""

    trace_id: bytes
    run_id: bytes
    agent: str
    started_ns: int
    ended_ns: int | None
    cost_nanos: int | None
    steps: int
    last_seen_ns: int


def touched_runs(conn: Connection, project_id: int, since_ns: int, least_nanos: int, least_steps: int) -> list[Touched]:
    """Return runs of which something arrived since a time and that cost or did at least so much, the dearest first."""
    r = run.c
    same = and_(trace.c.project_id == r.project_id, trace.c.trace_id == r.trace_id)
    columns = (r.trace_id, r.run_id, r.agent, r.started_ns, r.ended_ns, r.cost_nanos, r.steps, trace.c.last_seen_ns)
    big = (r.cost_nanos >= least_nanos) | (r.steps >= least_steps)
    wanted = select(*columns).select_from(trace.join(run, same)).where(trace.c.last_seen_ns >= since_ns, r.project_id == project_id, big)
    rows = conn.execute(wanted.order_by(func.coalesce(r.cost_nanos, 0).desc()).limit(_MOST_RUNS))
    return [Touched(bytes(row[0]), bytes(row[1]), *row[2:]) for row in rows]


def past_runs(conn: Connection, project_id: int, agent: str, now_ns: int) -> tuple[list[int], list[int]]:
    """Return costs and steps of an agent's finished runs of thirty days, at most the latest five thousand.

    Not of the last hour: what is judged by them must not be among them.
    """
    r = run.c
    lately = and_(r.started_ns >= now_ns - 720 * _HOUR_NS, r.started_ns < now_ns - _HOUR_NS)
    wanted = select(r.cost_nanos, r.steps).where(r.project_id == project_id, r.agent == agent, lately, r.ended_ns.is_not(None))
    rows = conn.execute(wanted.order_by(r.started_ns.desc()).limit(5_000)).all()
    return [row.cost_nanos for row in rows if row.cost_nanos is not None], [row.steps for row in rows]


# --- tools seen first ---------------------------------------------------------------------------------------------


def tools_seen_first(conn: Connection, project_id: int, now_hour: int) -> list[tuple[str, str]]:
    """Return (agent, tool) of the last two hours that an agent older than a week did not use in the thirty days before."""
    r, d = rollup_hour.c, rollup_day.c
    recent = select(r.agent, r.tool).where(r.project_id == project_id, r.hour >= now_hour - 1, r.tool != "").distinct()
    fresh = {(row[0], row[1]) for row in conn.execute(recent)}
    if not fresh:
        return []
    agents = sorted({agent for agent, _ in fresh})[:_MOST_AGENTS]
    day = now_hour // 24
    past = select(d.agent, d.tool, func.min(d.day)).where(d.project_id == project_id, d.day >= day - 30, d.agent.in_(agents))
    born: dict[str, int] = {}
    known: set[tuple[str, str]] = set()
    for agent, tool, first in conn.execute(past.group_by(d.agent, d.tool)):
        born[agent] = min(born.get(agent, first), first)
        if first < day:
            known.add((agent, tool))
    earlier = and_(r.project_id == project_id, r.hour >= day * 24, r.hour < now_hour - 1, r.agent.in_(agents))
    known |= {(row[0], row[1]) for row in conn.execute(select(r.agent, r.tool).where(earlier).distinct())}
    return sorted(pair for pair in fresh - known if day - born.get(pair[0], day) >= 7)


def runs_with_tool(conn: Connection, project_id: int, agent: str, tool: str, since_hour: int) -> list[tuple[bytes, bytes, bool]]:
    """Return (trace, run, whether the run leaked or was told something) of runs that used a tool since an hour, at most five."""
    entry = ledger.c
    wanted = select(entry.trace_id, entry.run_id).where(
        entry.project_id == project_id, entry.hour >= since_hour, entry.agent == agent, entry.tool == tool
    )
    pairs = [(bytes(row[0]), bytes(row[1])) for row in conn.execute(wanted.distinct().limit(5))]
    f = finding.c
    suspect = and_(f.project_id == project_id, f.trace_id.in_([one for one, _ in pairs]), f.rule.in_(("P1", "P3")))
    known = {(bytes(row[0]), bytes(row[1])) for row in conn.execute(select(f.trace_id, f.run_id).where(suspect))}
    return [(*pair, pair in known) for pair in pairs]


# --- the same call in many runs -----------------------------------------------------------------------------------

CallCount = tuple[int, int, str, str, str, int, int, bytes]
"""project, slot of five minutes, agent, digest, tool, calls, runs, the latest run"""

_ADD_CALLS = (
    "(project_id, slot, agent, digest) DO UPDATE SET calls = call_window.calls + excluded.calls, runs = call_window.runs + excluded.runs, "
    "last_run = excluded.last_run"
)


def add_calls(store: Store, counts: Sequence[CallCount], oldest_slot: int) -> None:
    """Add up calls of many runs; what is older than a slot goes. Raises ``StoreBusy``."""
    columns = ("project_id", "slot", "agent", "digest", "tool", "calls", "runs", "last_run")
    with transaction(store) as tx:
        tx.insert("call_window", columns, counts, _ADD_CALLS)
        tx.run("DELETE FROM call_window WHERE slot < ?", (oldest_slot,))


def calls_since(conn: Connection, project_id: int, slot: int, least: int) -> list[tuple[str, str, str, int, int]]:
    """Return (agent, digest, tool, calls, runs) of calls that were made so often since a slot."""
    c = call_window.c
    calls = func.sum(c.calls)
    wanted = select(c.agent, c.digest, func.max(c.tool), calls, func.sum(c.runs)).where(c.project_id == project_id, c.slot >= slot)
    rows = conn.execute(wanted.group_by(c.agent, c.digest).having(calls >= least).order_by(calls.desc()).limit(200))
    return [(row[0], row[1], row[2], int(row[3]), int(row[4])) for row in rows]


def runs_of_call(conn: Connection, project_id: int, agent: str, digest: str, since_ns: int) -> list[tuple[bytes, bytes]]:
    """Return (trace, run) of the latest runs that made a call, one of each five minutes at most."""
    c, r = call_window.c, run.c
    wanted = select(c.last_run).where(c.project_id == project_id, c.agent == agent, c.digest == digest).order_by(c.slot.desc()).limit(3)
    run_ids = [bytes(found) for found in conn.execute(wanted).scalars()]
    of_agent = and_(r.project_id == project_id, r.agent == agent, r.started_ns >= since_ns, r.run_id.in_(run_ids))
    return [(bytes(row[0]), bytes(row[1])) for row in conn.execute(select(r.trace_id, r.run_id).where(of_agent))]


def call_counts(conn: Connection, project_id: int, agent: str, first_slot: int, end_slot: int) -> tuple[list[int], int | None]:
    """Return how often an agent made a same call in quarters of an hour, and the first slot that is known of it."""
    c = call_window.c
    wanted = select(func.sum(c.calls)).where(c.project_id == project_id, c.agent == agent, c.slot >= first_slot, c.slot < end_slot)
    rows = conn.execute(wanted.group_by(c.slot // 3, c.digest).limit(50_000))
    first = conn.execute(select(func.min(c.slot)).where(c.project_id == project_id, c.agent == agent)).scalar()
    return [int(row[0]) for row in rows], first
