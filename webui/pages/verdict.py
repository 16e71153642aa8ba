"""The head of a run page: which run this is, why it stopped, and the figures that matter."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.model import Run, Trace, Usage
from ingest.store.lore import Peers
from webui.format import UNKNOWN, ago, clip, clock, cost, count, duration, percent, plural, termination_word, tone  # fmt: skip

from .links import lookup_href, person_href, trace_href
from .steps import Placed, is_cause


@dataclass(frozen=True, slots=True)
class Chip:
    """A fact about the run that leads to others with the same fact."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget and how much of it is used, in percent of the bar."""

    words: str
    used: str
    limit: str
    over: bool
    description: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why the run stopped and its figures, each with a note."""

    why: str
    tone: str
    why_note: str
    source: str
    duration: str
    duration_note: str
    steps: str
    steps_note: str
    errors: str
    errors_note: str
    cost: str
    cost_beside: str
    """The cost against this agent's median."""
    cost_dear: bool
    cost_note: str
    tokens: str
    tokens_note: str
    budget: Budget | None
    budgets: tuple[Budget, ...]
    """All budgets that are set, the one closest to used up first."""


@dataclass(frozen=True, slots=True)
class Ident:
    """Which run this is."""

    agent: str
    agent_href: str
    version: str
    trace_id: str
    chips: tuple[Chip, ...]
    started: str
    started_ago: str
    state: str
    live: bool
    arrival: str


def identify(run: Run, trace: Trace, now_ns: int) -> Ident:
    """Return the ident line of a run."""
    live = trace.state in ("running", "settling")
    return Ident(
        agent=clip(run.agent, 80) or "unnamed agent",
        agent_href=person_href("agents", run.agent),
        version=clip(run.version, 40),
        trace_id=trace.trace_id.hex(),
        chips=tuple(_chips(run)),
        started=clock(run.started_ns, now_ns),
        started_ago=ago(run.started_ns, now_ns),
        state=trace.state,
        live=live,
        arrival=_arrival(trace, now_ns),
    )


def _chips(run: Run) -> list[Chip]:
    chips = []
    if run.environment:
        chips.append(Chip(clip(run.environment, 40), ""))
    if run.service and run.service != run.agent:
        chips.append(Chip(clip(run.service, 40), ""))
    if run.session_id:
        chips.append(Chip(f"session {clip(run.session_id, 24)}", person_href("sessions", run.session_id)))
    if run.user_id:
        chips.append(Chip(f"user {clip(run.user_id, 32)}", person_href("users", run.user_id)))
    for name, value in list(run.references.items())[:6]:
        chips.append(Chip(f"{clip(name, 24)} {clip(value, 32)}", lookup_href(value)))
    return chips


def _arrival(trace: Trace, now_ns: int) -> str:
    """Say how complete the trace is."""
    if trace.state in ("running", "settling"):
        return f"{plural(trace.span_count, 'span')}, the last {ago(trace.last_seen_ns, now_ns)}"
    lost = []
    if trace.missing_parents:
        lost.append(f"{plural(trace.missing_parents, 'parent')} missing")
    for number, noun in ((trace.dropped_attributes, "attribute"), (trace.dropped_events, "event"), (trace.dropped_links, "link")):
        if number:
            lost.append(f"{plural(number, noun)} dropped by the sender")
    if trace.lost_spans:
        lost.append(f"{plural(trace.lost_spans, 'span')} lost in the agent's process")
    return ", ".join(lost) or f"all {plural(trace.span_count, 'span')} arrived"


def judge(run: Run, placed: Sequence[Placed], now_ns: int, peers: Peers | None = None, repeats_nanos: int = 0) -> Verdict:
    """Return the verdict on a run: ``peers`` is how its agent's other runs went, ``repeats_nanos`` what its loops cost."""
    totals, stop = run.totals, run.termination
    length = (run.ended_ns or now_ns) - run.started_ns if run.ended_ns or run.status == "running" else None
    budgets = _budgets(run)
    times = _times_median(totals.cost_nanos, peers.cost_nanos if peers else None)
    return Verdict(
        why=termination_word(stop.reason),
        tone=tone(stop.reason),
        why_note=clip(stop.detail, 160),
        source=stop.source,
        duration=duration(length) if length is not None else UNKNOWN,
        duration_note=_duration_note(run, peers),
        steps=count(totals.steps),
        steps_note=f"{totals.llm_calls:,} model, {plural(totals.tool_calls, 'tool call')}",
        errors=count(totals.errors),
        errors_note=_failures(placed) if totals.errors else "none on record",
        cost=cost(totals.cost_nanos, totals.unpriced_calls),
        cost_beside=f"{_factor(times)} × median" if times is not None else "",
        cost_dear=times is not None and times >= 2,
        cost_note=_cost_note(run, placed, repeats_nanos),
        tokens=tokens_total(totals.usage),
        tokens_note=_token_note(totals.usage),
        budget=budgets[0] if budgets else None,
        budgets=budgets,
    )


