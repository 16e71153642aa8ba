"""The spans of a trace into its reasoning chain: a sequence of small adjusters, total for any set of spans.

The answer depends on the set of spans alone, never on their order, split or repetition. Cost is linear in spans.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from operator import sub
from typing import Any, NamedTuple

import msgspec

from ingest.model import Facts, Run, Step, StoredSpan, Termination, Trace

from .announced import Heard, hear
from .calls import unify
from .runs import RunPlan, is_agent, plan_runs
from .steps import Price, ToolBook, build_steps, in_order, mark_sums, steps_below, whole_run_step
from .termination import declared_termination, infer_termination
from .totals import add_totals, own_totals
from .tree import Forest, Node, grow

SETTLE_NS = 2_000_000_000
"""A trace whose newest span came less than this ago may still be arriving."""

_LOST_FLOOR_NS = 300_000_000_000
_LOST_CEILING_NS = 86_400_000_000_000
_LOST_PACE = 10
"""A run is lost after ten times its own longest silence, at least five minutes, at most a day."""


class TraceContext(msgspec.Struct, frozen=True):
    """What the spans themselves do not say: identity, arrival, the present, prices."""

    trace_id: bytes
    first_seen_ns: int
    last_seen_ns: int
    now_ns: int
    price: Price


def reconstruct(spans: Sequence[StoredSpan], context: TraceContext) -> Trace:
    """Return the trace's runs and steps. Never raises on account of the spans; an empty trace has no runs."""
    return reconstruct_all([(spans, context)])[0]


def reconstruct_all(arrived: Sequence[tuple[Sequence[StoredSpan], TraceContext]]) -> list[Trace]:
    """Reconstruct some traces, as ``reconstruct`` each, but every adjuster sees all of them before the next does: it takes less time so."""
    heard = [hear(spans) for spans, _ in arrived]
    forests = [grow(said.spans) for said in heard]
    for forest in forests:
        unify(forest)
    nodes = [[node for node in forest.nodes if not node.absorbed] for forest in forests]
    for members in nodes:
        mark_sums(members)
    plans = [plan_runs(forest) if members else ([], []) for forest, members in zip(forests, nodes, strict=True)]
    tools = list(map(ToolBook, nodes))
    shared = list(map(_Shared, nodes, heard))
    about = list(zip(plans, tools, shared, (context for _, context in arrived), strict=True))
    built = iter(_build_runs([_Draft(plan, book, said, context) for (ordered, _), book, said, context in about for plan in ordered]))
    runs = [[next(built) for _ in ordered] for ordered, _ in plans]
    for (ordered, _), theirs in zip(plans, runs, strict=True):
        _sum_up(ordered, theirs)
        _tell_depths(theirs)
    orphans = [_orphans(left, book, context.price) for (_, left), book, _, context in about]
    traces = list(map(_trace, arrived, heard, forests, runs, orphans))
    for forest in forests:
        forest.let_go()
    return traces


def _orphans(left: Sequence[Node], tools: ToolBook, price: Price) -> list[Step]:
    orphans = steps_below(left, tools, price)
    for index, step in enumerate(in_order(orphans), 1):
        step.index = index
    return orphans


def _trace(
    arrived: tuple[Sequence[StoredSpan], TraceContext], heard: Heard, forest: Forest, runs: list[Run], orphans: list[Step]
) -> Trace:
    spans, context = arrived
    cut = [span for span in spans if span.dropped_attributes or span.dropped_events or span.dropped_links]
    trace = Trace(
        trace_id=context.trace_id,
        state="",
        span_count=len({span.span_id for span in spans}),
        missing_parents=forest.missing_parents,
        dropped_attributes=sum(span.dropped_attributes for span in cut),
        dropped_events=sum(span.dropped_events for span in cut),
        dropped_links=sum(span.dropped_links for span in cut),
        lost_spans=heard.lost_spans,
        first_seen_ns=context.first_seen_ns,
        last_seen_ns=context.last_seen_ns,
        runs=runs,
        orphan_steps=orphans,
    )
    trace.state = state_at(trace, context.now_ns)
    return trace


def _tell_depths(runs: Sequence[Run]) -> None:
    # Outer runs come before inner ones.
    depths: dict[bytes, int] = {}
    for run in runs:
        run.depth = depths.get(run.parent_run_id, -1) + 1 if run.parent_run_id is not None else 0
        depths[run.run_id] = run.depth


def state_at(trace: Trace, now_ns: int) -> str:
    """Return the state of a trace at a time: as ``settled_state``, or ``settling`` while it may still be arriving."""
    state = settled_state(trace)
    return "settling" if state != "running" and now_ns - trace.last_seen_ns < SETTLE_NS else state


