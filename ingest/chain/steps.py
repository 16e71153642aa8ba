"""Nodes into steps: what one span means as a thing an agent did, and the tool calls that nobody opened a span for."""

import itertools
import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, lru_cache
from operator import attrgetter

from ingest.dialects.kinds import hands_over
from ingest.model import Decision, Facts, Option, Step, ToolCall, ToolRequest, ToolResult, Usage

from .runs import RunPlan, is_agent
from .tree import Node

Price = Callable[[str | None, str | None, Usage, int], int | None]
"""Price a call: provider, model, usage, time in ns -> nano-dollars, or None where no price is known."""

_STEP_KIND = {
    "plan": "plan", "thought": "thought", "decision": "decision", "llm": "llm", "tool": "tool", "retrieval": "retrieval",
    "embedding": "retrieval", "rerank": "retrieval", "memory": "memory", "guardrail": "guardrail", "retry": "retry",
    "fallback": "fallback", "repair": "repair", "breaker": "breaker", "cache": "cache", "handoff": "handoff",
}  # fmt: skip

_BILLED = frozenset({"llm", "embedding", "rerank"})

MAX_DEPTH = 48
"""Steps nest at most this deep; what lies deeper is listed on the last level, so that no reader's stack is at risk."""


def build_steps(plan: RunPlan, tools: "ToolBook", price: Price) -> list[Step]:
    """Return the steps of a run as a tree in the order things happened, numbered from 1. Nested runs stay leaves."""
    steps = steps_below(plan.heads, tools, price)
    for index, step in enumerate(in_order(steps), 1):
        step.index = index
    return steps


def steps_below(heads: Iterable[Node], tools: "ToolBook", price: Price) -> list[Step]:
    """Turn nodes and all below them, down to nested runs, into steps."""
    top: list[Step] = []
    stack: list[tuple[Node, list[Step], int]] = [(node, top, 1) for node in reversed(list(heads))]
    while stack:
        node, siblings, depth = stack.pop()
        step = _step(node, tools, price)
        siblings.append(step)
        if node.kind == "llm":
            siblings.extend(tools.derived_steps(node))
        if node.children and step.run_id is None:
            below = step.children if depth < MAX_DEPTH else siblings
            if depth < MAX_DEPTH:
                step.children = below = []
            stack.extend((child, below, depth + 1) for child in reversed(node.children))
    return top


def in_order(steps: Sequence[Step]) -> list[Step]:
    """Return steps and their children in reading order."""
    # Ten readers ask this of each run, and most runs have no steps in steps.
    for step in steps:
        if step.children:
            return _unfolded(steps)
    return list(steps)


def _unfolded(steps: Sequence[Step]) -> list[Step]:
    found: list[Step] = []
    stack = list(reversed(steps))
    while stack:
        step = stack.pop()
        found.append(step)
        if step.children:
            stack.extend(reversed(step.children))
    return found


def _step(node: Node, tools: "ToolBook", price: Price) -> Step:
    span, facts, kind = node.span, node.facts, node.kind
    agent = is_agent(node)
    step = Step(
        span_id=span.span_id,
        kind="agent" if agent else _STEP_KIND.get(kind, "other"),
        name=(facts.agent_name or span.name) if agent else (facts.tool_name or span.name) if kind == "tool" else span.name,
        started_ns=span.start_ns,
        ended_ns=max(span.end_ns, span.start_ns),
        thought=facts.thought,
        operation=facts.operation,
        input=facts.input,
        output=facts.output,
        decision=facts.decision,
    )
    if agent:
        step.run_id = span.span_id
    if facts.convention == "clew":
        step.is_declared = True
    if span.is_open:
        step.is_open = True
    if facts.failed:
        step.status = "error"
        step.error = error_text(facts)
    if kind == "llm" or (kind in _BILLED and not node.billed_below):
        _read_call(step, node, price)
    elif facts.usage is not None and not agent and not node.billed_below:
        _read_bill(step, facts, span.start_ns, price)
    if kind == "tool":
        step.tool = tools.call_of(node)
        if step.tool.error is not None:
            step.status = "error"
            step.error = step.error if step.error not in (None, facts.error_type) else step.tool.error
    return step


