"""The graph of a run: the road it took, where it forked into sub-agents and parallel calls, and the roads it did not take."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ingest.model import Run, Step
from webui.format import clip, plural

from .focus import Chain
from .folds import Fold, find_folds
from .links import trace_href
from .merged import draw_merged
from .steps import Placed, fork_of, is_cause, look_of, mark_of, place_steps, row_words
from .svg import Edge, Graph, Node, Road, bend, down

MOST_NODES = 2_500
"""A larger picture is nothing that anyone reads."""

_MOST_ROADS = 4
_LEFT, _LANE, _ROW, _ROAD_ROW = 24, 30, 30, 19
_MOST_LANES = 8
_CHAR, _LEAST_WIDTH = 7.6, 320


@dataclass(slots=True)
class _Stop:
    """Something to be drawn in a lane: a step, or a fold of several."""

    item: Placed
    lane: int
    run: Run
    fold: Fold | None = None
    parallel: bool = False


@dataclass(slots=True)
class _Pen:
    """What is drawn so far."""

    y: int = 18
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    roads: list[Road] = field(default_factory=list)
    last: dict[int, tuple[int, int, str]] = field(default_factory=dict)
    """By lane: where the last stop stands, and the look of the road that leaves it."""
    open: list[tuple[int, int]] = field(default_factory=list)
    """Ends of parallel and inner lanes that have not joined again."""
    offered: frozenset[str] = frozenset()
    """What the last drawn fork offered: the same again is not written out again."""


def draw_graph(chain: Chain) -> Graph:
    """Return the graph of a chain's run, its repeats merged where that is asked for or where it would be too large."""
    whole = trace_href(chain.trace.trace_id, run=chain.asked.run, step=chain.asked.step, view="graph")
    merged = trace_href(chain.trace.trace_id, run=chain.asked.run, step=chain.asked.step, view="graph", mode="merged")
    if chain.asked.mode == "merged":
        return draw_merged(chain, whole)
    stops = list(_stops(chain))
    if len(stops) > MOST_NODES:
        words = f"This run has {len(stops):,} stops. A graph of more than {MOST_NODES:,} cannot be read: calls of the same tool are merged."
        return draw_merged(chain, "", refused=words)
    pen = _Pen()
    for stop in stops:
        _draw(pen, chain, stop)
    _draw_end(pen, chain)
    words = f"{plural(len(stops), 'stop')}, {plural(sum(1 for road in pen.roads if not road.more), 'road')} not taken"
    return Graph(
        tuple(pen.nodes), tuple(pen.edges), tuple(pen.roads), _width(pen), pen.y + 14, words, "merge calls of the same tool", merged, ""
    )


def _width(pen: _Pen) -> int:
    """Return a width in which all words find room: how wide they are is only known where they are drawn."""
    nodes = (node.x + 56 + _CHAR * (len(node.name) + len(node.note)) for node in pen.nodes)
    roads = (road.x + 48 + _CHAR * (len(road.name) + len(road.because)) for road in pen.roads)
    return max(_LEAST_WIDTH, round(max((*nodes, *roads), default=0)))


def _stops(chain: Chain) -> Iterator[_Stop]:
    inner = {run.run_id: run for run in chain.trace.runs if run is not chain.run}
    seen = {chain.run.run_id}
    stack = [_stops_of(chain.run, chain.placed, chain.folds, 0)]
    while stack:
        stop = next(stack[-1], None)
        if stop is None:
            stack.pop()
            continue
        yield stop
        nested = inner.get(stop.item.step.run_id) if stop.item.step.run_id else None
        if nested is not None and nested.run_id not in seen:
            seen.add(nested.run_id)
            placed = place_steps(nested.steps)
            stack.append(_stops_of(nested, placed, find_folds(placed), min(stop.lane + 1, _MOST_LANES)))


def _stops_of(run: Run, placed: Sequence[Placed], folds: Sequence[Fold], lane: int) -> Iterator[_Stop]:
    by_start = {fold.start: fold for fold in folds}
    beside = _beside(placed)
    at = 0
    while at < len(placed):
        fold = by_start.get(at)
        if fold is not None:
            shown = next((item for item in placed[at : fold.stop] if item.step.tool), placed[at])
            yield _Stop(shown, lane, run, fold)
            at = fold.stop
            continue
        parallel = at in beside
        yield _Stop(placed[at], min(lane + parallel, _MOST_LANES), run, parallel=parallel)
        at += 1


def _beside(placed: Sequence[Placed]) -> set[int]:
    """Return the places of actions that ran beside another: neighbours of one depth whose times overlap."""
    found: set[int] = set()
    group: list[int] = []
    end = 0
    for n, item in enumerate(placed):
        step = item.step
        acts = step.kind in ("tool", "agent", "retrieval", "handoff") and step.ended_ns > step.started_ns
        if acts and group and step.started_ns < end and placed[group[0]].depth == item.depth:
            group.append(n)
            end = max(end, step.ended_ns)
            found.update(group)
        else:
            group, end = ([n], step.ended_ns) if acts else ([], 0)
    return found