def settled_state(trace: Trace) -> str:
    """Return the state of a trace once nothing arrives any more: ``running``, ``incomplete`` or ``complete``."""
    if any(run.status == "running" for run in trace.runs):
        return "running"
    cut = trace.missing_parents or trace.dropped_attributes or trace.dropped_events or trace.dropped_links or trace.lost_spans
    return "incomplete" if cut or any(run.termination.reason == "lost" for run in trace.runs) else "complete"


class _Draft(NamedTuple):
    """A run to be built, and what is known for its whole trace."""

    plan: RunPlan
    tools: ToolBook
    shared: "_Shared"
    context: TraceContext

    @property
    def facts(self) -> Facts:
        """What the run's own span says, once it is there."""
        return self.plan.anchor.facts if self.plan.rooted or self.plan.anchor.span.is_open else Facts()


def _build_runs(drafts: Sequence[_Draft]) -> list[Run]:
    nodes = [_nodes_of(draft.plan) for draft in drafts]
    steps = [build_steps(draft.plan, draft.tools, draft.context.price) for draft in drafts]
    runs = list(map(_open_run, drafts, nodes, steps))
    for draft, run in zip(drafts, runs, strict=True):
        _quote(run, draft)
    for draft, members, run in zip(drafts, nodes, runs, strict=True):
        context = draft.context
        patience_ns = draft.shared.heard.patience_ns.get(run.run_id) or _patience(members)
        _judge(run, draft.plan, members, _Silence(context.now_ns, context.last_seen_ns + patience_ns))
    return runs


def _open_run(draft: _Draft, nodes: Sequence[Node], steps: list[Step]) -> Run:
    """Return a run with all but its words and its end."""
    plan, shared = draft.plan, draft.shared
    whole = whole_run_step(plan.anchor, draft.context.price) if not plan.implicit else None
    if whole is not None:
        whole.index = len(nodes) + 1
        steps.append(whole)
    started, ended = _interval(plan, nodes)
    run = Run(
        run_id=plan.run_id,
        parent_run_id=plan.parent.run_id if plan.parent is not None else None,
        agent=_agent_name(plan, nodes),
        started_ns=started,
        ended_ns=ended,
        status="error" if draft.facts.failed else "ok",
        termination=Termination("running", "inferred"),
        totals=own_totals(steps),
        steps=steps,
        service=shared.text(nodes, "service"),
        version=shared.text(nodes, "version"),
        environment=shared.text(nodes, "environment"),
        session_id=shared.text(nodes, "session_id"),
        user_id=shared.text(nodes, "user_id"),
        references={key: value for node in reversed(nodes) for key, value in node.facts.references.items()},
        budget_tokens=stated(nodes, "budget_tokens"),
        budget_steps=stated(nodes, "budget_steps"),
    )
    usd = stated(nodes, "budget_usd")
    run.budget_nanos = round(usd * 1e9) if usd is not None else None
    return run


def _quote(run: Run, draft: _Draft) -> None:
    """Set what the run was asked and what it answered."""
    facts = draft.facts
    asked = next((step.input for step in in_order(run.steps) if step.kind == "llm" and step.input), None)
    run.input = facts.input or asked or _asked_above(draft.plan)
    run.output = facts.output or _last_words(run.steps)


def _asked_above(plan: RunPlan) -> str | None:
    """Return the question that the glue around an outermost agent was asked, as ADK's runner is."""
    above = plan.anchor.parent if plan.parent is None and not plan.implicit else None
    for _ in range(_MOST_GLUE):
        if above is None or above.facts.input is not None:
            break
        above = above.parent
    return above.facts.input if above is not None else None


_MOST_GLUE = 4


def _nodes_of(plan: RunPlan) -> list[Node]:
    """List the nodes whose facts speak for the run: its agent span or root first; of nested runs only the agent span."""
    nodes = [plan.anchor]
    stack = list(reversed(plan.heads))
    while stack:
        node = stack.pop()
        if node is not plan.anchor:
            nodes.append(node)
            if is_agent(node):
                continue
        if node.children:
            stack.extend(reversed(node.children))
    return nodes


def _interval(plan: RunPlan, nodes: Sequence[Node]) -> tuple[int, int | None]:
    anchor = plan.anchor.span
    if plan.rooted and not plan.implicit:
        return anchor.start_ns, max(anchor.end_ns, anchor.start_ns)
    started = min(node.span.start_ns for node in nodes)
    if not plan.rooted:
        return started, None
    return started, max(max(node.span.end_ns, node.span.start_ns) for node in (plan.anchor, *plan.heads))


class _Silence(NamedTuple):
    """The present, and when silence means that a run is lost."""

    now_ns: int
    lost_after_ns: int


