"""The cost page and its chart."""

from functools import cache
from importlib import import_module
from typing import Any

from flask import Blueprint, Response, render_template, request

from webui.assets import plotly_href, plotly_style_ids
from webui.errors import json_response
from webui.format import now_ns
from webui.pages.costs import RANGES, Tables, build_costs_page
from webui.reads import reads

costs_views = Blueprint("costs", __name__)

_DAYS = {"24h": 1, "7d": 7, "30d": 30, "90d": 90}
_DAY_NS = 86_400 * 10**9


def _last() -> str:
    asked = request.args.get("last", "30d")
    return asked if asked in dict(RANGES) else "30d"


@costs_views.get("/costs")
def costs() -> str:
    """Show what was spent, by agent, model, tool and reason of stopping."""
    last, now = _last(), now_ns()
    since = now - _DAYS[last] * _DAY_NS
    tables = Tables(*(reads().costs((by,), since, now) for by in ("agent", "model", "tool", "termination")))
    return render_template(
        "costs.html", nav="costs", page=build_costs_page(tables, last), plotly_asset=plotly_href(), style_ids=plotly_style_ids()
    )


@costs_views.get("/costs/figure")
def figure() -> Response:
    """Answer the chart of dollars by day and model, as plotly's JSON."""
    now = now_ns()
    today = now // _DAY_NS
    days = max(_DAYS[_last()], 2)
    table = reads().costs(("day", "model"), (today - days + 1) * _DAY_NS, now)
    return json_response(_charts().daily_cost_figure(table, today - days + 1, today))


@cache
def _charts() -> Any:
    # The one deferred import: pandas and plotly cost 80 MB and half a second, and most servers' readers never ask for a chart.
    return import_module("webui.charts")