def _draw(pen: _Pen, chain: Chain, stop: _Stop) -> None:
    x, y = _LEFT + _LANE * stop.lane, pen.y
    step = stop.item.step
    bad = is_cause(step)
    look = "decision" if step.decision is not None else "fail" if bad else look_of(step)
    _connect(pen, stop, x, y)
    name, note = _words(stop)
    focus = chain.focus.item if chain.focus is not None else None
    pen.nodes.append(
        Node(
            x=x, y=y, mark="loop" if stop.fold else "decision" if step.decision is not None else mark_of(step),
            look="fail" if stop.fold else look, href=f"{chain.href(stop.item.key)}#g-{stop.item.key}", key=stop.item.key,
            index=str(step.index), name=name, note=note, bad=bad or stop.fold is not None,
            selected=focus is not None and stop.item.key == focus.key and stop.run is chain.focus.run,  # type: ignore[union-attr]
        )
    )  # fmt: skip
    pen.y += _ROW
    if step.decision is not None and stop.fold is None:
        _draw_roads(pen, step, x, y)
    if stop.parallel:
        pen.open.append((x, y))
    else:
        pen.last[stop.lane] = (x, y, "chosen" if step.decision is not None else "bad" if bad else "taken")


def _connect(pen: _Pen, stop: _Stop, x: int, y: int) -> None:
    """Lead the road here: down its lane, over from the lane around it, or together again from the lanes that ran beside."""
    base = stop.lane - stop.parallel
    for lane in [lane for lane in pen.last if lane > stop.lane]:
        inner_x, inner_y, _ = pen.last.pop(lane)
        pen.open.append((inner_x, inner_y))
    before = pen.last.get(stop.lane if not stop.parallel else base)
    if not stop.parallel:
        for from_x, from_y in pen.open:
            pen.edges.append(Edge(bend(from_x, from_y, x, y), "side"))
        joins = bool(pen.open)
        pen.open = []
        if before is not None:
            pen.edges.append(Edge(down(x, before[1], y), "wait" if joins else before[2]))
            return
        outer = pen.last.get(stop.lane - 1)
        if outer is not None:
            pen.edges.append(Edge(bend(outer[0], outer[1], x, y), "side"))
    elif before is not None:
        pen.edges.append(Edge(bend(before[0], before[1], x, y), "chosen" if before[2] == "chosen" else "side"))


def _words(stop: _Stop) -> tuple[str, str]:
    step = stop.item.step
    name, note = row_words(step)
    if stop.fold is not None:
        return clip(name, 34), f"× {stop.fold.rounds} more, nothing new"
    if step.decision is not None:
        question = clip(step.decision.question or step.thought or step.output, 64)
        return clip(step.decision.chosen, 34), question
    if is_cause(step):
        return clip(name, 34), clip(step.error, 64)
    return clip(name, 34), clip(note, 64)


def _draw_roads(pen: _Pen, step: Step, x: int, y: int) -> None:
    """Draw what was offered and not taken as short roads that end; what was offered just before is only counted."""
    assert step.decision is not None
    fork = fork_of(step.decision)
    offered = frozenset(option.name for option in step.decision.alternatives)
    again = offered == pen.offered and not any(road.because for road in fork.roads)
    pen.offered = offered
    left = len(fork.roads) + fork.more
    if not left:
        return
    if again:
        pen.roads.append(Road(x, y + 8, pen.y - 4, f"the same {left} not taken", "", more=True))
        pen.y += _ROAD_ROW
        return
    for road in fork.roads[:_MOST_ROADS]:
        pen.roads.append(Road(x, y + 8, pen.y - 4, clip(road.name, 40), clip(road.because, 60), more=False))
        pen.y += _ROAD_ROW
    if fork.more:
        pen.roads.append(Road(x, y + 8, pen.y - 4, f"+ {fork.more} more", "", more=True))
        pen.y += _ROAD_ROW
    pen.y += 4


def _draw_end(pen: _Pen, chain: Chain) -> None:
    end = _Stop(Placed(Step(b"", "other", "", 0, 0), "", 0), 0, chain.run)
    _connect(pen, end, _LEFT, pen.y)
    pen.nodes.append(end_node(chain, _LEFT, pen.y))
    pen.y += _ROW


def end_node(chain: Chain, x: int, y: int) -> Node:
    """Return the node of a run's end."""
    why, tone = chain.end_words()
    mark = {"ok": "end", "live": "live"}.get(tone, "stop")
    look = {"ok": "ink", "live": "decision", "warn": "recover"}.get(tone, "fail")
    return Node(x, y, mark, look, f"{chain.href('')}#stop", "", "", why, clip(chain.run.termination.detail, 80), tone == "bad", False)