def error_text(facts: Facts) -> str:
    """Say what failed, in the emitter's words: type and message, whichever there is."""
    # What failed in a tool is told at least as well by what the tool gave.
    message = facts.tool_error or facts.error_message
    if facts.error_type and message and not message.startswith(facts.error_type):
        return f"{facts.error_type}: {message}"
    return message or facts.error_type or "failed"


def _read_call(step: Step, node: Node, price: Price) -> None:
    facts = node.facts
    step.finish_reason = facts.finish_reason
    if step.thought is None and facts.tool_requests and facts.output:
        # Words that come with a tool request are the model's stated intent.
        step.thought = facts.output
    if step.decision is None:
        step.decision = derive_decision(facts, facts.tools_offered or _offered_around(node))
    _read_bill(step, facts, node.span.start_ns, price)


def _read_bill(step: Step, facts: Facts, at_ns: int, price: Price) -> None:
    step.model = facts.response_model or facts.request_model
    step.provider = facts.provider
    # What a call under way will have used is not unpriced: it is not known to be spent.
    step.usage = facts.usage or (Usage() if not facts.failed and not step.is_open else None)
    if facts.cost_nanos is not None:
        step.cost_nanos, step.cost_source = facts.cost_nanos, "stated"
    elif facts.usage is not None:
        cost = price(facts.provider, step.model, facts.usage, at_ns)
        if cost is None and facts.request_model not in (None, step.model):
            cost = price(facts.provider, facts.request_model, facts.usage, at_ns)
        if cost is not None:
            step.cost_nanos, step.cost_source = cost, "priced"


def whole_run_step(node: Node, price: Price) -> Step | None:
    """Return a step for the usage that an agent span states when no call below it states any: the run's own sum."""
    facts = node.facts
    if (facts.usage is None and facts.cost_nanos is None) or node.billed_below:
        return None
    step = Step(
        span_id=node.span.span_id,
        kind="other",
        name="all model calls of the run, as the agent states them",
        started_ns=node.span.start_ns,
        ended_ns=max(node.span.end_ns, node.span.start_ns),
        operation=facts.operation,
    )
    _read_bill(step, facts, node.span.start_ns, price)
    return step


def mark_sums(nodes: Iterable[Node]) -> None:
    """Mark every ancestor of a span with usage, so that a sum repeated on an agent or workflow span is not counted again."""
    for node in nodes:
        if (node.facts.usage is None and node.facts.cost_nanos is None) or node.absorbed:
            continue
        above = node.parent
        while above is not None and not above.billed_below:
            above.billed_below = True
            above = above.parent


def _offered_around(node: Node) -> Sequence[str]:
    """Return the tools of the agent around a call, for emitters that name them there only."""
    above, levels = node.parent, 8
    while above is not None and levels:
        if above.kind == "agent":
            return above.facts.tools_offered
        above, levels = above.parent, levels - 1
    return ()


def derive_decision(facts: Facts, tools: Sequence[str]) -> Decision | None:
    """Read a branch point from a call that was offered tools and asked for some."""
    if not facts.tool_requests or not tools:
        return None
    chosen = tuple(dict.fromkeys(map(_name, facts.tool_requests)))
    offered = tuple(dict.fromkeys((*tools, *chosen)))
    return Decision(chosen=", ".join(chosen), source="derived", alternatives=_options(offered))


_name = attrgetter("name")


@lru_cache(maxsize=1024)
def _options(offered: tuple[str, ...]) -> list[Option]:
    """Return what was offered. The list is shared: an agent is offered the same tools at each of its calls."""
    return [Option(name) for name in offered]


