"""Tools: who calls them how, how long they take, how often they fail, and what is wasted on them."""

from collections.abc import Sequence
from dataclasses import dataclass

from webui.analysis.tools import ToolStats
from webui.format import UNKNOWN, clip, cost, count, duration, money, percent, plural

from .links import filter_text, person_href
from .range import Range
from .runs import Choice, Figure

_TOOLS, _SHAPES = 100, 8


@dataclass(frozen=True, slots=True)
class ShapeRow:
    """One shape of arguments."""

    shape: str
    calls: str
    failed: str
    bad: bool


@dataclass(frozen=True, slots=True)
class ToolRow:
    """One tool."""

    name: str
    href: str
    calls: str
    bar: str
    failed: str
    failed_share: str
    failed_href: str
    p50: str
    p95: str
    cost: str
    repeats: str
    waste: str
    agents: tuple[Choice, ...]
    shapes: tuple[ShapeRow, ...]
    shapes_words: str


@dataclass(frozen=True, slots=True)
class ToolsPage:
    """All tools."""

    range: Range
    figures: tuple[Figure, ...]
    rows: tuple[ToolRow, ...]
    more: str


def build_tools_page(found: Sequence[ToolStats], range_: Range) -> ToolsPage:
    """Return the page of tools."""
    most = max((one.calls for one in found), default=0)
    left = len(found) - _TOOLS
    return ToolsPage(
        range=range_,
        figures=_figures(found) if found else (),
        rows=tuple(tool_row(one, most, range_) for one in found[:_TOOLS]),
        more=f"{plural(left, 'tool')} called less often not shown" if left > 0 else "",
    )


def _figures(found: Sequence[ToolStats]) -> tuple[Figure, ...]:
    calls, failed = sum(one.calls for one in found), sum(one.failed for one in found)
    repeats, wasted = sum(one.repeats for one in found), sum(one.wasted_nanos for one in found)
    worst = max(found, key=lambda one: one.failed)
    slowest = max(found, key=lambda one: one.p95_ns or 0)
    return (
        Figure("Calls", count(calls), plural(len(found), "tool")),
        Figure("Failed", count(failed), f"most: {clip(worst.name, 28)}" if failed else "none", "bad" if failed else ""),
        Figure("Slowest, p95", duration(slowest.p95_ns), clip(slowest.name, 28) if slowest.p95_ns else ""),
        Figure("Repeated with the same answer", count(repeats), f"{percent(repeats, calls):.1f} % of calls", "warn" if repeats else ""),
        Figure("Spent on asking for those", money(wasted) if wasted else UNKNOWN, "model calls that asked again" if wasted else ""),
    )


def tool_row(one: ToolStats, most: int, range_: Range) -> ToolRow:
    """Return the row of a tool."""
    left = len(one.shapes) - _SHAPES
    return ToolRow(
        name=clip(one.name, 80),
        href=range_.runs(filter_text("tool", one.name)),
        calls=count(one.calls),
        bar=f"{percent(one.calls, most):.1f}%",
        failed=count(one.failed),
        failed_share=f"{percent(one.failed, one.calls):.1f} %" if one.failed else "",
        failed_href=range_.runs(filter_text("failed_tool", one.name)) if one.failed else "",
        p50=duration(one.p50_ns),
        p95=duration(one.p95_ns),
        cost=cost(one.cost_nanos, 0),
        repeats=count(one.repeats) if one.repeats else "",
        waste=_waste(one),
        agents=tuple(Choice(f"{clip(agent, 40)} {calls:,}", person_href("agents", agent), current=False)
                     for agent, calls in one.agents[:6]),
        shapes=tuple(ShapeRow(shape.shape or "not recorded", count(shape.calls), count(shape.failed), bool(shape.failed))
                     for shape in one.shapes[:_SHAPES]),
        shapes_words=plural(len(one.shapes), "shape") + (f", {left} not shown" if left > 0 else ""),
    )  # fmt: skip


def _waste(one: ToolStats) -> str:
    if not one.repeats:
        return ""
    parts = [duration(one.wasted_ns) if one.wasted_ns else "", money(one.wasted_nanos) if one.wasted_nanos else ""]
    return ", ".join(part for part in parts if part)
