"""The spans of a trace as a forest: total for any set of spans, whatever their parents say."""

from collections.abc import Iterable, Sequence
from operator import attrgetter

import msgspec

from ingest.model import Facts, StoredSpan


class Node(msgspec.Struct, eq=False):
    """A span in its place. ``kind`` and ``facts`` start as the span's own and may be refined by the adjusters."""

    span: StoredSpan
    facts: Facts
    kind: str
    parent: "Node | None" = None
    children: list["Node"] = []
    absorbed: bool = False
    """True once another node speaks for this one, so that it is no step of its own."""
    billed_below: bool = False
    """True where a span below states usage: then what this one states is their sum and counts for nothing."""

    @property
    def is_root(self) -> bool:
        """Tell whether the span says it has no parent; one that names itself says so too."""
        return not self.span.parent_span_id or self.span.parent_span_id == self.span.span_id


class Forest:
    """Nodes in time order, the tops among them, and how many spans name a parent that is not there."""

    __slots__ = ("missing_parents", "nodes", "tops")

    def __init__(self, nodes: list[Node], tops: list[Node], missing_parents: int) -> None:
        self.nodes = nodes
        self.tops = tops
        self.missing_parents = missing_parents

    def let_go(self) -> None:
        """Untie children from parents, so that the forest goes with its last user and not with the next garbage collection."""
        for node in self.nodes:
            node.parent = None


time_order = attrgetter("start_ns", "end_ns", "span_id")
"""Sort key for siblings: start, then end, then id, so that the order never depends on arrival."""


def grow(spans: Iterable[StoredSpan]) -> Forest:
    """Link spans to their parents. A span without a (reachable) parent is a top; a cycle is cut at its earliest span."""
    by_id: dict[bytes, Node] = {}
    nodes: list[Node] = []
    for span in sorted(spans, key=time_order):
        if span.span_id not in by_id:
            by_id[span.span_id] = node = Node(span, span.facts, span.facts.kind)
            nodes.append(node)
    tops: list[Node] = []
    missing: set[bytes] = set()
    forwards = True
    for node in nodes:
        span = node.span
        parent_id = span.parent_span_id
        parent = by_id.get(parent_id) if parent_id else None
        if parent is None or parent is node:
            tops.append(node)
            if parent_id and parent is None:
                missing.add(parent_id)
        else:
            node.parent = parent
            parent.children.append(node)
            forwards = forwards and parent.span.start_ns < span.start_ns
    if not forwards:
        # Where all parents begin before their children there is no way round in a circle.
        _cut_cycles(nodes, tops)
    return Forest(nodes, tops, len(missing))


def _cut_cycles(nodes: Sequence[Node], tops: list[Node]) -> None:
    reached = sum(1 for top in tops for _ in walk(top))
    if reached == len(nodes):
        return
    seen = {id(node) for top in tops for node in walk(top)}
    for node in nodes:
        if id(node) in seen:
            continue
        # Everything that leads to a top is seen, so this span is on, or below, a cycle. Time order makes the cut stable.
        if node.parent is not None:
            node.parent.children.remove(node)
            node.parent = None
        tops.append(node)
        seen.update(id(below) for below in walk(node))
    tops.sort(key=lambda node: time_order(node.span))


def walk(top: Node) -> Iterable[Node]:
    """Yield a node and everything below it, parents first, siblings in their order."""
    stack = [top]
    while stack:
        node = stack.pop()
        yield node
        if node.children:
            stack.extend(reversed(node.children))


def nearest(node: Node, transparent: frozenset[str], limit: int = 8) -> Node | None:
    """Return the closest ancestor whose kind is not transparent, looking at most ``limit`` levels up.

    The limit keeps the cost linear on hostile depths; real wrappers are two or three deep.
    """
    ancestor = node.parent
    while ancestor is not None and limit:
        if ancestor.kind not in transparent and not ancestor.absorbed:
            return ancestor
        ancestor = ancestor.parent
        limit -= 1
    return None
