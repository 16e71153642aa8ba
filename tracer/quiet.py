"""The one place where a mistake of ours ends: the host never sees it, and the log hears of each kind once."""

import functools
import logging
import traceback
from collections.abc import Callable
from typing import ParamSpec

_log = logging.getLogger("clew")

_P = ParamSpec("_P")

_reported: set[tuple[type[Exception], str]] = set()

_MOST_REPORTED = 64
"""So many kinds are told; a host whose telemetry fails in ever new ways is not flooded either."""


def report(error: Exception) -> None:
    """Log that something could not be recorded, once a kind and place. The error's own text may hold a prompt and is left out."""
    *_, last = traceback.walk_tb(error.__traceback__) if error.__traceback__ is not None else (None,)
    place = last[0].f_code.co_qualname if last is not None else "?"
    if (type(error), place) in _reported or len(_reported) >= _MOST_REPORTED:
        return
    _reported.add((type(error), place))
    _log.warning("a record of this run was lost: %s in %s (told once)", type(error).__name__, place)


def quietly(function: Callable[_P, None]) -> Callable[_P, None]:
    """Make a function that records something lose the record rather than raise. What interrupts the host passes."""

    @functools.wraps(function)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception as error:
            report(error)

    return guarded
