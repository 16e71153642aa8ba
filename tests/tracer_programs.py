"""Random programs of an agent: what they do, how they are written, and what their trace has to say.

A program is a tree. ``tracer_play`` runs it; here its outline is worked out from the tree alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

CONTAINERS = ("run", "step", "memory", "guardrail", "plan", "tool", "decision", "retrieval", "handoff")
LEAVES = ("llm", "thought", "retry", "fallback", "cache")
STREAMED = ("run", "step", "tool")
"""Kinds that are written as generators too."""

STYLES = ("with", "async with", "call", "async call", "stream", "async stream")
_IN_SYNC = {"async with": "with", "async call": "call", "async stream": "stream"}
_SYNC_BODY = ("call", "stream")

TOGETHER = ("in order", "in order", "gathered", "threaded")

ENDS = ("return", "return", "return", "ValueError", "TimeoutError", "cancelled", "declared")
ERRORS = {"ValueError": ValueError, "TimeoutError": TimeoutError}


@dataclass(frozen=True)
class Node:
    """One thing done, with what is done inside it."""

    kind: str
    style: str = "with"
    children: tuple["Node", ...] = ()
    together: str = "in order"
    """How the children are run: ``in order``, ``gathered`` or ``threaded``."""
    end: str = "return"
    caught: bool = False
    """Whether an exception that leaves it is handled right outside."""
    takes: int = 99
    """Of a stream: how many items its consumer takes before it closes it."""
    size: int = 1
    """Tokens of a model call, options of a decision."""
    name: str = ""

    @property
    def is_stream(self) -> bool:
        """Whether it is written as a generator."""
        return self.style.endswith("stream")

    @property
    def is_left_early(self) -> bool:
        """Whether its consumer closes it before its end, if nothing else ends it."""
        return self.is_stream and self.takes <= len(self.children)


@st.composite
def programs(draw: st.DrawFn) -> Node:
    """Draw a program: a run and what is done in it."""
    inside = tuple(draw(st.lists(_nodes(2), min_size=2, max_size=4)))
    together = draw(st.sampled_from(TOGETHER))
    root = Node("run", draw(st.sampled_from(STYLES)), inside, together, draw(st.sampled_from(ENDS)), True, draw(st.integers(1, 5)))
    return _named(_settled(root, is_sync=False))


@st.composite
def _nodes(draw: st.DrawFn, depth: int) -> Node:
    kind = draw(st.sampled_from((*CONTAINERS, "llm", *LEAVES) if depth else LEAVES))
    if kind in LEAVES:
        end = draw(st.sampled_from(ENDS[:5])) if kind == "llm" else "return"
        return Node(kind, draw(st.sampled_from(STYLES)), (), "in order", end, draw(st.booleans()), 99, draw(st.integers(1, 1000)))
    return Node(
        kind,
        draw(st.sampled_from(STYLES)),
        tuple(draw(st.lists(_nodes(depth - 1), min_size=1, max_size=3))),
        draw(st.sampled_from(TOGETHER)),
        draw(st.sampled_from(ENDS)),
        draw(st.integers(0, 3)) > 0,
        draw(st.integers(1, 4)),
        draw(st.integers(1, 4)),
    )


def _settled(node: Node, is_sync: bool) -> Node:
    """Return a node of which all fits together: nothing asynchronous inside what is not."""
    style = _IN_SYNC.get(node.style, node.style) if is_sync else node.style
    if style.endswith("stream") and node.kind not in STREAMED:
        style = "with"
    together = "gathered" if node.together == "threaded" and is_sync else node.together
    is_sync_inside = is_sync or style in _SYNC_BODY
    if style.endswith("stream"):
        together = "in order"
    elif is_sync_inside and together == "gathered":
        together = "threaded"
    end = node.end
    if end == "cancelled" and (is_sync_inside or style.endswith("stream")):
        end = "return"
    children = tuple(_settled(child, is_sync_inside or together == "threaded") for child in node.children)
    return replace(node, style=style, together=together, end=end, children=children)


def _named(root: Node) -> Node:
    """Give each node a name of its own."""
    numbers = iter(range(1, 10_000))

    def name(node: Node) -> Node:
        return replace(node, name=f"n{next(numbers)}", children=tuple(name(child) for child in node.children))

    return name(root)


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all inside it."""
    yield node
    for child in node.children:
        yield from walk(child)


# --- what the trace has to say ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Failure:
    """An exception on its way."""

    error: str
    name: str
    """The node that raised it, which its text tells."""
    kind: str

    def __str__(self) -> str:
        return f"{self.error}: {self.name} failed"


@dataclass
class Line:
    """A line of an outline, and those below it."""

    name: str
    text: str
    below: list["Line"] = field(default_factory=list)
    tokens: int = 0
    """Input tokens of all model calls in it."""


