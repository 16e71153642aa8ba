"""The cost page, its chart, and its comparison with the ledger."""

from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any

from flask import Blueprint, Response, render_template, request

from webui import reads_costs
from webui.assets import plotly_href, plotly_style_ids
from webui.bill_facts import read_facts
from webui.errors import json_response
from webui.filters import parse_time
from webui.format import now_ns
from webui.pages.cost_chart import build_chart, marks_of
from webui.pages.costs import Facts, build_costs_page, check_words
from webui.pages.spend import BY_WORDS, DEFAULT, RANGES, Asked, Period, period_of

costs_views = Blueprint("costs", __name__)

_CHECKED_AT_ONCE = 2_000
"""Up to so many runs, the ledger is compared while the page is made: it is about ten rows a run."""
_NAME_CHARACTERS = 200


def asked_costs() -> Asked:
    """Return what the request asks of the cost page; what it does not know is left out."""
    args = request.args
    last, by, now = args.get("last", DEFAULT), args.get("by", "model"), now_ns()
    from_ns = parse_time(args.get("from", ""), now) if args.get("from") else None
    to_ns = parse_time(args.get("to", ""), now) if args.get("to") and from_ns is not None else None
    return Asked(
        last=last if last in dict(RANGES) else DEFAULT,
        by=by if by in BY_WORDS else "model",
        where=tuple((name, args[name][:_NAME_CHARACTERS]) for name in BY_WORDS if args.get(name)),
        instead=args.get("instead", "")[:_NAME_CHARACTERS],
        from_ns=from_ns if from_ns is not None and 0 < from_ns < now else None,
        to_ns=to_ns if to_ns is not None and from_ns is not None and to_ns > from_ns else None,
    )


@costs_views.get("/costs")
def costs() -> str:
    """Show what was spent, against the budget and the time before, by what, and where it was lost."""
    now, asked = now_ns(), asked_costs()
    page = build_costs_page(facts_of(asked, now), now)
    return render_template("costs.html", nav="costs", page=page, plotly_asset=plotly_href(), style_ids=plotly_style_ids())


def facts_of(asked: Asked, now: int) -> Facts:
    """Read a page's facts, compared with the ledger where that is asked for or costs little."""
    facts = read_facts(asked, period_of(asked, now), now)
    runs = sum(row.runs for row in facts.rows if row.operation == "run")
    at_once = not asked.where and (bool(request.args.get("check")) or runs <= _CHECKED_AT_ONCE)
    return replace(facts, check=reads_costs.check(facts.period)) if at_once else facts


@costs_views.get("/costs/figure")
def figure() -> Response:
    """Answer the chart of dollars by hour or day and what the page is split by, as plotly's JSON."""
    now, asked = now_ns(), asked_costs()
    period = period_of(asked, now)
    spent = reads_costs.charted(period, asked)
    before = reads_costs.spent(period.before(), asked.where)
    marks = marks_of(reads_costs.marks(period, asked))
    return json_response(_charts().cost_figure(build_chart(asked, period, spent, before, marks)))


@costs_views.get("/costs/check")
def check() -> Response:
    """Answer whether the roll-ups agree with the ledger, in words; nothing is narrowed here. Costs the ledger rows of the time."""
    agrees, differs = check_words(reads_costs.check(_whole(asked_costs())))
    return json_response({"agrees": not differs, "words": agrees or differs})


def _whole(asked: Asked) -> Period:
    return period_of(asked, now_ns())


@cache
def _charts() -> Any:
    # The one deferred import: pandas and plotly cost 80 MB and half a second, and most servers' readers never ask for a chart.
    return import_module("webui.charts")