def _judge(run: Run, plan: RunPlan, nodes: Sequence[Node], silence: _Silence) -> None:
    """Set status and termination."""
    declared = declared_termination(nodes)
    if declared is not None:
        run.termination = declared
        if plan.rooted:
            return
    if plan.rooted:
        run.termination = infer_termination(plan.anchor.facts, plan.run_id, run.steps)
        return
    run.lost_after_ns = silence.lost_after_ns
    if declared is not None and declared.reason != "running":
        run.status = "error" if declared.reason == "error" else "ok"
    elif silence.now_ns >= silence.lost_after_ns:
        run.status = "error"
        run.termination = Termination("lost", "inferred", "silent beyond the run's own pace, without an end", nodes[-1].span.span_id)
    else:
        run.status = "running"


def _patience(nodes: Iterable[Node]) -> int:
    ends = sorted([node.span.end_ns for node in nodes])
    longest = max(map(sub, ends[1:], ends), default=0)
    return min(max(_LOST_FLOOR_NS, _LOST_PACE * longest), _LOST_CEILING_NS)


def _agent_name(plan: RunPlan, nodes: Sequence[Node]) -> str:
    anchor = plan.anchor
    facts, title = anchor.facts, _called(anchor.span.name)
    named_so = _called(facts.agent_name or "")
    if not plan.implicit:
        return _first_name(named_so, title, facts.service) or "agent"
    named = {node.facts.agent_name for node in nodes if node.facts.agent_name}
    if not plan.rooted and len(named) == 1:
        return named.pop()
    if plan.rooted and anchor.kind in ("chain", "other"):
        return _first_name(named_so, title, facts.service) or "unknown"
    return _first_name(named_so, facts.service, title) or facts.service or "unknown"


_CALLED = re.compile(r"(?:invoke_agent |agent_run )\[?(.*?)\]?\Z", re.DOTALL)


def _called(name: str) -> str:
    """Return an agent's name from its span's."""
    found = _CALLED.match(name)
    return name if found is None else found[1]


_NO_NAME = re.compile(r"unknown_service|.{0,20}[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
"""What names nobody: OpenTelemetry's word for a service without a name, and an id made up for each run."""


def _first_name(*names: str | None) -> str | None:
    return next((name for name in names if name and not _NO_NAME.match(name)), None)


def _last_words(steps: Sequence[Step]) -> str | None:
    calls = [step for step in in_order(steps) if step.kind == "llm" and step.output]
    return max(calls, key=lambda step: (step.ended_ns, step.index)).output if calls else None


def _sum_up(plans: Sequence[RunPlan], runs: Sequence[Run]) -> None:
    """Add the totals of nested runs to the runs around them, innermost first; an outer run may begin and end with an inner's words."""
    run_of = {id(plan): run for plan, run in zip(plans, runs, strict=True)}
    waiting = Counter(id(plan.parent) for plan in plans if plan.parent is not None)
    ready = [plan for plan in plans if not waiting[id(plan)]]
    while ready:
        plan = ready.pop()
        if plan.parent is None:
            continue
        outer, inner = run_of[id(plan.parent)], run_of[id(plan)]
        outer.totals = add_totals([outer.totals, inner.totals])
        waiting[id(plan.parent)] -= 1
        if not waiting[id(plan.parent)]:
            ready.append(plan.parent)
    unasked = {run.run_id for run in runs if run.input is None}
    for plan, run in reversed(list(zip(plans, runs, strict=True))):
        if plan.parent is None:
            continue
        outer = run_of[id(plan.parent)]
        if outer.output is None:
            outer.output = run.output
        if outer.run_id in unasked and run.input is not None:
            # Backwards, so that the first inner run's question is the one that stays.
            outer.input = run.input


class _Shared:
    """Facts that hold for a whole trace when all who state one agree: session, user, service ..."""

    def __init__(self, nodes: Sequence[Node], heard: Heard) -> None:
        self.heard = heard
        self._nodes = nodes
        self._known: dict[str, str | None] = {}

    def text(self, nodes: Sequence[Node], name: str) -> str | None:
        """Return the run's own value: its span's, else the first one stated in it, else the trace's only one."""
        own = stated(nodes, name)
        if own is not None:
            return str(own)
        if name not in self._known:
            values = {value for node in self._nodes if (value := getattr(node.facts, name))}
            self._known[name] = values.pop() if len(values) == 1 else None
        return self._known[name]


def stated(nodes: Sequence[Node], name: str) -> Any:
    """Return the first value of a fact that a run's nodes state."""
    return next((value for node in nodes if (value := getattr(node.facts, name)) is not None), None)