def render(line: Line, together: dict[str, str], depth: int = 0) -> str:
    """Return an outline as text. What ran at the same time is in the order of its names."""
    below: list[Line] = []
    for child in line.below:
        group = together.get(child.name)
        at = len(below)
        while group is not None and at and together.get(below[at - 1].name) == group and _number(below[at - 1]) > _number(child):
            at -= 1
        below.insert(at, child)
    return f"{'  ' * depth}{line.text}\n" + "".join(render(child, together, depth + 1) for child in below)


def _number(line: Line) -> int:
    return int(line.name[1:])


def groups(program: Node) -> dict[str, str]:
    """Return, by name, what each node that ran beside others has in common with them."""
    return {child.name: node.name for node in walk(program) if node.together != "in order" for child in node.children}


def expected(program: Node) -> str:
    """Return the outline of a program's trace."""
    line, _ = _expect(program)
    return render(line, groups(program))


def _expect(node: Node) -> tuple[Line, Failure | None]:
    below, failure, done = _expect_children(node)
    left_early = failure is None and node.is_left_early
    if failure is None and not left_early and node.end in ERRORS:
        failure = Failure(node.end, node.name, _step_kind(node.kind))
    returned = failure is None and not left_early and node.end != "cancelled"
    line = Line(node.name, "", below, sum(child.tokens for child in below) + (node.size if node.kind == "llm" else 0))
    words = [*WRITERS[node.kind](node, _Outcome(failure, returned, done, line.tokens)), *([f"! {failure}"] if failure else [])]
    line.text = " ".join(words)
    return line, failure


def _expect_children(node: Node) -> tuple[list[Line], Failure | None, int]:
    below, failures, done = [], [], 0
    for child in node.children[: node.takes] if node.is_stream else node.children:
        line, failure = _expect(child)
        below.append(line)
        if failure is not None and not child.caught:
            failures.append(failure)
            if node.together == "in order":
                break
        done += 1
    return below, failures[0] if failures else None, done


@dataclass(frozen=True)
class _Outcome:
    failure: Failure | None
    returned: bool
    items: int
    tokens: int


def _step_kind(kind: str) -> str:
    return {"run": "agent", "step": "other"}.get(kind, kind)


def _write_run(node: Node, outcome: _Outcome) -> list[str]:
    return ["agent", node.name, f"-> {_reason(node, outcome)}", f"order={node.name}", f"tokens={outcome.tokens or None}", f"in {node.name}"]


def _reason(node: Node, outcome: _Outcome) -> str:
    is_through = outcome.failure is None or outcome.failure.name == node.name
    if node.end == "declared" and is_through and not (node.is_left_early and outcome.failure is None):
        return "escalated"
    if outcome.failure is not None:
        if outcome.failure.error == "TimeoutError":
            return "timeout"
        return "tool_failure" if outcome.failure.kind == "tool" else "error"
    return "completed" if outcome.returned else "cancelled"


def _write_step(node: Node, outcome: _Outcome) -> list[str]:
    has_thought = node.style in ("with", "async with")
    return [_step_kind(node.kind), node.name, *([f"thinks: about {node.name}"] if has_thought else [])]


def _write_plan(node: Node, outcome: _Outcome) -> list[str]:
    return ["plan", node.name, f"thinks: for {node.name}"]


def _write_tool(node: Node, outcome: _Outcome) -> list[str]:
    result = f"result {node.name}" if outcome.returned else None
    if node.is_stream:
        result = "".join(f"item {place};" for place in range(outcome.items)) or None
    return ["tool", node.name, f"({{'name': '{node.name}'}})", f"= {result}"]


def _write_decision(node: Node, outcome: _Outcome) -> list[str]:
    if not outcome.returned:
        return ["decision", node.name, "undecided"]
    options = ", ".join(f"o{place} {place / 2} why o{place}" for place in range(node.size))
    return ["decision", node.name, f"which {node.name}? o{node.size - 1} because {node.name}: {options}"]


def _write_plainly(node: Node, outcome: _Outcome) -> list[str]:
    return [node.kind, node.name]


def _write_call(node: Node, outcome: _Outcome) -> list[str]:
    size = node.size
    finish = "stop" if outcome.returned else None
    return ["llm", node.name, f"{size}/{size * 2}/{size // 2}/{size // 3}/{size} {finish}", *([f"thinks: as {node.name}"])]


def _write_fallback(node: Node, outcome: _Outcome) -> list[str]:
    return ["fallback", node.name, f"fallback {node.name} because {node.name}: big None None, {node.name} None None"]


WRITERS: dict[str, Any] = {
    "run": _write_run,
    "step": _write_step,
    "memory": _write_step,
    "guardrail": _write_step,
    "plan": _write_plan,
    "tool": _write_tool,
    "decision": _write_decision,
    "retrieval": _write_plainly,
    "handoff": _write_plainly,
    "llm": _write_call,
    "thought": _write_plainly,
    "retry": _write_plainly,
    "cache": _write_plainly,
    "fallback": _write_fallback,
}
