"""Open work speaks for itself: a scope that stays open says so, a run says so again and again, and the end of the process ends it."""

import atexit
import os
import threading
import time
from typing import Protocol

from ..quiet import report
from . import active


class Announcer(Protocol):
    """An open scope, as the watcher sees it. None of these raises."""

    opened_s: float
    """When it was opened, by ``time.monotonic``."""
    announced_s: float
    """When it last spoke; 0 before."""
    beats: bool
    """Whether it goes on to speak, as a run does."""

    def announce_started(self) -> None:
        """Say that it is open."""

    def announce_heartbeat(self) -> None:
        """Say that it is still open, and what it has used."""

    def end_at_exit(self) -> None:
        """End because the process does."""


open_scopes: dict[int, Announcer] = {}
"""The open scopes of this process by ``id``; a dict, whose single operations are safe from any thread."""

_waken = threading.Event()
_watcher: threading.Thread | None = None
prepared_for: active.Active | None = None
"""The pipeline for which all of this runs."""
# Reentrant: the garbage collector may close a generator, and so end a span, in a thread that is inside.
_starting = threading.RLock()

_LONGEST_PAUSE_S = 5.0


def prepare(pipeline: active.Active) -> None:
    """Start what the first scope of a pipeline needs."""
    global _watcher, prepared_for
    with _starting:
        prepared_for = pipeline
        # Registered after the pipeline's own hook, so that it runs before: what is ended here has still to be sent.
        atexit.unregister(end_open)
        atexit.register(end_open)
        if pipeline.heartbeat_s <= 0:
            return
        if _watcher is None or not _watcher.is_alive():
            _watcher = threading.Thread(target=_watch, name="clew-watcher", daemon=True)
            _watcher.start()
        _waken.set()


def _watch() -> None:
    while True:
        pipeline = active.current()
        if pipeline is None or pipeline.heartbeat_s <= 0:
            _waken.wait()
            _waken.clear()
            continue
        time.sleep(min(pipeline.announce_after_s / 2, pipeline.heartbeat_s / 2, _LONGEST_PAUSE_S))
        announce_due(time.monotonic(), pipeline)


def announce_due(now_s: float, pipeline: active.Active) -> None:
    """Let every open scope speak whose time it is."""
    for scope in list(open_scopes.values()):
        try:
            if not scope.announced_s:
                if now_s - scope.opened_s >= pipeline.announce_after_s:
                    scope.announced_s = now_s
                    scope.announce_started()
            elif scope.beats and pipeline.heartbeat_s > 0 and now_s - scope.announced_s >= pipeline.heartbeat_s:
                scope.announced_s = now_s
                scope.announce_heartbeat()
        except Exception as error:
            report(error)


def end_open() -> None:
    """End what is open, innermost first: the process ends."""
    for scope in sorted(open_scopes.values(), key=lambda scope: scope.opened_s, reverse=True):
        scope.end_at_exit()


def _forget_parent() -> None:
    """After a fork, the open scopes are the parent's to end, and its watcher is not here."""
    global _watcher, prepared_for, _starting
    open_scopes.clear()
    _waken.clear()
    _starting = threading.RLock()
    _watcher, prepared_for = None, None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
