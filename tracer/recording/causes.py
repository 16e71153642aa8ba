"""Telling an exception that passes through several scopes from a new one, without keeping it: it would keep the host's frames alive."""

from typing import NamedTuple


class Cause(NamedTuple):
    """An exception as it left a scope."""

    error_id: int
    """Its address, which another may have once it is gone."""
    length: int
    """How many frames it had come through."""
    trail: int
    """Which, and where in them, as a hash: another exception with the same address came another way."""
    kind: str
    """The step kind of the scope that it came from."""


Causes = tuple[Cause, ...]

_MOST = 8
"""So many are remembered: as many parallel steps of one scope may fail at once and be told apart."""


def known_cause(causes: Causes, error: BaseException) -> Cause | None:
    """Return what is known of an exception, None where it comes from the scope itself."""
    found = [cause for cause in causes if cause.error_id == id(error)]
    if not found:
        return None
    trail = _trail(error)
    return next((cause for cause in reversed(found) if hash(tuple(trail[-cause.length :])) == cause.trail), None)


def new_cause(error: BaseException, kind: str) -> Cause:
    """Remember an exception that comes from a scope of this kind."""
    trail = _trail(error)
    return Cause(id(error), len(trail), hash(tuple(trail)), kind)


def add_cause(causes: Causes, cause: Cause) -> Causes:
    """Return the latest, that one among them."""
    return (*causes[1 - _MOST :], cause)


def _trail(error: BaseException) -> list[tuple[int, int]]:
    """Return the frames that an exception came through, by their addresses, and the lines in them, outermost first.

    An exception keeps its frames alive. The outermost one is also alive while a scope around it is, so that a frame at its address is
    the same or came after it, through the scope that the first one came from.
    """
    places = []
    traceback = error.__traceback__
    while traceback is not None:
        places.append((id(traceback.tb_frame), traceback.tb_lineno))
        traceback = traceback.tb_next
    return places
