"""Asking the server, off the hot path, whether somebody stopped a run."""

import http.client
import json
import os
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.context import _SUPPRESS_HTTP_INSTRUMENTATION_KEY, _SUPPRESS_INSTRUMENTATION_KEY, attach, set_value

from ..quiet import report
from .active import Active
from .guard import Meter

_TIMEOUT_S = 3.0
_MOST_BYTES = 65_536
_MOST_CHARS = 500
_SHORTEST_S = 0.05

FAILURES_UNTIL_CLOSED = 3
"""So many failed questions in a row stop a run that fails closed."""


class Watched:
    """A run that can be stopped."""

    def __init__(self, trace_id: str, run_id: str, meter: Meter, pipeline: Active) -> None:
        self.trace_id = trace_id
        self.run_id = run_id
        self.meter = meter
        self.pipeline = pipeline
        self.failures = 0
        self.asked_s = time.monotonic()


_watched: dict[str, Watched] = {}
_asker: threading.Thread | None = None
# Reentrant: the garbage collector may close a generator, and so end a span, in a thread that is inside.
_starting = threading.RLock()
_waken = threading.Event()


def watch(run: Watched) -> None:
    """Begin to ask about a run; without a web address to ask, a run that fails closed is stopped at once."""
    if run.pipeline.control_url is None:
        if run.pipeline.fail_closed:
            run.meter.stopped = (None, "control unreachable")
        return
    global _asker
    with _starting:
        _watched[run.run_id] = run
        if _asker is None or not _asker.is_alive():
            _asker = threading.Thread(target=_ask_all, name="clew-control", daemon=True)
            _asker.start()
    _waken.set()


def unwatch(run_id: str) -> None:
    """Ask no more about a run."""
    _watched.pop(run_id, None)


def _ask_all() -> None:
    # What we ask is no part of anybody's trace.
    attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
    attach(set_value(_SUPPRESS_HTTP_INSTRUMENTATION_KEY, True))
    while True:
        runs = list(_watched.values())
        if not runs:
            _waken.wait()
            _waken.clear()
            continue
        for run in runs:
            pause_s = max(run.pipeline.control_interval_s, _SHORTEST_S)
            if time.monotonic() - run.asked_s >= pause_s and run.run_id in _watched:
                try:
                    ask(run)
                except Exception as error:
                    report(error)
        time.sleep(max(_SHORTEST_S, min(run.pipeline.control_interval_s for run in runs) / 2))


def ask(run: Watched) -> None:
    """Ask once, and stop the run where the answer says so; silent where there is no answer, unless the run fails closed."""
    run.asked_s = time.monotonic()
    try:
        answer = _get(run)
    except (OSError, ValueError, http.client.HTTPException):
        run.failures += 1
        if run.pipeline.fail_closed and run.failures >= FAILURES_UNTIL_CLOSED:
            run.meter.stopped = (None, "control unreachable")
        return
    run.failures = 0
    if answer.get("stop") is True:
        run.meter.stopped = (_word(answer.get("by")), _word(answer.get("reason")))
        unwatch(run.run_id)


def _word(value: object) -> str | None:
    return str(value)[:_MOST_CHARS] if value else None


def _get(run: Watched) -> dict[str, Any]:
    """Return the server's answer. Raises ``OSError``, ``ValueError`` or ``HTTPException`` where there is none."""
    base = urlsplit(run.pipeline.control_url or "")
    if not base.hostname:
        raise ValueError("no host to ask")
    connect = http.client.HTTPSConnection if base.scheme == "https" else http.client.HTTPConnection
    connection = connect(base.hostname, base.port, timeout=_TIMEOUT_S)
    headers = {"Accept": "application/json"}
    if run.pipeline.api_key:
        headers["Authorization"] = f"Bearer {run.pipeline.api_key}"
    try:
        # Redirects are not followed: the key is for this server alone.
        connection.request("GET", f"{base.path.rstrip('/')}/api/v1/traces/{run.trace_id}/control?run={run.run_id}", headers=headers)
        response = connection.getresponse()
        body = response.read(_MOST_BYTES)
    finally:
        connection.close()
    if response.status != 200:
        raise ValueError(f"answered {response.status}")
    answer = json.loads(body)
    if not isinstance(answer, dict):
        raise ValueError("no object")
    return answer


def _forget_parent() -> None:
    """After a fork, the parent asks about its runs."""
    global _asker, _starting
    _watched.clear()
    _waken.clear()
    _asker, _starting = None, threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
