"""Figures for plotly, prepared with pandas.

The only module that loads either: it costs 80 MB and half a second, so ``webui.views.costs`` imports it when a chart is
first asked for, and a server that nobody asks for charts stays small.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from math import floor, log10
from typing import Any

import pandas as pd
import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types

from webui.format import clip, plural
from webui.pages.cost_chart import Chart, ChartMark, Series

_CHARS_ACROSS = 84
"""So many characters fit side by side above the narrowest chart that has words: marks closer than their words share some."""
_KINDS = {"deploy": "version", "price": "price change", "alert": "alert"}
_MOST_NAMED = 12


def cost_figure(chart: Chart) -> dict[str, Any]:
    """Return stacked bars of dollars by hour or day, the time before as a line, and what happened as marks, as plotly's JSON.

    Each bar carries the address of its runs; the last one is hatched where it is not over.
    """
    places = list(chart.period.buckets)
    grid = pd.DataFrame({place: dict(one.nanos) for place, one in enumerate(chart.series)}, index=places, dtype="float64")
    dollars = (grid.fillna(0.0) / 1e9).round(9)
    times = [_time(bucket * chart.period.bucket_ns) for bucket in places]
    bars = [_bars(chart, one, (times, dollars[place].tolist())) for place, one in enumerate(chart.series)]
    before = [_before(chart, times)] if chart.before and bars else []
    figure = go.Figure(data=[*bars, *before], layout=_layout(chart, float(dollars.to_numpy().sum(axis=1).max(initial=0.0))))
    return dict(figure.to_plotly_json())


def _time(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _bars(chart: Chart, one: Series, at: tuple[list[str], list[float]]) -> go.Bar:
    times, dollars = at
    shapes = ["" for _ in times]
    if chart.period.is_open and shapes:
        shapes[-1] = "/"
    shown = "%d %b" if chart.period.bucket == "day" else "%d %b %H:%M"
    return go.Bar(
        name=one.name,
        meta=one.look,
        x=times,
        y=dollars,
        customdata=[chart.href(bucket, one) for bucket in chart.period.buckets],
        marker={"pattern": {"shape": shapes, "fillmode": "replace", "size": 5, "solidity": 0.45}},
        hovertemplate=f"%{{x|{shown}}}  $%{{y:,.4f}}<extra>%{{fullData.name}}</extra>",
    )


def _before(chart: Chart, times: list[str]) -> go.Scatter:
    line = pd.Series(chart.before, dtype="float64").reindex(list(chart.period.buckets)).fillna(0.0) / 1e9
    return go.Scatter(
        name="the time before",
        meta="before",
        x=times,
        y=line.round(9).tolist(),
        mode="lines",
        line={"width": 1.25, "dash": "dot", "shape": "hvh"},
        hovertemplate="$%{y:,.4f}<extra>the time before</extra>",
    )


def _layout(chart: Chart, top: float) -> go.Layout:
    shown = chart.marks[-40:]
    return go.Layout(
        template=None,
        barmode="stack",
        bargap=0.25,
        height=260,
        margin={"l": 56, "r": 8, "t": 24 if shown else 8, "b": 28},
        showlegend=False,
        hovermode="closest",
        xaxis={"type": "date", "tickformat": "%d %b" if chart.period.bucket == "day" else "%H:%M<br>%d %b", "fixedrange": True},
        yaxis={"tickprefix": "$", "tickformat": f",.{_decimals(top)}f", "fixedrange": True, "rangemode": "tozero"}
        | ({} if top else {"range": [0, 1]}),
        shapes=[_line(chart, mark) for mark in shown],
        annotations=[_words(chart, marks) for marks in _together(chart, shown)],
    )


def _decimals(top: float) -> int:
    """Return with how many decimals dollars stand at the axis: as many at each tick."""
    if top >= 10 or not top:
        return 0
    return 2 if top >= 0.1 else min(1 - floor(log10(top)), 9)


def _at(chart: Chart, mark: ChartMark) -> str:
    """Return where a mark stands: at the left edge of its bar, which is what began then or later."""
    bucket_ns = chart.period.bucket_ns
    return _time(mark.at_ns // bucket_ns * bucket_ns - bucket_ns // 2)


def _line(chart: Chart, mark: ChartMark) -> dict[str, Any]:
    at = _at(chart, mark)
    return {"type": "line", "x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1, "name": mark.kind, "line": {"width": 1, "dash": "dot"}}


def _together(chart: Chart, marks: Sequence[ChartMark]) -> list[list[ChartMark]]:
    """Return marks by the words they share: those of one line, and of lines so close that their words would cover each other."""
    found: list[list[ChartMark]] = []
    for _, group in groupby(marks, key=lambda mark: mark.at_ns // chart.period.bucket_ns):
        found.append(list(group))
        while len(found) > 1 and _end(chart, found[-2]) > _begin(chart, found[-1]):
            last = found.pop()
            found[-1] += last
    return found


def _text(marks: Sequence[ChartMark]) -> str:
    if len(marks) == 1:
        return marks[0].short
    counts = {kind: sum(mark.kind == kind for mark in marks) for kind in _KINDS}
    return ", ".join(plural(number, _KINDS[kind]) for kind, number in counts.items() if number)


def _place(chart: Chart, mark: ChartMark) -> float:
    """Return where a mark's line stands, in characters from the left."""
    buckets = chart.period.buckets
    return _CHARS_ACROSS * (mark.at_ns // chart.period.bucket_ns - buckets[0]) / len(buckets)


def _is_late(chart: Chart, marks: Sequence[ChartMark]) -> bool:
    """Tell whether words would reach beyond the right edge, and so stand left of their line."""
    return _place(chart, marks[0]) + len(_text(marks)) + 1 > _CHARS_ACROSS


def _begin(chart: Chart, marks: Sequence[ChartMark]) -> float:
    return _place(chart, marks[0]) - (len(_text(marks)) + 1 if _is_late(chart, marks) else 0)


def _end(chart: Chart, marks: Sequence[ChartMark]) -> float:
    return _place(chart, marks[0]) + (0 if _is_late(chart, marks) else len(_text(marks)) + 1)


def _words(chart: Chart, marks: Sequence[ChartMark]) -> dict[str, Any]:
    first, left = marks[0], len(marks) - _MOST_NAMED
    names = [_plain(f"{mark.at} {clip(mark.words, 64)}") for mark in marks[:_MOST_NAMED]] + ([f"and {left} more"] if left > 0 else [])
    gravest = "alert" if any(mark.kind == "alert" for mark in marks) else first.kind
    return {"x": _at(chart, first), "yref": "paper", "y": 1.0, "text": _plain(_text(marks)), "hovertext": "<br>".join(names),
            "name": gravest, "showarrow": False, "xanchor": "right" if _is_late(chart, marks) else "left", "yanchor": "bottom",
            "font": {"size": 10}}  # fmt: skip


def _plain(text: str) -> str:
    """Return a text as a figure may hold it: its text knows a few tags of plotly's own, and what comes from data has none."""
    return text.replace("&", "&amp;").replace("<", "&lt;")
