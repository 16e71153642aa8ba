"""The runs list."""

from collections.abc import Iterator, Sequence

from flask import Blueprint, Response, render_template, request

from ingest.store.query import ORDERS, And, Comparison, Filter, Not, Or, StepMatch
from webui.errors import ApiError, json_response
from webui.filters import FilterError, closest, parse_filter, parse_time, split_filter
from webui.format import now_ns
from webui.pages.building import EXAMPLES, FIELDS, OPERATORS, build_condition
from webui.pages.links import runs_href
from webui.pages.runs import MOST_COUNTED, RANGES, Answer, Asked, build_runs_page
from webui.reads import BadCursor, ListQuery, library, reads
from webui.reads_analysis import count_runs, known_values, saved_views, usual_by_agent

runs_views = Blueprint("runs", __name__)

_PAGE = 50
_MOST_PARTS = 8


@runs_views.get("/runs")
def runs() -> Response:
    """Show the runs that a filter asks for, the newest first unless told otherwise."""
    now, asked = now_ns(), asked_list()
    if request.args.get("field"):
        return _with_condition(asked)
    answer = _answer(asked, now)
    page = build_runs_page(asked, answer, library().endpoint, now)
    shown = render_template("runs.html", nav="runs", page=page, fields=FIELDS, operators=OPERATORS, examples=EXAMPLES)
    return Response(shown, 400 if answer.error else 200)


def asked_list() -> Asked:
    """Return what the request asks of the list."""
    known = {key for key, _ in RANGES}
    last, order = request.args.get("last", ""), request.args.get("order", "started")
    return Asked(
        filter=request.args.get("filter", "").strip(),
        last=last if last in known else "",
        order=order if order in ORDERS else "started",
        cursor=request.args.get("cursor", ""),
    )


def _with_condition(asked: Asked) -> Response:
    """Go on to the list with a condition more, as picked in the form."""
    picked = (request.args.get(name, "") for name in ("field", "op", "value"))
    more = build_condition(*picked)
    before = asked.filter
    if before:
        try:
            before = before if len(split_filter(before)) > 1 or " or " not in before else f"({before})"
        except FilterError:
            before = f"({before})"
    return Response(status=302, headers={"Location": runs_href(**{**asked.state(), "filter": f"{before} and {more}" if before else more})})


def list_query(asked: Asked, now: int, limit: int) -> ListQuery:
    """Return the store's question for a list. Raises ``FilterError``."""
    order = next(order for order in ORDERS if order == asked.order)
    since = parse_time(f"-{asked.last}", now) if asked.last else None
    return ListQuery(parse_filter(asked.filter, now), since, None, order, limit, asked.cursor or None)


def _answer(asked: Asked, now: int) -> Answer:
    views = [(one.name, one.query) for one in saved_views()]
    try:
        query = list_query(asked, now, _PAGE)
        parts = split_filter(asked.filter)
        found, cursor = reads().listed(query)
    except FilterError as error:
        return Answer(error=str(error), hint=error.hint, views=views)
    except BadCursor:
        return Answer(error="This page of the list is no longer there.", hint="Start from the first page.", views=views)
    if found or asked.cursor:
        usual = usual_by_agent(found)
        return Answer(found, cursor or "", usual=usual, parts=[(part, None) for part in parts], views=views)
    return _explain(asked, query, parts, Answer(views=views), now)


def _explain(asked: Asked, query: ListQuery, parts: Sequence[str], empty: Answer, now: int) -> Answer:
    """Say why a list is empty: how many runs there are without each condition, and which words nobody ever used."""
    if not reads().listed(ListQuery(limit=1))[0]:
        return Answer(unused=True, views=empty.views)
    # With a value that nothing ever had, nothing is found whatever else is dropped: that need not be looked for.
    unheard = [_is_unheard(parse_filter(part, now)) for part in parts]
    counted = [
        (part, 0 if any(unheard[:place] + unheard[place + 1 :]) else _count_without(query, parts, place, now))
        for place, part in enumerate(parts[:_MOST_PARTS])
    ]
    everywhere = (0 if any(unheard) else count_runs(ListQuery(query.filter), MOST_COUNTED)) if asked.last else None
    return Answer(parts=counted, in_range=everywhere, meant=list(_meant(query.filter)), views=empty.views)


def _is_unheard(part: Filter | None) -> bool:
    """Tell whether a condition asks for one value that nothing ever had."""
    if not isinstance(part, Comparison) or part.op != "=":
        return False
    known = known_values(part.field)
    return bool(known) and part.value not in known


def _count_without(query: ListQuery, parts: Sequence[str], place: int, now: int) -> int:
    rest = " and ".join((*parts[:place], *parts[place + 1 :]))
    return count_runs(ListQuery(parse_filter(rest, now), query.from_ns, query.to_ns), MOST_COUNTED)


def _meant(asked: Filter | None) -> Iterator[tuple[str, str, str]]:
    """Yield values of a filter that nothing ever had, with the known one that each comes closest to."""
    for one in comparisons(asked):
        values = one.value if isinstance(one.value, tuple) else (one.value,)
        known = known_values(one.field) if one.op in ("=", "in") else ()
        for value in values:
            if known and isinstance(value, str) and value not in known and (near := closest(value, known)):
                yield one.field, value, near


def comparisons(asked: Filter | None) -> Iterator[Comparison]:
    """Yield the comparisons in a condition."""
    if isinstance(asked, Comparison):
        yield asked
    elif isinstance(asked, And | Or):
        for part in asked.parts:
            yield from comparisons(part)
    elif isinstance(asked, Not):
        yield from comparisons(asked.part)
    elif isinstance(asked, StepMatch):
        yield from comparisons(asked.condition)


@runs_views.get("/runs/news")
def news() -> Response:
    """Answer how many runs of a list began since it was shown."""
    asked, since = asked_list(), request.args.get("since", "")
    if not since.isdecimal() or len(since) > 19:
        raise ApiError(400, "bad_parameter", "since is a time in nanoseconds.")
    try:
        query = list_query(asked, now_ns(), 1)
    except FilterError as error:
        raise ApiError(400, "bad_filter", str(error), error.hint) from error
    newer = ListQuery(query.filter, max(int(since) + 1, query.from_ns or 0))
    return json_response({"new": count_runs(newer, 100)})
