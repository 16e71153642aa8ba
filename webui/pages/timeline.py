"""The timeline of a run: its steps and those of the runs inside it as a waterfall, with the critical path drawn on it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.model import Run, Step
from webui.format import clip, duration, percent

from .critical import CriticalPath, find_critical_path
from .focus import Chain
from .links import trace_href
from .scale import Cut, Interval, Scale, Tick, idle_stretches, run_interval
from .steps import Placed, is_cause, look_of, mark_of, place_steps, row_words
from .window import gap_words, kept_places

_LEAST_WIDTH = 0.25
_MOST_DEPTH = 6
_LABEL_ROOM = 12.0
"""Percent of the width that a bar's time needs beside it."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of a row's line, in percent."""

    x: str
    width: str


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One step on the timeline, or, where ``gap`` says so, rows that are not shown."""

    key: str
    href: str
    step: str = ""
    """The step's key in its own run."""
    index: str = ""
    look: str = ""
    mark: str = ""
    name: str = ""
    note: str = ""
    depth: int = 0
    bad: bool = False
    open: bool = False
    selected: bool = False
    decided: bool = False
    bar: Bar | None = None
    path: tuple[Bar, ...] = ()
    time: str = ""
    label_x: str = ""
    label_left: bool = False
    label_inside: bool = False
    tool: str = ""
    at: str = ""
    """Where it begins on the strip."""
    gap: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows without a gap between them, on an axis of their own where not all of the run is shown."""

    rows: tuple[TimelineRow, ...]
    ticks: tuple[Tick, ...]
    cuts: tuple[Cut, ...]
    gap: TimelineRow | None
    """The rows left out before it."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The waterfall."""

    blocks: tuple[Block, ...]
    whole: int
    selected_href: str
    """Where the selected step is, if that is far down."""
    selected_words: str
    idle_words: str
    """What could be cut, or is; empty where nothing is idle for long."""
    idle_href: str
    is_cut: bool
    path_words: str


@dataclass(frozen=True, slots=True)
class _Line:
    item: Placed
    run: Run
    depth: int


def draw_timeline(chain: Chain, now_ns: int) -> Timeline:
    """Return the timeline of a chain's run."""
    inner = {run.run_id: run for run in chain.trace.runs if run is not chain.run}
    lines = list(_lines(chain, inner))
    start, end = run_interval(chain.run, [line.item.step for line in lines], now_ns)
    leaves = [line.item.step for line in lines if not line.item.step.children and line.item.step.run_id not in inner]
    idle = idle_stretches(leaves, start, end)
    is_cut = chain.asked.mode == "cut" and bool(idle)
    cuts = idle if is_cut else ()

    def below(step: Step) -> Sequence[Step]:
        nested = inner.get(step.run_id) if step.run_id else None
        return nested.steps if nested is not None else step.children

    path = find_critical_path(chain.run, end, below)
    blocks = tuple(_blocks(chain, lines, Scale(start, end, cuts), path))
    far = _far_selected(blocks)
    return Timeline(
        blocks=blocks,
        whole=len(lines),
        selected_href=f"#s-{far.key}" if far is not None else "",
        selected_words=f"step {far.index} {far.name}" if far is not None else "",
        idle_words=_idle_words(idle, start, end),
        idle_href=_idle_href(chain, is_cut),
        is_cut=is_cut,
        path_words=_path_words(path, end - start),
    )


def _lines(chain: Chain, inner: dict[bytes, Run]) -> Iterator[_Line]:
    """Yield the steps of the run, and below each sub-agent those of its run, each run once."""
    seen = {chain.run.run_id}
    stack: list[Iterator[_Line]] = [(_Line(item, chain.run, item.depth) for item in chain.placed)]
    while stack:
        line = next(stack[-1], None)
        if line is None:
            stack.pop()
            continue
        yield line
        nested = inner.get(line.item.step.run_id) if line.item.step.run_id else None
        if nested is not None and nested.run_id not in seen:
            seen.add(nested.run_id)
            stack.append(_inner_lines(nested, line.depth + 1))


def _inner_lines(run: Run, depth: int) -> Iterator[_Line]:
    return (_Line(item, run, depth + item.depth) for item in place_steps(run.steps))


_FAR = 16


def _far_selected(blocks: Sequence[Block]) -> TimelineRow | None:
    rows = [row for block in blocks for row in block.rows]
    return next((row for row in rows[_FAR:] if row.selected), None)


def _blocks(chain: Chain, lines: Sequence[_Line], whole: Scale, path: CriticalPath) -> Iterator[Block]:
    """Yield the rows that are shown, in blocks. Each has its own axis where some are left out: a bar is else too thin to be seen."""
    at = next((n for n, line in enumerate(lines) if _is_focus(line, chain)), None)
    stretches = _stretches(kept_places(len(lines), at, chain.asked.start))
    before = 0
    for start, stop in stretches:
        scale = whole if len(stretches) == 1 else _own_scale(lines[start:stop], whole)
        rows = tuple(_row(chain, lines[n], scale, path, n == at) for n in range(start, stop))
        gap = _gap(chain, before, start) if start > before else None
        yield Block(rows, scale.ticks(), scale.drawn_cuts(), gap)
        before = stop


