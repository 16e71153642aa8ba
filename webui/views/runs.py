"""The runs list."""

from flask import Blueprint, Response, render_template, request

from ingest.store.query import ORDERS
from webui.filters import FilterError, parse_filter, parse_time
from webui.format import now_ns
from webui.pages.runs import RANGES, Answer, Asked, build_runs_page
from webui.reads import BadCursor, ListQuery, library, reads

runs_views = Blueprint("runs", __name__)

_PAGE = 50


@runs_views.get("/runs")
def runs() -> Response:
    """Show the runs that a filter asks for, the newest first unless told otherwise."""
    now = now_ns()
    asked = _asked()
    answer = _answer(asked, now)
    page = render_template("runs.html", nav="runs", page=build_runs_page(asked, answer, library().endpoint, now))
    return Response(page, 400 if answer.error else 200)


def _asked() -> Asked:
    known = {key for key, _ in RANGES}
    last, order = request.args.get("last", ""), request.args.get("order", "started")
    return Asked(
        filter=request.args.get("filter", "").strip(),
        last=last if last in known else "",
        order=order if order in ORDERS else "started",
        cursor=request.args.get("cursor", ""),
    )


def _answer(asked: Asked, now: int) -> Answer:
    try:
        condition = parse_filter(asked.filter, now)
    except FilterError as error:
        return Answer(error=str(error), hint=error.hint)
    order = next(order for order in ORDERS if order == asked.order)
    since = parse_time(f"-{asked.last}", now) if asked.last else None
    try:
        found, cursor = reads().listed(ListQuery(condition, since, None, order, _PAGE, asked.cursor or None))
    except BadCursor:
        return Answer(error="This page of the list is no longer there.", hint="Start from the first page.")
    unused = not found and not asked.cursor and not reads().listed(ListQuery(limit=1))[0]
    return Answer(found, cursor or "", unused=unused)