class ToolBook:
    """What the trace's model calls asked for, and which of it has a span of its own."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        calls = [node for node in nodes if node.kind == "llm" and not node.absorbed]
        self._results: dict[str, ToolResult] = {}
        self._requests: dict[str, ToolRequest] = {}
        self._request_of: dict[int, ToolRequest] = {}
        self._result_of_span: dict[int, ToolResult] = {}
        self._derived: dict[int, list[tuple[ToolRequest, ToolResult | None]]] = {}
        for node in calls:
            for result in node.facts.tool_results:
                if result.call_id is not None:
                    self._results.setdefault(result.call_id, result)
        self._ids = {request.call_id for node in calls for request in node.facts.tool_requests}
        if self._ids:
            self._match(calls, nodes)

    def _match(self, calls: Sequence[Node], nodes: Sequence[Node]) -> None:
        """Give each request its span, by call id or else by name in order of time; what is left becomes derived."""
        spanned = _Executions(nodes)
        asked: set[str] = set()
        for place, node in enumerate(calls):
            for number, request in enumerate(node.facts.tool_requests):
                if request.call_id is not None:
                    if request.call_id in asked:
                        continue
                    asked.add(request.call_id)
                    self._requests.setdefault(request.call_id, request)
                taken = spanned.take(request, node)
                for execution in taken:
                    self._request_of[id(execution)] = request
                result = self._result_of(request, number, calls, place) if not taken or request.call_id is None else None
                if len(taken) == 1 and result is not None:
                    self._result_of_span[id(taken[0])] = result
                elif not taken:
                    self._derived.setdefault(id(node), []).append((request, result))

    def _result_of(self, request: ToolRequest, number: int, calls: Sequence[Node], place: int) -> ToolResult | None:
        if request.call_id is not None and request.call_id in self._results:
            return self._results[request.call_id]
        # Without ids, or with ids made up anew, results stand in the order of their requests in what the next call of the same
        # parent was told.
        node = calls[place]
        later = next((call for call in calls[place + 1 : place + 9] if call.parent is node.parent), None)
        told = later.facts.tool_results if later is not None else []
        results = [one for one in told if one.call_id is None or one.call_id not in self._ids]
        # One that is missing leaves open which: an unknown result is better than another tool's.
        if number < len(results) and len(results) == len(node.facts.tool_requests):
            return results[number]
        return None

    def call_of(self, node: Node) -> ToolCall:
        """Return the execution that a tool span stands for; what it does not say comes from the messages around it."""
        facts = node.facts
        call_id, arguments = facts.tool_call_id, facts.tool_arguments
        request = self._requests.get(call_id) if call_id else self._request_of.get(id(node))
        if request is not None and (arguments is None or _agree(arguments, request.arguments)):
            arguments = request.arguments
        if call_id is None and request is not None and request.arguments == arguments:
            call_id = request.call_id
        result = self._results.get(call_id) if call_id else self._result_of_span.get(id(node))
        text = facts.tool_result
        if text is None and result is not None:
            text = result.result
        error = facts.tool_error
        if error is None and facts.failed:
            error = error_text(facts)
        if error is not None and error == facts.error_type and text is not None:
            # MCP's spans name the kind of failure; what was said of it is in the answer.
            error = text
        if error is None and result is not None and result.is_error:
            error = result.result or "failed"
        return ToolCall(facts.tool_name or node.span.name, call_id, arguments, text, error)

    def derived_steps(self, node: Node) -> list[Step]:
        """Return the steps of the tool calls that this model call asked for and nobody opened a span for."""
        steps = []
        for request, result in self._derived.get(id(node), ()):
            at = max(node.span.end_ns, node.span.start_ns)
            error = _failure_in(result)
            step = Step(span_id=node.span.span_id, kind="tool", name=request.name, started_ns=at, ended_ns=at, operation="execute_tool")
            step.tool = ToolCall(
                request.name, request.call_id, request.arguments, result.result if result else None, error, source="derived"
            )
            if error is not None:
                step.status, step.error = "error", error
            if hands_over(request.name):
                step.kind = "handoff"
            steps.append(step)
        return steps


_FAILED = re.compile(
    r"(?:[\w.]*(?:Error|Exception)(?::|\()|Error executing |Failed to invoke |Tool execution failed|Traceback \(most recent call last\)|"
    r'\{"error": ?"[^"]+"\}\Z)'
)


def _failure_in(result: ToolResult | None) -> str | None:
    """Say what failed in a tool that nobody opened a span for: by its flag, or because its result is an exception's text.

    Several emitters lose the flag, and then the text that the model was told is all there is.
    """
    if result is None:
        return None
    text = result.result or ""
    return text or "failed" if result.is_error or _FAILED.match(text[:300]) else None


def _agree(told: object, asked: object) -> bool:
    """Tell whether a tool was told what the model asked: LangChain hands one of a single argument its bare value."""
    if told == asked or not isinstance(asked, dict) or len(asked) != 1:
        return told == asked
    only = next(iter(asked.values()))
    return told in (only, str(only))


class _Executions:
    """The spans that may carry out a request: tools, hand-offs and agents used as tools; each is taken once."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        self._by_id: dict[str, list[Node]] = {}
        self._taken: set[int] = set()
        for node in nodes:
            call_id = node.facts.tool_call_id
            if call_id is not None and node.kind != "llm" and not node.absorbed:
                self._by_id.setdefault(call_id, []).append(node)

    @cached_property
    def _by_name(self) -> dict[str, deque[Node]]:
        """The spans by the names under which they may be asked for. In most traces every request finds its span by its id."""
        found: dict[str, deque[Node]] = {}
        for node in self._nodes:
            for name in () if node.absorbed else _names_of(node):
                found.setdefault(name, deque()).append(node)
        return found

    def take(self, request: ToolRequest, asker: Node) -> Sequence[Node]:
        """Return the spans that carried out the request and mark them as taken; none where there is none."""
        if request.call_id is not None and request.call_id in self._by_id:
            found = self._by_id[request.call_id]
            self._taken.update(map(id, found))
            return found
        name = _plain(request.name)
        names = (name, _ANY_HANDOFF) if hands_over(name) else (name,)
        free = (node for each in names for node in self._left(each) if self._may_take(node, request, asker))
        few = list(itertools.islice(free, _MOST_AT_ONCE))
        if not few:
            return ()
        # Of several at once the one with the same arguments; some tell the arguments otherwise than the model wrote them.
        same = next((node for node in few if _agree(node.facts.tool_arguments, request.arguments)), few[0])
        self._taken.add(id(same))
        return (same,)

    def _left(self, name: str) -> Iterable[Node]:
        """Return the spans of a name without those at its front that are taken: they would be passed over by every later call."""
        nodes = self._by_name.get(name, deque())
        while nodes and id(nodes[0]) in self._taken:
            nodes.popleft()
        return nodes

    def _may_take(self, node: Node, request: ToolRequest, asker: Node) -> bool:
        return id(node) not in self._taken and node.span.end_ns >= asker.span.start_ns and not _other_id(node, request)