def _stretches(places: Sequence[int]) -> list[tuple[int, int]]:
    """Return the runs of places that follow each other, each from its first to beyond its last."""
    found: list[tuple[int, int]] = []
    for n in places:
        if found and found[-1][1] == n:
            found[-1] = (found[-1][0], n + 1)
        else:
            found.append((n, n + 1))
    return found


def _own_scale(lines: Sequence[_Line], whole: Scale) -> Scale:
    since = min(line.item.step.started_ns for line in lines)
    until = max(whole.end_ns if line.item.step.is_open else line.item.step.ended_ns for line in lines)
    return Scale(since, until, (), whole.start_ns)


def _is_focus(line: _Line, chain: Chain) -> bool:
    return chain.focus is not None and line.run is chain.focus.run and line.item.key == chain.focus.item.key


def _row(chain: Chain, line: _Line, scale: Scale, path: CriticalPath, selected: bool) -> TimelineRow:
    step = line.item.step
    bad = is_cause(step)
    x = min(scale.place(step.started_ns), 100 - _LEAST_WIDTH)
    ended = scale.end_ns if step.is_open else step.ended_ns
    width = max(scale.place(ended) - x, _LEAST_WIDTH)
    left = x + width > 100 - _LABEL_ROOM
    inside = left and x < _LABEL_ROOM
    name, note = row_words(step)
    return TimelineRow(
        key=line.item.key if line.run is chain.run else f"{line.run.run_id.hex()[:8]}-{line.item.key}",
        href=chain.href(line.item.key),
        step=line.item.key,
        index=str(step.index),
        look="fail" if bad else look_of(step),
        mark=mark_of(step),
        name=name,
        note=note,
        depth=min(line.depth, _MOST_DEPTH),
        bad=bad,
        open=step.is_open,
        selected=selected,
        decided=step.decision is not None,
        bar=Bar(f"{x:.2f}%", f"{width:.2f}%"),
        path=tuple(_bars(path.stretches.get(id(step), ()), scale)),
        time=_time(step, scale),
        label_x=f"{x:.2f}%" if left and not inside else f"{x + width:.2f}%",
        label_left=left,
        label_inside=inside,
        tool=clip(step.tool.name, 80) if step.tool else "",
        at=chain.strip_place(step.started_ns),
    )


def _bars(stretches: Sequence[Interval], scale: Scale) -> Iterator[Bar]:
    for since, until in stretches[:20]:
        x = scale.place(since)
        yield Bar(f"{x:.2f}%", f"{max(scale.place(until) - x, _LEAST_WIDTH):.2f}%")


def _time(step: Step, scale: Scale) -> str:
    if step.is_open:
        return f"{duration(max(scale.end_ns - step.started_ns, 0))} so far"
    return duration(step.ended_ns - step.started_ns) if step.ended_ns > step.started_ns else ""


def _gap(chain: Chain, start: int, stop: int) -> TimelineRow:
    asked = chain.asked
    href = trace_href(chain.trace.trace_id, run=asked.run, step=asked.step, view="timeline", mode=asked.mode, from_=start)
    return TimelineRow(key=f"r{start}", href=f"{href}#r{start}", gap=gap_words(start, stop))


def _idle_words(idle: Sequence[Interval], start: int, end: int) -> str:
    if not idle:
        return ""
    length = sum(b - a for a, b in idle)
    where = "one stretch" if len(idle) == 1 else f"{len(idle)} stretches"
    return f"{percent(length, end - start):.0f} % of {duration(end - start)} is idle, in {where}"


def _idle_href(chain: Chain, is_cut: bool) -> str:
    asked = chain.asked
    return trace_href(
        chain.trace.trace_id, run=asked.run, step=asked.step, view="timeline", mode=None if is_cut else "cut", from_=asked.start or None
    )


_KINDS = {"llm": "model calls", "tool": "tools", "agent": "sub-agents", "retrieval": "retrieval", "other": "other steps"}


def _path_words(path: CriticalPath, length: int) -> str:
    """Say what the length of the run is made of."""
    parts = [f"{_KINDS.get(kind, clip(kind, 20))} {duration(ns)} ({percent(ns, length):.0f} %)" for kind, ns in path.by_kind[:4] if ns]
    if percent(path.unseen_ns, length) >= 0.5:
        parts.append(f"no step {duration(path.unseen_ns)} ({percent(path.unseen_ns, length):.0f} %)")
    return ", ".join(parts)
