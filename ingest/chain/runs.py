"""Which spans form which agent run.

An agent span is a run. What acts outside of any agent span belongs to the run of its root: a workflow around agents, an
application span around model calls, or, while the root has not arrived, the run that its fragments will turn out to be.
"""

from collections.abc import Iterable, Sequence

from .tree import Forest, Node

_IDLE = frozenset({"other", "chain", "part", "evaluator", "prompt"})
"""Kinds that alone make no run: glue around the work."""


class RunPlan:
    """One run to be: the node it is named after, the nodes at its top, and the run around it."""

    __slots__ = ("anchor", "heads", "implicit", "parent", "rooted", "run_id")

    def __init__(self, run_id: bytes, anchor: Node, heads: list[Node], *, implicit: bool, rooted: bool) -> None:
        self.run_id = run_id
        self.anchor = anchor
        """The span the run is named after: its agent span, its root, or its first fragment."""
        self.heads = heads
        """Where its steps start: the children of the agent span, or the tops themselves."""
        self.implicit = implicit
        self.rooted = rooted
        """False while the span that would end the run has not arrived."""
        self.parent: RunPlan | None = None


def is_agent(node: Node) -> bool:
    """Tell whether the span is an agent invocation: making an agent is none."""
    return node.kind == "agent" and node.facts.operation != "create_agent"


def plan_runs(forest: Forest) -> tuple[list[RunPlan], list[Node]]:
    """Return the runs of a trace, outer before inner, and the tops that belong to none."""
    plans: dict[int, RunPlan] = {}
    agents = [node for node in forest.nodes if is_agent(node) and not node.absorbed]
    for node in agents:
        plans[id(node)] = RunPlan(node.span.span_id, node, node.children, implicit=False, rooted=not node.span.is_open)
    loose = [top for top in forest.tops if _works_outside_agents(top)] if agents else list(forest.tops)
    ordered = [plans[id(node)] for node in agents]
    if loose:
        ordered = _plan_loose(loose, ordered, whole_trace=not agents)
    _nest(ordered, plans)
    # A root that is glue names its run and is no step of it: its children are the heads.
    taken = {id(head) for plan in ordered for head in (*plan.heads, plan.anchor)}
    left = [top for top in forest.tops if id(top) not in taken and id(top) not in plans]
    return ordered, left


def _works_outside_agents(top: Node) -> bool:
    """Tell whether a fragment holds work (a model call, a tool ...) above or beside its agents."""
    stack = [top]
    while stack:
        node = stack.pop()
        if is_agent(node):
            continue
        if node.kind not in _IDLE and node.kind != "agent":
            return True
        stack.extend(node.children)
    return False


def _plan_loose(loose: list[Node], agents: list[RunPlan], *, whole_trace: bool) -> list[RunPlan]:
    """Give loose work a run: its root's, else the top run around it in time, else the run still to come."""
    roots = [top for top in loose if top.is_root]
    fragments = [top for top in loose if not top.is_root]
    plans: list[RunPlan] = []
    if whole_trace:
        anchor = roots[0] if roots else fragments[0]
        run_id = anchor.span.span_id if roots else anchor.span.parent_span_id
        return [RunPlan(run_id, anchor, _heads(loose, anchor, roots), implicit=True, rooted=bool(roots) and not anchor.span.is_open)]
    for root in roots:
        heads = _heads([root], root, [root])
        plans.append(RunPlan(root.span.span_id, root, heads, implicit=True, rooted=not root.span.is_open))
    hosts = plans or [plan for plan in agents if plan.anchor.parent is None and plan.anchor.is_root]
    if not hosts and fragments:
        anchor = fragments[0]
        hosts = [RunPlan(anchor.span.parent_span_id, anchor, [], implicit=True, rooted=False)]
        plans.extend(hosts)
    for fragment in fragments:
        host = _host(hosts, fragment)
        host.heads = [*host.heads, fragment]
    return sorted([*plans, *agents], key=lambda plan: (plan.anchor.span.start_ns, not plan.implicit, plan.run_id))


def _heads(tops: Sequence[Node], anchor: Node, roots: Sequence[Node]) -> list[Node]:
    """List where the steps start: below the root that names the run, when that is glue and no step itself."""
    if roots and anchor.kind in _IDLE and anchor.children:
        return [*anchor.children, *(top for top in tops if top is not anchor)]
    return list(tops)


def _host(hosts: Sequence[RunPlan], fragment: Node) -> RunPlan:
    """Choose the run that was under way when the fragment started, the innermost by start; else the first."""
    started = fragment.span.start_ns
    named = fragment.facts.run_id
    for plan in hosts:
        if named is not None and plan.run_id.hex() == named:
            return plan
    around = [plan for plan in hosts if plan.anchor.span.start_ns <= started <= plan.anchor.span.end_ns]
    return around[-1] if around else hosts[0]


def _nest(ordered: Iterable[RunPlan], plans: dict[int, RunPlan]) -> None:
    """Tell each run the run around it."""
    for plan in ordered:
        stack = list(plan.heads)
        while stack:
            node = stack.pop()
            inner = plans.get(id(node))
            if inner is None:
                stack.extend(node.children)
            elif inner is not plan:
                inner.parent = plan
