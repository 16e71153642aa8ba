"""One call, one node: what several spans say of the same model call or tool execution is brought together.

The cases, and who causes them, are listed in docs/counting.md. Every rule keeps the numbers of one span and fills its
gaps from the other: nothing is ever added up.
"""

from collections.abc import Iterable

import msgspec

from ingest.model import Facts, Usage

from .tree import Forest, Node, nearest

_GLUE = frozenset({"other", "chain", "part", "cache", "retry", "fallback"})
"""Kinds that may stand between two spans of one call."""

_OVERLAP = 0.9
"""Two spans of one failed call cover each other's time at least by this share."""


def unify(forest: Forest) -> None:
    """Absorb technical parts and every second report of a call."""
    for node in forest.nodes:
        if node.kind == "part":
            _absorb_part(node)
    calls = [node for node in forest.nodes if node.kind == "llm"]
    _join_streamed(calls)
    _join_nested(calls)
    _join_same_reply(calls)
    _join_failed_twins(calls)
    _join_equal_twins(calls)
    _hand_back_requests(calls)
    _join_nested_agents(forest.nodes)
    _join_nested_tools([node for node in forest.nodes if node.kind == "tool"])
    for node in calls:
        if not node.absorbed and node.facts.server_half:
            _join_server_half(node)
    for node in forest.nodes:
        if node.kind == "chain" and node.facts.thought is not None and node.facts.convention != "clew":
            _hand_down_thought(node)
    if any(node.absorbed for node in forest.nodes):
        _splice(forest)


def fill(kept: Facts, other: Facts) -> Facts:
    """Return ``kept`` with its gaps filled from ``other``, field by field; usage is filled by token class."""
    changes: dict[str, object] = {}
    for name in Facts.__struct_fields__:
        mine, theirs = getattr(kept, name), getattr(other, name)
        if name == "usage" and mine is not None and theirs is not None:
            changes[name] = _fill_usage(mine, theirs)
        elif (mine is None or mine == [] or mine == {} or mine is False) and theirs:
            changes[name] = theirs
    for name in ("streamed_result", "server_half"):
        changes.pop(name, None)
    return msgspec.structs.replace(kept, **changes) if changes else kept


def _fill_usage(kept: Usage, other: Usage) -> Usage:
    return Usage(*(mine if mine is not None else theirs for mine, theirs in zip(_classes(kept), _classes(other), strict=True)))


def _classes(usage: Usage) -> tuple[int | None, ...]:
    return (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens, usage.reasoning_tokens)


def _absorb(node: Node, into: Node) -> None:
    """Let ``into`` speak for ``node``: its facts fill gaps."""
    into.facts = fill(into.facts, node.facts)
    _hide(node, into)


def _hide(node: Node, into: Node) -> None:
    node.absorbed = True
    if node.parent is None and node is not into:
        # A hidden top has no parent to hand its children to.
        for child in node.children:
            child.parent = into
        into.children.extend(node.children)
        node.children = []


def _splice(forest: Forest) -> None:
    """Replace hidden nodes by their children wherever they stood."""
    for node in forest.nodes:
        if not node.absorbed and any(child.absorbed for child in node.children):
            node.children = list(_visible(node))
            for child in node.children:
                child.parent = node
    forest.tops = [top for top in forest.tops if not top.absorbed]


def _visible(node: Node) -> Iterable[Node]:
    stack = list(reversed(node.children))
    while stack:
        child = stack.pop()
        if child.absorbed:
            stack.extend(reversed(child.children))
        else:
            yield child


def _absorb_part(node: Node) -> None:
    if node.parent is None:
        node.kind = "other"
        return
    part, whole = node.facts, node.parent.facts
    if part.failed and not whole.failed:
        error = part.tool_error or part.error_message
        node.parent.facts = msgspec.structs.replace(
            whole, failed=True, error_type=part.error_type, error_message=part.error_message, tool_error=whole.tool_error or error
        )
    if part.tool_requests and node.parent.kind == "llm":
        # Some list what a reply asked for as spans below the call.
        asked = [*node.parent.facts.tool_requests, *part.tool_requests]
        node.parent.facts = msgspec.structs.replace(node.parent.facts, tool_requests=asked)
    _hide(node, node.parent)


