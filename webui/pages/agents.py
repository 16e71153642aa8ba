"""Agents: all of them, and one with its versions, tools, choices and newest runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.model import TraceSummary
from ingest.store.tally import Summed
from webui.analysis.baseline import Usual
from webui.analysis.decisions import BranchStats
from webui.analysis.tools import ToolStats
from webui.format import clip, cost, count, duration, percent, termination_word, tone

from .decisions import BranchView, branch_view
from .links import filter_text, person_href, runs_href, with_state
from .range import Range
from .runs import Choice, Figure, RunRow, run_rows
from .tools import ToolRow, tool_row


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent, or one version of an agent."""

    name: str
    href: str
    runs: str
    completed: str
    bad: bool
    cost: str
    each: str
    took: str
    why: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class AgentsPage:
    """All agents."""

    range: Range
    rows: tuple[AgentRow, ...]


def build_agents_page(found: Sequence[Summed], range_: Range) -> AgentsPage:
    """Return the page of all agents, the busiest first."""
    by_agent: dict[str, list[Summed]] = {}
    for row in found:
        by_agent.setdefault(row.agent, []).append(row)
    ranked = sorted(by_agent.items(), key=lambda one: (-sum(row.traces for row in one[1]), one[0]))
    named = ((clip(name, 60), _agent_href(name, range_), rows, _where(name, None, range_)) for name, rows in ranked)
    return AgentsPage(range_, tuple(_row(*one) for one in named))


def _agent_href(name: str, range_: Range) -> str:
    return with_state(person_href("agents", name), last=range_.last if range_.last != "7d" else "")


@dataclass(frozen=True, slots=True)
class _Where:
    """How to get at the runs of a row."""

    range: Range
    conditions: tuple[str, ...]

    def href(self, *more: str) -> str:
        """Return the address of the runs that meet more conditions yet."""
        return self.range.runs(*self.conditions, *more)


def _where(agent: str, version: str | None, range_: Range) -> _Where:
    of_version = [] if version is None else [filter_text("version", version)] if version else []
    return _Where(range_, (filter_text("agent", agent), *of_version))


def _row(name: str, href: str, rows: Sequence[Summed], where: _Where) -> AgentRow:
    runs = sum(row.traces for row in rows)
    nanos, unpriced = sum(row.nanos for row in rows), sum(row.repeats for row in rows)
    reasons: dict[str, int] = {}
    for row in rows:
        reasons[row.a] = reasons.get(row.a, 0) + row.traces
    completed = percent(reasons.get("completed", 0), runs)
    others = sorted(((-number, reason) for reason, number in reasons.items() if reason != "completed"))[:4]
    length = sum(row.length_ns for row in rows)
    return AgentRow(
        name=name,
        href=href,
        runs=count(runs),
        completed=f"{completed:.0f} %",
        bad=completed < 90,
        cost=cost(nanos or None, unpriced),
        each=cost(nanos // runs if nanos and runs else None, 0),
        took=duration(length // runs) if runs and length else "–",
        why=tuple(
            Choice(f"{termination_word(reason)} {-number:,}", where.href(filter_text("termination", reason)), tone(reason) == "bad")
            for number, reason in others
        ),
    )


@dataclass(frozen=True, slots=True)
class AgentPage:
    """One agent."""

    range: Range
    name: str
    figures: tuple[Figure, ...]
    versions: tuple[AgentRow, ...]
    tools: tuple[ToolRow, ...]
    branches: tuple[BranchView, ...]
    rows: tuple[RunRow, ...]
    links: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """What is known of an agent."""

    name: str
    endings: Sequence[Summed]
    usual: Usual
    tools: Sequence[ToolStats]
    branches: Sequence[BranchStats]
    newest: Sequence[TraceSummary]


def build_agent_page(facts: AgentFacts, range_: Range, now_ns: int) -> AgentPage:
    """Return the page of an agent."""
    name, most = facts.name, max((one.calls for one in facts.tools), default=0)
    return AgentPage(
        range=range_,
        name=clip(name, 120),
        figures=_figures(facts, range_),
        versions=_versions(facts, range_),
        tools=tuple(tool_row(one, most, range_) for one in facts.tools[:12]),
        branches=tuple(branch_view(one, range_) for one in facts.branches[:4]),
        rows=run_rows(facts.newest, now_ns, {name: facts.usual}),
        links=(
            Choice("All its runs", runs_href(filter=filter_text("agent", name)), current=False),
            Choice("Decisions", with_state("/decisions", agent=name), current=False),
            Choice("Tools", with_state("/tools", agent=name), current=False),
            Choice("Why it stopped", with_state("/terminations", agent=name), current=False),
            Choice("Readiness", with_state("/readiness", agent=name), current=False),
        ),
    )


def _versions(facts: AgentFacts, range_: Range) -> tuple[AgentRow, ...]:
    by_version: dict[str, list[Summed]] = {}
    for row in facts.endings:
        by_version.setdefault(row.c, []).append(row)
    ranked = sorted(by_version.items(), reverse=True)
    return tuple(
        _row(clip(version, 40) or "not stated", where.href() if version else "", rows, where)
        for version, rows in ranked
        for where in (_where(facts.name, version, range_),)
    )


def _figures(facts: AgentFacts, range_: Range) -> tuple[Figure, ...]:
    runs = sum(row.traces for row in facts.endings)
    completed = sum(row.traces for row in facts.endings if row.a == "completed")
    nanos, unpriced = sum(row.nanos for row in facts.endings), sum(row.repeats for row in facts.endings)
    usual, where = facts.usual, _where(facts.name, None, range_)
    over = f"median of its last {usual.runs} runs" if usual.cost_nanos is not None else "too few runs for a median"
    each = cost(nanos // completed, unpriced) if nanos and completed else "–"
    return (
        Figure("Runs", count(runs), range_.words, "", where.href()),
        Figure("Completed", f"{percent(completed, runs):.0f} %" if runs else "–", f"{completed:,} of {runs:,}", "",
               where.href('termination = "completed"')),
        Figure("Cost", cost(nanos or None, unpriced), f"{each} per completed run"),
        Figure("A run costs", cost(usual.cost_nanos, 0), over),
        Figure("A run takes", duration(usual.duration_ns), f"{count(usual.steps)} steps" if usual.steps is not None else ""),
    )  # fmt: skip