def _times_median(nanos: int | None, median: int | None) -> float | None:
    return None if nanos is None or not median else nanos / median


def _factor(times: float) -> str:
    return f"{times:.0f}" if times >= 10 else f"{times:.1f}"


def _duration_note(run: Run, peers: Peers | None) -> str:
    if run.status == "running":
        return "still running"
    if not run.ended_ns:
        return "no end on record"
    return f"median {duration(peers.duration_ns)}" if peers is not None and peers.duration_ns is not None else ""


def _cost_note(run: Run, placed: Sequence[Placed], repeats_nanos: int) -> str:
    totals = run.totals
    if totals.unpriced_calls:
        return f"{plural(totals.unpriced_calls, 'call')} without a price"
    share = percent(repeats_nanos, totals.cost_nanos or 0)
    return f"{share:.0f} % of it is repeats" if share >= 10 else _cost_source(placed)


def _failures(placed: Sequence[Placed]) -> str:
    kinds: dict[str, int] = {}
    for item in placed:
        if is_cause(item.step) and item.step.run_id is None:
            word = {"llm": "model", "other": "step"}.get(item.step.kind, item.step.kind)
            kinds[word] = kinds.get(word, 0) + 1
    return ", ".join(f"{number} {kind}" for kind, number in kinds.items()) or "in sub-agents"


def _cost_source(placed: Sequence[Placed]) -> str:
    sources = {item.step.cost_source for item in placed if item.step.cost_source}
    return {frozenset({"stated"}): "as the emitter states", frozenset({"priced"}): "by the price list"}.get(
        frozenset(sources), "partly as the emitter states" if sources else ""
    )


def tokens_total(usage: Usage) -> str:
    """Return input and output together, or a dash where neither is known."""
    if usage.input_tokens is None and usage.output_tokens is None:
        return UNKNOWN
    return count((usage.input_tokens or 0) + (usage.output_tokens or 0))


def _token_note(usage: Usage) -> str:
    if usage.input_tokens is None and usage.output_tokens is None:
        return "none on record"
    cached = f" ({count(usage.cache_read_tokens)} cached)" if usage.cache_read_tokens else ""
    return f"in {count(usage.input_tokens)}{cached}, out {count(usage.output_tokens)}"


def _budgets(run: Run) -> tuple[Budget, ...]:
    """Return the budgets that are set, the one closest to used up first."""
    usage = run.totals.usage
    spent = (usage.input_tokens or 0) + (usage.output_tokens or 0)
    rows = (
        (run.budget_tokens, spent, "tokens", count(run.budget_tokens)),
        (run.budget_nanos, run.totals.cost_nanos or 0, "cost", cost(run.budget_nanos, 0)),
        (run.budget_steps, run.totals.steps, "steps", count(run.budget_steps)),
    )
    shares = sorted(((used / limit, name, text) for limit, used, name, text in rows if limit), reverse=True)
    return tuple(_budget(*one) for one in shares)


def _budget(share: float, name: str, text: str) -> Budget:
    scale = max(share, 1.0) * 1.08
    return Budget(
        words=f"{100 * share:.0f} % of {text} {'' if name == 'cost' else name} used".replace("  ", " "),
        used=f"{percent(share, scale):.1f}%",
        limit=f"{percent(1, scale):.1f}%",
        over=share >= 0.8,
        description=f"{100 * share:.0f} percent of the {name} budget {text} used",
    )


@dataclass(frozen=True, slots=True)
class RunTab:
    """Another run of the trace."""

    agent: str
    href: str
    current: bool
    why: str
    tone: str
    depth: int


def run_tabs(trace: Trace, current: Run) -> tuple[RunTab, ...]:
    """Return the runs of a trace, nested ones below their parents, when there is more than one."""
    if len(trace.runs) < 2:
        return ()
    depth: dict[bytes, int] = {}
    tabs = []
    for run in trace.runs[:40]:
        depth[run.run_id] = depth.get(run.parent_run_id or b"", -1) + 1
        href = trace_href(trace.trace_id, run=run.run_id.hex())
        why = run.termination.reason
        tabs.append(RunTab(clip(run.agent, 40), href, run is current, termination_word(why), tone(why), min(depth[run.run_id], 3)))
    return tuple(tabs)
