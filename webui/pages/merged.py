"""The merged graph: each tool and sub-agent once, and how often the run went from one to the other."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import log2

from webui.format import clip, cost, duration, plural

from .focus import Chain
from .steps import Placed, is_cause, kind_mark, look_of, row_words, taken_of
from .svg import Edge, Graph, Node, Road, arc, down

_MOST_NODES = 60
_LEFT, _ROW = 150, 38
_START, _END, _REST = "\0start", "\0end", "\0rest"


@dataclass(slots=True)
class _Place:
    """One kind of action."""

    name: str
    look: str
    mark: str
    key: str = ""
    times: int = 0
    failed: int = 0
    spent_ns: int = 0
    cost_nanos: int = 0


@dataclass(slots=True)
class _Roads:
    """What a run did, merged."""

    places: dict[str, _Place] = field(default_factory=dict)
    went: Counter[tuple[str, str]] = field(default_factory=Counter)
    offered: Counter[str] = field(default_factory=Counter)
    taken: set[str] = field(default_factory=set)


def draw_merged(chain: Chain, whole_href: str, refused: str = "") -> Graph:
    """Return the merged graph of a chain's run; ``refused`` says why it is drawn instead of every step."""
    roads = _merge(chain)
    order = list(roads.places)
    tops = {name: 20 + _ROW * n for n, name in enumerate([_START, *order, _END])}
    nodes = [Node(_LEFT, tops[_START], "other", "ink", "", "", "", "start", "", False, False)]
    nodes += [_node(chain, place, tops[name]) for name, place in roads.places.items()]
    nodes.append(_end(chain, tops[_END]))
    never = [(name, times) for name, times in roads.offered.most_common() if name not in roads.places and name not in roads.taken]
    y = tops[_END] + 22
    drawn: list[Road] = []
    for name, times in never[:20]:
        drawn.append(Road(_LEFT, tops[_START] + 8, y, clip(name, 40), f"offered {times:,} ×, never taken", more=False))
        y += 20
    if len(never) > 20:
        drawn.append(Road(_LEFT, tops[_START] + 8, y, f"+ {len(never) - 20} more", "never taken", more=True))
        y += 20
    words = f"{plural(len(order), 'kind')} of action, {plural(len(never), 'option')} never taken"
    edges = tuple(_edges(roads, tops))
    return Graph(
        tuple(nodes), edges, tuple(_far_left(drawn)), 760, y + 14, words, "show every step" if whole_href else "", whole_href, refused
    )


def _far_left(roads: list[Road]) -> Iterator[Road]:
    """Let the roads not taken begin at the end of the picture, below all that happened."""
    for n, road in enumerate(roads):
        yield Road(road.x, road.y - 14 if n == 0 else roads[n - 1].y - 6, road.y, road.name, road.because, road.more)


def _merge(chain: Chain) -> _Roads:
    roads = _Roads()
    at = _START
    for item in chain.placed:
        step = item.step
        if step.decision is not None:
            roads.offered.update({option.name for option in step.decision.alternatives})
            roads.taken |= taken_of(step.decision)
        name = _place_of(item)
        if name is None:
            continue
        if name not in roads.places and len(roads.places) >= _MOST_NODES:
            name = _REST
        place = roads.places.setdefault(
            name, _Place("all other tools" if name == _REST else name, look_of(step), kind_mark(step), item.key)
        )
        place.times += 1
        place.failed += is_cause(step)
        place.spent_ns += step.ended_ns - step.started_ns
        place.cost_nanos += step.cost_nanos or 0
        roads.went[at, name] += 1
        at = name
    roads.went[at, _END] += 1
    return roads


def _place_of(item: Placed) -> str | None:
    """Return what a step counts as; None for words between actions."""
    step = item.step
    if step.tool is not None:
        return step.tool.name
    if step.kind in ("agent", "retrieval", "memory", "handoff", "guardrail", "fallback", "retry", "repair", "breaker", "cache"):
        return row_words(step)[0]
    return None


def _node(chain: Chain, place: _Place, y: int) -> Node:
    failed = f", {place.failed:,} failed" if place.failed else ""
    spent = f", {cost(place.cost_nanos, 0)}" if place.cost_nanos else ""
    note = f"{place.times:,} ×, {duration(place.spent_ns)}{spent}{failed}"
    bad = place.failed > 0
    href = f"{chain.href(place.key)}#panel"
    return Node(_LEFT, y, place.mark, "fail" if bad else place.look, href, place.key, "", clip(place.name, 40), note, bad, False)


def _end(chain: Chain, y: int) -> Node:
    why, tone = chain.end_words()
    look = {"ok": "ink", "live": "decision", "warn": "recover"}.get(tone, "fail")
    return Node(_LEFT, y, {"ok": "end", "live": "live"}.get(tone, "stop"), look, "", "", "", why, "", tone == "bad", False)


def _edges(roads: _Roads, tops: dict[str, int]) -> Iterator[Edge]:
    """Draw going on downwards straight or at the right, going back at the left; the more often, the heavier."""
    names = list(tops)
    for (one, other), times in sorted(roads.went.items(), key=lambda pair: pair[1]):
        since, until = names.index(one), names.index(other)
        width = f"{1.5 + min(log2(times), 5) / 2:.1f}"
        label = f"{times:,}" if times > 1 else ""
        y1, y2 = tops[one], tops[other]
        if until == since + 1:
            yield Edge(down(_LEFT, y1, y2), "taken", width, label, _LEFT + 7, (y1 + y2) // 2 + 4)
            continue
        reach = min(24 + 13 * abs(until - since), 140)
        out = 3 * reach // 2 if since == until else 3 * reach // 4
        look = "skip" if until > since else "back"
        yield Edge(arc(_LEFT, y1, y2, -reach), look, width, label, _LEFT - out - 8 * len(label) - 3, (y1 + y2) // 2 + 4)
