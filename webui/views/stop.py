"""Stopping a run from its page."""

from flask import Blueprint, Response, request

from webui import reads_alerts
from webui.api import unknown_trace
from webui.arguments import id_argument
from webui.errors import ApiError
from webui.pages.links import trace_href
from webui.pages.stop import NO_REASON, stop_target
from webui.reads import reads

from .alerts import expect_own_form

stop_views = Blueprint("stop", __name__)
stop_views.before_request(expect_own_form)


@stop_views.post("/traces/<trace_id>/stop")
def stop(trace_id: str) -> Response:
    """Ask a run that goes on to stop and go back to it. One that is over is left alone: its page says how it ended."""
    key, run_id = id_argument(trace_id, 32, "trace"), id_argument(request.form.get("run", ""), 16, "run")
    trace = reads().trace(key)
    if trace is None:
        raise unknown_trace(trace_id)
    run = next((one for one in trace.runs if one.run_id == run_id), None)
    if run is None:
        raise ApiError(404, "not_found", "This trace has no such run.", f"It has {len(trace.runs)}.")
    if run.status == "running":
        reads_alerts.stop_trace(key, stop_target(trace, run), request.form.get("reason", "").strip()[:300] or NO_REASON)
    return Response(status=303, headers={"Location": trace_href(key, run=run_id.hex() if len(trace.runs) > 1 else None)})
