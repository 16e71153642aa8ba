"""Two runs side by side."""

from flask import Blueprint, Response, render_template, request

from ingest.model import Trace
from webui.analysis.compare import compare_traces
from webui.errors import ApiError
from webui.format import clip, now_ns
from webui.lookup import look_up, trace_ids_in
from webui.pages.compare import build_compare_page
from webui.pages.links import compare_href
from webui.reads import reads
from webui.reads_analysis import nearest_good, trace_of

compare_views = Blueprint("compare", __name__)


@compare_views.get("/compare")
def compare() -> str | Response:
    """Show two runs aligned by step, at their first divergence. With one run alone, go on to its nearest good run."""
    asked_a, asked_b = (request.args.get(name, "").strip() for name in ("a", "b"))
    if not asked_a:
        return _form("", asked_b, "")
    ours = _find("a", asked_a)
    nearest = nearest_good(ours.trace_id)
    if not asked_b:
        if not nearest:
            return _form(asked_a, "", "No successful run of this agent is near enough to compare with: name one yourself.")
        return Response(status=302, headers={"Location": compare_href(ours.trace_id, nearest[0].summary.trace_id)})
    start = request.args.get("from", "")
    found = compare_traces(ours, _find("b", asked_b))
    page = build_compare_page(found, nearest, int(start) if start.isdecimal() and len(start) < 7 else 0, now_ns())
    return render_template("compare.html", nav="runs", page=page)


def _form(a: str, b: str, why: str) -> str:
    return render_template("compare_form.html", nav="runs", a=clip(a, 200), b=clip(b, 200), why=why)


def _find(name: str, text: str) -> Trace:
    """Return the trace that a text is about, as the lookup box reads it; raises ``ApiError`` 404 with what is known of it."""
    ids = trace_ids_in(text)[:1] or [match.trace_id for match in look_up(text, reads().sources()).matches[:1]]
    found = trace_of(ids[0]) if ids else None
    if found is None:
        miss = reads().explain_trace(ids[0]) if ids else None
        message = miss.message if miss is not None else f"No run was found for {name}: {clip(text, 60)!r}."
        raise ApiError(404, "not_found", message, "Give the trace id of a run, or its first digits.")
    return found