_MOST_AT_ONCE = 32
"""How many tools of one name a model asks for in one reply, for all that matters here."""

_ANY_HANDOFF = "transfer_to_*"

def _other_id(node: Node, request: ToolRequest) -> bool:
    """Tell whether the span names another call. Ids of another make (``fc_`` item ids beside ``call_`` ids) do not count."""
    theirs, ours = node.facts.tool_call_id, request.call_id
    return theirs is not None and ours is not None and theirs != ours and theirs.split("_")[0] == ours.split("_")[0]


def _names_of(node: Node) -> Iterable[str]:
    facts = node.facts
    if node.kind == "tool":
        return (_plain(facts.tool_name or node.span.name),)
    if node.kind == "handoff":
        if facts.handoff_to is None and not (facts.tool_name or "").startswith("transfer_to_"):
            # An emitter that does not know where its hand-off leads.
            return (_ANY_HANDOFF, "transfer_to_agent", "handoff_to_agent", "handoff")
        target = _plain(facts.handoff_to or facts.tool_name or "")
        return (f"transfer_to_{target}", target, "transfer_to_agent", "handoff_to_agent", "handoff")
    if is_agent(node):
        name = _plain(facts.agent_name or node.span.name)
        return (name, f"transfer_to_{name}")
    return ()


@lru_cache(maxsize=1024)
def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")
