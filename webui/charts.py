"""Figures for plotly, prepared with pandas.

The only module that loads either: it costs 80 MB and half a second, so ``webui.views.costs`` imports it when a chart is
first asked for, and a server that nobody asks for charts stays small.
"""

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types

from ingest.store.query import CostTable

_MOST_MODELS = 5
_OTHERS = "others"


def daily_cost_figure(table: CostTable, first_day: int, last_day: int) -> dict[str, Any]:
    """Return stacked bars of dollars per day and model, dearest models first, as plotly's JSON; the last day is not over.

    ``table`` is grouped by day (since the Unix epoch) and model.
    """
    rows = [(int(row.group[0]), str(row.group[1]) or "no model", row.spent.cost_nanos / 1e9) for row in table.rows]
    frame = pd.DataFrame(rows, columns=["day", "model", "dollars"])
    totals = frame.groupby("model")["dollars"].sum().sort_values(ascending=False, kind="stable")
    named = [model for model in totals.index if totals[model] > 0][:_MOST_MODELS]
    frame["model"] = frame["model"].where(frame["model"].isin(named), _OTHERS)
    days = range(first_day, last_day + 1)
    grid = frame.pivot_table(index="day", columns="model", values="dollars", aggfunc="sum", fill_value=0.0).reindex(days, fill_value=0.0)
    names = [*named, *([_OTHERS] if _OTHERS in grid.columns and grid[_OTHERS].sum() > 0 else [])]
    figure = go.Figure(
        data=[_bars(name, list(days), [round(float(value), 9) for value in grid[name]], last_day) for name in names],
        layout=_layout(),
    )
    return dict(figure.to_plotly_json())


def _bars(name: str, days: list[int], dollars: list[float], last_day: int) -> go.Bar:
    return go.Bar(
        name=name[:60],
        x=[datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%d") for day in days],
        y=dollars,
        marker={"opacity": [0.5 if day == last_day else 1.0 for day in days]},
        hovertemplate="%{x|%d %b}  $%{y:,.4f}<extra>%{fullData.name}</extra>",
    )


def _layout() -> go.Layout:
    return go.Layout(
        template=None,
        barmode="stack",
        bargap=0.25,
        height=260,
        margin={"l": 56, "r": 8, "t": 8, "b": 28},
        showlegend=False,
        xaxis={"type": "date", "tickformat": "%d %b", "fixedrange": True},
        yaxis={"tickprefix": "$", "fixedrange": True, "rangemode": "tozero"},
    )
