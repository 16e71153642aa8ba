"""Figures for plotly, prepared with pandas.

The only module that loads either: it costs 80 MB and half a second, so ``webui.views.costs`` imports it when a chart is
first asked for, and a server that nobody asks for charts stays small.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import pandas as pd
import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types

from webui.pages.cost_chart import Chart, ChartMark, Series

_MOST_WORDS = 5
"""So many marks are written beside their lines: more would cover each other. All are told below the chart."""
_LEVELS, _LEVEL = 3, 0.062


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
        margin={"l": 56, "r": 8, "t": 44 if shown else 8, "b": 28},
        showlegend=False,
        hovermode="closest",
        xaxis={"type": "date", "tickformat": "%d %b" if chart.period.bucket == "day" else "%H:%M<br>%d %b", "fixedrange": True},
        yaxis={"tickprefix": "$", "fixedrange": True, "rangemode": "tozero", **({} if top else {"range": [0, 1]})},
        shapes=[_line(chart, mark) for mark in shown],
        annotations=[_words(chart, place, marks) for place, marks in enumerate(_together(chart, shown)[-_MOST_WORDS:])],
    )


def _at(chart: Chart, mark: ChartMark) -> str:
    """Return where a mark stands: at the left edge of its bar, which is what began then or later."""
    bucket_ns = chart.period.bucket_ns
    return _time(mark.at_ns // bucket_ns * bucket_ns - bucket_ns // 2)


def _line(chart: Chart, mark: ChartMark) -> dict[str, Any]:
    at = _at(chart, mark)
    return {"type": "line", "x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1, "name": mark.kind, "line": {"width": 1, "dash": "dot"}}


def _together(chart: Chart, marks: Sequence[ChartMark]) -> list[list[ChartMark]]:
    """Return marks by the line they share."""
    return [list(group) for _, group in groupby(marks, key=lambda mark: mark.at_ns // chart.period.bucket_ns)]


def _words(chart: Chart, place: int, marks: Sequence[ChartMark]) -> dict[str, Any]:
    first = marks[0]
    # Text of a figure may hold a few tags of plotly's own: what comes from data holds none.
    text = first.short.replace("&", "&amp;").replace("<", "&lt;") + (f" +{len(marks) - 1}" if len(marks) > 1 else "")
    is_late = first.at_ns - chart.period.from_ns > 0.8 * (chart.period.to_ns - chart.period.from_ns)
    return {"x": _at(chart, first), "yref": "paper", "y": 1.0 + _LEVEL * (place % _LEVELS), "text": text, "name": first.kind,
            "showarrow": False, "xanchor": "right" if is_late else "left", "yanchor": "bottom", "font": {"size": 10}}  # fmt: skip
