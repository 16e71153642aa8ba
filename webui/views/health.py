"""Liveness, readiness and metrics."""

from flask import Blueprint, Response

from webui.errors import json_response
from webui.reads import AWAY, library, reads

health_views = Blueprint("health", __name__)


@health_views.get("/healthz")
def healthz() -> Response:
    """Answer that this process serves."""
    return json_response({"status": "ok"})


@health_views.get("/readyz")
def readyz() -> Response:
    """Answer whether the store is reachable and has the current schema; 503 with the reason otherwise."""
    problem = library().problem()
    return json_response({"status": "unavailable", "reason": problem} if problem else {"status": "ok"}, 503 if problem else 200)


@health_views.get("/metrics")
def metrics() -> Response:
    """Answer Prometheus text."""
    lines = library().telemetry.lines()
    try:
        lines += _gauge("clew_traces_unlinked", "Traces that arrived and are in no list yet.", reads().unlinked())
        lines += _gauge("clew_store_away", "1 while the store cannot be read.", 0)
    except AWAY:
        # Counts of answers are worth most while the store is away; what it alone knows is left out rather than invented.
        lines += _gauge("clew_store_away", "1 while the store cannot be read.", 1)
    return Response("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4; charset=utf-8")


def _gauge(name: str, about: str, value: int) -> list[str]:
    return [f"# HELP {name} {about}", f"# TYPE {name} gauge", f"{name} {value}"]
