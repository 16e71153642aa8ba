"""The page of one run, and the whole of what a page shows the beginning of."""

from dataclasses import replace
from typing import Any

import orjson
from flask import Blueprint, Response, render_template, request

from ingest.model import Trace
from webui.api import unknown_trace
from webui.api_json import dump
from webui.arguments import id_argument
from webui.errors import ApiError
from webui.format import now_ns
from webui.pages.alert_marks import alert_marks
from webui.pages.focus import Asked
from webui.pages.json_tree import value_at, value_text
from webui.pages.links import lookup_href
from webui.pages.raw import span_parts
from webui.pages.run import RunPage, build_run_page
from webui.pages.stop import lineage, view_stop
from webui.reads import reads, run_lore
from webui.reads_alerts import of_trace, stop_wanted
from webui.security import may_change

from .alerts import new_form

run_views = Blueprint("run", __name__)

_MOST_AT_ONCE = 1 << 20
"""Characters of a value that one answer holds, unless it is downloaded."""


@run_views.get("/traces/<trace_id>")
def run(trace_id: str) -> str | Response:
    """Show a run of a trace: why it stopped, its story, its steps in one of five views, and one step in full.

    A part of an id is looked up.
    """
    try:
        key = id_argument(trace_id, 32, "trace")
    except ApiError:
        return Response(status=302, headers={"Location": lookup_href(trace_id)})
    trace = reads().trace(key)
    if trace is None:
        raise unknown_trace(trace_id)
    asked = _asked()
    page = _page(trace, asked)
    if page is None:
        raise ApiError(404, "not_found", "This trace has no such run.", f"It has {len(trace.runs)}.")
    # The state that links inside the panel keep.
    state = {"run": asked.run, "view": page.view if page.view != "chain" else "", "mode": asked.mode}
    run_query = "".join(f"&{name}={value}" for name, value in state.items() if value)
    halt = view_stop(trace, page.run, stop_wanted(key, *lineage(trace, page.run)), now_ns())
    if halt.can_ask and not may_change():
        halt = replace(halt, can_ask=False)
    beside = {"marks": alert_marks(of_trace(key)), "halt": halt, "form": new_form() if halt.can_ask else ""}
    return render_template("run.html", nav="runs", page=page, run_query=run_query, **beside)


def _page(trace: Trace, asked: Asked) -> RunPage | None:
    lore = run_lore(trace.trace_id)
    return build_run_page(trace, asked, lore.span, now_ns(), lore)


def _asked() -> Asked:
    given = request.args
    start = given.get("from", "")
    run, mode = given.get("run", ""), given.get("mode", "")
    return Asked(
        run=run if run.isalnum() else "",
        step=given.get("step", "")[:40],
        panel=given.get("panel", "why"),
        start=int(start) if start.isdecimal() and len(start) < 9 else 0,
        view=given.get("view", "chain"),
        find=given.get("find", "").strip()[:200],
        mode=mode if mode in ("cut", "merged") else "",
        at=_share(given.get("at", "")),
    )


def _share(text: str) -> float | None:
    try:
        share = float(text)
    except ValueError:
        return None
    return share if 0 <= share <= 1 else None


@run_views.get("/traces/<trace_id>/spans/<span_id>/value")
def value(trace_id: str, span_id: str) -> Response:
    """Answer one value of a span as plain text, from a place on: what a page shows the beginning of. ``download`` gives all of it."""
    trace_key, span_key = id_argument(trace_id, 32, "trace"), id_argument(span_id, 16, "span")
    lore = run_lore(trace_key)
    span = lore.span(span_key)
    if span is None:
        raise ApiError(404, "not_found", "No span of this id is stored in this trace.")
    path = _path(request.args.get("path", "[]"))
    try:
        found = value_at(span_parts(span, lore.records(span_key)), path)
    except LookupError:
        raise ApiError(404, "not_found", "This span has no value at that place.") from None
    text = value_text(found) if isinstance(found, str) else dump(found).decode("utf-8", "replace")
    if "download" in request.args:
        name = f"{span_id[:16].lower()}.{'txt' if isinstance(found, str) else 'json'}"
        return _plain(text, {"Content-Disposition": f'attachment; filename="{name}"'})
    start = request.args.get("from", "0")
    since = int(start) if start.isdecimal() and len(start) < 12 else 0
    return _plain(text[since : since + _MOST_AT_ONCE], {"X-Clew-Length": str(len(text))})


def _path(text: str) -> list[Any]:
    try:
        path = orjson.loads(text[:4_000])
    except orjson.JSONDecodeError:
        path = None
    if not isinstance(path, list) or len(path) > 60:
        raise ApiError(400, "bad_path", "The path is no JSON list of names and numbers.")
    return path


def _plain(text: str, headers: dict[str, str]) -> Response:
    # Plain text and nosniff: whatever a trace holds, a browser shows it and never runs it.
    return Response(text.encode("utf-8", "replace"), content_type="text/plain; charset=utf-8", headers=headers)
