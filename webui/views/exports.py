"""Lists of runs as files."""

import csv
import io
from collections.abc import Iterable

from flask import Blueprint, Response

from ingest.model import TraceSummary
from webui.api_json import dump, summary_json, timestamp, usd_text
from webui.errors import ApiError
from webui.filters import FilterError
from webui.format import now_ns
from webui.reads import ListQuery, reads

from .runs import asked_list, list_query

exports_views = Blueprint("exports", __name__)

MOST_EXPORTED = 10_000
_PAGE = 500

COLUMNS = (
    "trace_id", "agent", "version", "service", "environment", "session", "user", "started_at", "ended_at", "duration_ms", "status",
    "termination", "termination_source", "input", "output", "steps", "llm_calls", "tool_calls", "errors", "decisions", "input_tokens",
    "output_tokens", "cost_usd", "unpriced_calls",
)  # fmt: skip

_FORMULA = tuple("=+-@\t\r\n|%＝＋－＠")
"""What a spreadsheet takes for the start of something to run, full-width twins included."""


@exports_views.get("/runs.csv")
def runs_csv() -> Response:
    """Answer a list of runs as CSV, at most 10,000."""
    written = io.StringIO()
    writer = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(csv_row(one) for one in _exported())
    return _file(written.getvalue().encode("utf-8", "replace"), "text/csv; charset=utf-8", "runs.csv")


@exports_views.get("/runs.json")
def runs_json() -> Response:
    """Answer a list of runs as JSON, at most 10,000."""
    return _file(dump({"items": [summary_json(one) for one in _exported()]}), "application/json", "runs.json")


def _file(content: bytes, kind: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="clew-{name}"', "X-Content-Type-Options": "nosniff"}
    return Response(content, headers=headers, content_type=kind)


def _exported() -> Iterable[TraceSummary]:
    """Return the runs of the list that is asked for, from its first page on."""
    found: list[TraceSummary] = []
    try:
        query = list_query(asked_list(), now_ns(), _PAGE)
    except FilterError as error:
        raise ApiError(400, "bad_filter", str(error), error.hint) from error
    while len(found) < MOST_EXPORTED:
        page, cursor = reads().listed(query)
        found += page
        if cursor is None:
            break
        query = ListQuery(query.filter, query.from_ns, None, query.order, _PAGE, cursor)
    return found[:MOST_EXPORTED]


def csv_row(one: TraceSummary) -> list[str]:
    """Return a run as cells, none of which a spreadsheet would run."""
    totals = one.totals
    length = None if one.ended_ns is None else (one.ended_ns - one.started_ns) // 1000 / 1000
    values = (
        one.trace_id.hex(), one.agent, one.version, one.service, one.environment, one.session_id, one.user_id, timestamp(one.started_ns),
        timestamp(one.ended_ns), length, one.status, one.termination, one.termination_source, one.input, one.output, totals.steps,
        totals.llm_calls, totals.tool_calls, totals.errors, totals.decisions, totals.usage.input_tokens, totals.usage.output_tokens,
        None if totals.cost_nanos is None else usd_text(totals.cost_nanos), totals.unpriced_calls,
    )  # fmt: skip
    return [plain_cell("" if value is None else str(value)) for value in values]


def plain_cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: what begins like one begins with an apostrophe instead."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) or text[:1] in _FORMULA else text