def _hand_down_thought(node: Node) -> None:
    """Give the thought that glue repeats from its call's reply to that call, when the call's own span leaves it out."""
    calls = [child for child in node.children if child.kind == "llm" and not child.absorbed]
    if len(calls) == 1 and calls[0].facts.thought is None:
        calls[0].facts = msgspec.structs.replace(calls[0].facts, thought=node.facts.thought)
    node.facts = msgspec.structs.replace(node.facts, thought=None)


def _hand_back_requests(calls: Iterable[Node]) -> None:
    """Give a call the requests that its reply left out and the next call of the same parent was told of."""
    last: dict[int, Node] = {}
    for call in calls:
        if call.absorbed or call.kind != "llm":
            continue
        before, asked = last.get(id(call.parent)), call.facts.asked_before
        if asked and before is not None and not before.facts.tool_requests and not before.facts.failed:
            ended = before.facts.finish_reason if before.facts.finish_reason not in (None, "stop") else "tool_calls"
            before.facts = msgspec.structs.replace(before.facts, tool_requests=asked, finish_reason=ended)
        last[id(call.parent)] = call


def _model(facts: Facts) -> str | None:
    return facts.request_model or facts.response_model


def _join_streamed(calls: list[Node]) -> None:
    """Join the zero-length span that carries a stream's result to the request span that has none."""
    for result in calls:
        if not result.facts.streamed_result:
            continue
        request = next(
            (
                call
                for call in reversed(calls)
                if call.span.parent_span_id == result.span.parent_span_id
                and not call.absorbed
                and not call.facts.streamed_result
                and call.facts.usage is None
                and not call.facts.failed
                and call.span.start_ns <= result.span.start_ns
                and _model(call.facts) == _model(result.facts)
            ),
            None,
        )
        if request is not None:
            _absorb(result, request)


def _join_nested(calls: list[Node]) -> None:
    """Join a framework's call span and the provider's below it; an outer span of several calls is no call itself."""
    inner: dict[int, list[Node]] = {}
    outers: dict[int, Node] = {}
    for call in calls:
        if call.absorbed:
            continue
        outer = nearest(call, _GLUE)
        if outer is not None and outer.kind == "llm":
            inner.setdefault(id(outer), []).append(call)
            outers[id(outer)] = outer
    # Innermost first, so that three spans of one call collapse into one.
    for key in sorted(outers, key=lambda k: outers[k].span.start_ns, reverse=True):
        _join_below(outers[key], [call for call in inner[key] if not call.absorbed])


def _join_below(outer: Node, inner: list[Node]) -> None:
    succeeded = [call for call in inner if not call.facts.failed]
    if len(inner) == 1:
        outer.facts = fill(inner[0].facts, outer.facts)
        _hide(inner[0], outer)
    elif any(call.facts.usage is not None for call in inner) or len(succeeded) != 1:
        outer.kind = "other"
    else:
        # Attempts without numbers below one call that has them: the attempts stay as steps, the outer span is the call.
        for call in inner:
            call.kind = "retry"


def _join_same_reply(calls: Iterable[Node]) -> None:
    """Join spans that name the same reply: two instrumentations of one client, or an emitter's own double.

    They cover the same time. Stand-ins for a model give every reply the same id, one after another: these are different calls.
    """
    named: dict[tuple[str, str], list[Node]] = {}
    for call in calls:
        if call.absorbed or call.kind != "llm":
            continue
        for key in (("reply", call.facts.response_id), ("call", call.facts.call_key)):
            if key[1] is None:
                continue
            others = named.setdefault((key[0], key[1]), [])
            known = next((other for other in others[-_MOST_TWINS:] if _meet(call, other)), None) if others else None
            if known is None:
                others.append(call)
            elif known is not call and not call.absorbed:
                _absorb_twin(call, known)


_MOST_TWINS = 8
"""How many calls of one id are looked at; this keeps the cost linear."""


def _meet(one: Node, other: Node) -> bool:
    a, b = one.span, other.span
    return a.start_ns <= max(b.end_ns, b.start_ns) and b.start_ns <= max(a.end_ns, a.start_ns)


