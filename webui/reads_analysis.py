"""What the pages about many runs ask the store for, for the project that the request may read.

Sums are read from ``tally_day`` and the bill's roll-ups: rows a day times days, whatever the number of runs and spans.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from flask import g

from ingest.model import Trace, TraceSummary
from ingest.store import aggregates, lists, views
from ingest.store.people import People, PersonKind, newest_people
from ingest.store.tally import CHOICE, DAY_NS, END, SIGN, TOOL, Summed, Within
from webui.analysis.baseline import Usual, usual_of
from webui.analysis.decisions import BranchStats, branch_stats
from webui.analysis.nearest import Nearest, rank_nearest, shapes_of
from webui.analysis.readiness import Judgement, counts_by_agent, judge_agent
from webui.analysis.tools import ToolStats, tool_stats

from .reads import ListQuery, library, reads

_USUAL_OF_RUNS = 200
_MOST_AGENTS = 25
"""So many agents of a list are compared with what is usual for them; a list with more shows the rest without."""


@dataclass(frozen=True, slots=True)
class Days:
    """Whole UTC days, from the first to before the last."""

    first_day: int
    end_day: int

    @property
    def from_ns(self) -> int:
        """Return when the first day begins."""
        return self.first_day * DAY_NS

    @property
    def to_ns(self) -> int:
        """Return when the last day ends."""
        return self.end_day * DAY_NS


def usual_by_agent(summaries: Iterable[TraceSummary]) -> dict[str, Usual]:
    """Return the medians of the agents in a list, over their latest runs: at most 25 times 200 rows, whatever is stored."""
    agents = list(dict.fromkeys(one.agent for one in summaries))[:_MOST_AGENTS]
    recent = aggregates.recent_runs(library().store, g.project_id, agents, _USUAL_OF_RUNS)
    return {agent: usual_of(agent, runs) for agent, runs in recent.items()}


def nearest_good(trace_id: bytes, most: int = 5) -> list[Nearest]:
    """Return the successful runs that are nearest to a run, the nearest first; none for a trace that is in no list yet."""
    store, project_id = library().store, g.project_id
    wanted = lists.read_summaries(store, project_id, [trace_id]).get(trace_id)
    if wanted is None:
        return []
    good = [one for one in aggregates.good_runs(store, project_id, wanted.agent, wanted.started_ns) if one.trace_id != trace_id]
    tools = aggregates.tools_of(store, project_id, [wanted.trace_id, *(one.trace_id for one in good)])
    ours, *others = shapes_of([wanted, *good], tools)
    return rank_nearest(ours, others, most)


def people(kind: PersonKind, days: Days) -> People:
    """Return the sessions or users of some days, of the newest two thousand runs."""
    return newest_people(library().store, g.project_id, kind, days.from_ns)


def trace_of(trace_id: bytes) -> Trace | None:
    """Return a trace, reconstructed."""
    return reads().trace(trace_id)


def decisions(days: Days, agent: str | None = None, branch: str = "") -> list[BranchStats]:
    """Return the branch points met in some days, of one agent or all, the most frequent first; with an id, that one alone."""
    rows = _summed(CHOICE, days, agent)
    rows = [row for row in rows if row.a == branch] if branch else rows
    busiest = _busiest(rows)
    return branch_stats(rows, aggregates.branch_points(library().store, g.project_id, busiest))


_MOST_BRANCHES = 200


def _busiest(rows: Iterable[Summed]) -> list[str]:
    """Return the ids of the branch points met most often, as many as a page can hold."""
    times: dict[str, int] = {}
    for row in rows:
        times[row.a] = times.get(row.a, 0) + row.times
    return sorted(times, key=lambda id_: (-times[id_], id_))[:_MOST_BRANCHES]


def tools(days: Days, agent: str | None = None) -> list[ToolStats]:
    """Return the tools called in some days, by one agent or all, the most called first."""
    by = ("agent", "tool")
    table = reads().costs(by, days.from_ns, days.to_ns)
    costs: dict[str, int] = {}
    for row in table.rows:
        if row.group[1] and (agent is None or row.group[0] == agent):
            costs[str(row.group[1])] = costs.get(str(row.group[1]), 0) + row.spent.cost_nanos
    return tool_stats(_summed(TOOL, days, agent), costs)


def endings(days: Days, agent: str | None = None) -> list[Summed]:
    """Return how traces ended that began in some days: by agent, reason, who says so, and version."""
    return _summed(END, days, agent)


def endings_by_day(days: Days, agent: str | None = None) -> dict[tuple[int, str], int]:
    """Return how many traces ended for each reason, by the day on which they began."""
    return aggregates.summed_by_day(library().store, g.project_id, Within(END, days.first_day, days.end_day, agent))


def readiness(days: Days, agent: str | None = None) -> dict[str, list[Judgement]]:
    """Return the checklist of each agent that ran in some days, or of one."""
    counts = counts_by_agent(_summed(SIGN, days, agent))
    examples = aggregates.sign_examples(library().store, g.project_id, agent)
    by_agent = {name: [one for one in examples if one.agent == name] for name in counts}
    return {name: judge_agent(counts[name], by_agent[name]) for name in sorted(counts, key=lambda name: -counts[name]["run"].traces)}


def _summed(topic: str, days: Days, agent: str | None) -> list[Summed]:
    return aggregates.summed(library().store, g.project_id, Within(topic, days.first_day, days.end_day, agent))


def count_runs(query: ListQuery, most: int) -> int:
    """Return how many runs a list has, at most so many."""
    return aggregates.count_matching(library().store, g.project_id, query, most)


_DIMENSIONS = {"agent": "agent", "model": "model", "provider": "provider", "service": "service", "environment": "environment",
               "tool": "tool", "failed_tool": "tool", "tool.name": "tool"}  # fmt: skip


def known_values(field: str) -> tuple[str, ...]:
    """Return what a field ever was; nothing for one whose values are not kept apart. Reads the daily roll-up of all days."""
    if field not in _DIMENSIONS:
        return ()
    tomorrow = time.time_ns() // DAY_NS + 1
    table = reads().costs((_DIMENSIONS[field],), 0, tomorrow * DAY_NS)
    return tuple(str(row.group[0]) for row in table.rows if row.group[0])


def saved_views() -> list[views.View]:
    """Return the project's saved views."""
    return views.read_views(library().store, g.project_id)


def save_view(name: str, query: str) -> bool:
    """Save a view; False where there are too many."""
    return views.save_view(library().store, g.project_id, views.View(name, query), time.time_ns())


def forget_view(name: str) -> None:
    """Forget a view."""
    views.forget_view(library().store, g.project_id, name)
