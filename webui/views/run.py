"""The page of one run."""

from flask import Blueprint, Response, render_template, request

from ingest.model import Span
from webui.api import unknown_trace
from webui.arguments import id_argument
from webui.errors import ApiError
from webui.format import now_ns
from webui.pages.chain import Asked
from webui.pages.links import lookup_href
from webui.pages.run import build_run_page
from webui.reads import reads

run_views = Blueprint("run", __name__)


@run_views.get("/traces/<trace_id>")
def run(trace_id: str) -> str | Response:
    """Show a run of a trace: why it stopped, its story, its chain, and one step in full; a part of an id is looked up."""
    try:
        key = id_argument(trace_id, 32, "trace")
    except ApiError:
        return Response(status=302, headers={"Location": lookup_href(trace_id)})
    trace = reads().trace(key)
    if trace is None:
        raise unknown_trace(trace_id)

    def read_span(span_id: bytes) -> Span | None:
        return reads().span(key, span_id)

    start = request.args.get("from", "")
    asked = Asked(
        run=request.args.get("run", ""),
        step=request.args.get("step", ""),
        panel=request.args.get("panel", "why"),
        start=int(start) if start.isdecimal() and len(start) < 9 else 0,
    )
    page = build_run_page(trace, asked, read_span, now_ns())
    if page is None:
        raise ApiError(404, "not_found", "This trace has no such run.", f"It has {len(trace.runs)}.")
    run_query = f"&run={asked.run}" if asked.run else ""
    return render_template("run.html", nav="runs", page=page, run_query=run_query)