def _absorb_twin(call: Node, known: Node) -> None:
    # The one with a usage keeps its numbers; either way the other only fills gaps.
    if known.facts.usage is None and call.facts.usage is not None:
        known.facts = fill(call.facts, known.facts)
        _hide(call, known)
    else:
        _absorb(call, known)


def _join_failed_twins(calls: list[Node]) -> None:
    """Join two reports of one failed call, which has no reply id: same parent and model, other scope, same time."""
    failed = [call for call in calls if call.facts.failed and not call.absorbed and call.kind == "llm"]
    for place, call in enumerate(failed):
        for twin in failed[place + 1 : place + 5]:
            if (
                not twin.absorbed
                and call.span.scope != twin.span.scope
                and call.span.parent_span_id == twin.span.parent_span_id
                and _model(call.facts) in (_model(twin.facts), None)
                and _overlap(call, twin) >= _OVERLAP
            ):
                _absorb(twin, call)


def _join_equal_twins(calls: list[Node]) -> None:
    """Join two reports of one call of which only one names the reply: same parent, model and tokens, other scope, same time."""
    alike: dict[tuple[bytes, str | None, int, int], list[Node]] = {}
    for call in calls:
        usage = call.facts.usage
        if call.absorbed or call.kind != "llm" or usage is None or usage.input_tokens is None or usage.output_tokens is None:
            continue
        others = alike.setdefault((call.span.parent_span_id, _model(call.facts), usage.input_tokens, usage.output_tokens), [])
        place = next((place for place, other in enumerate(others[:_MOST_TWINS]) if _are_twins(call, other)), None) if others else None
        if place is None:
            others.append(call)
        else:
            # Each has one twin at most.
            _absorb_twin(call, others.pop(place))


def _are_twins(one: Node, other: Node) -> bool:
    a, b = one.span, other.span
    if a.scope == b.scope or None not in (one.facts.response_id, other.facts.response_id):
        return False
    if None not in (one.facts.output, other.facts.output) and one.facts.output != other.facts.output:
        # Stand-ins for a model count every call alike.
        return False
    common = min(a.end_ns, b.end_ns) - max(a.start_ns, b.start_ns)
    return common >= _OVERLAP * min(a.end_ns - a.start_ns, b.end_ns - b.start_ns)


def _overlap(one: Node, other: Node) -> float:
    a, b = one.span, other.span
    union = max(a.end_ns, b.end_ns) - min(a.start_ns, b.start_ns)
    common = min(a.end_ns, b.end_ns) - max(a.start_ns, b.start_ns)
    return common / union if union > 0 else 1.0


def _join_server_half(node: Node) -> None:
    client = nearest(node, _GLUE)
    if client is not None and client.kind == "llm":
        _absorb(node, client)


def _join_nested_agents(nodes: Iterable[Node]) -> None:
    """Join two spans of one agent's one invocation: a framework's own, and an instrumentation's around all of it or within."""
    for inner in nodes:
        outer = inner.parent
        if outer is None or inner.absorbed or outer.absorbed or not inner.kind == outer.kind == "agent":
            continue
        if _is_same_invocation(outer, inner) and all(child is inner or child.kind in _GLUE for child in outer.children):
            _absorb(inner, outer)


def _is_same_invocation(outer: Node, inner: Node) -> bool:
    """Tell an agent reported by two instrumentations from one that calls itself: of these, one instrumentation tells."""
    name, operation = inner.facts.agent_name, inner.facts.operation
    same = name is not None and (name, operation) == (outer.facts.agent_name, outer.facts.operation)
    return same and inner.span.scope != outer.span.scope


def _join_nested_tools(tools: list[Node]) -> None:
    """Join a tool span and a second one of the same execution below or beside it (MCP client and server, two emitters)."""
    by_call: dict[str, Node] = {}
    for tool in tools:
        outer = nearest(tool, _GLUE)
        if outer is not None and outer.kind == "tool" and outer.facts.tool_name == tool.facts.tool_name:
            _absorb(tool, outer)
            continue
        call_id = tool.facts.tool_call_id
        if call_id is None:
            continue
        twin = by_call.setdefault(call_id, tool)
        if twin is not tool and twin.span.scope != tool.span.scope and _overlap(twin, tool) > 0:
            _absorb(tool, twin)
