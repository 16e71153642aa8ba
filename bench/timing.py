"""Timing reads over HTTP: one kept-alive connection, from the first byte of a request to the last of its answer."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from .fill import WrongAnswer
from .server import Server

_LONGEST_MS = 10_000.0
"""After so long no more reads of a kind are made: what is that slow need not be measured often."""

Check = Callable[[Any], bool]
"""Takes an answer's JSON and tells whether it is right."""


def time_reads(server: Server, reads: Iterable[tuple[str, Check]]) -> list[float]:
    """Return how many milliseconds each read took. Raises ``WrongAnswer`` where one is not right."""
    took_ms = []
    for path, is_right in reads:
        answer = server.get(path)
        if answer.status != 200 or not is_right(answer.json()):
            raise WrongAnswer(f"{server.name} answered {path[:200]} with {answer.status}: {answer.body[:300]!r}")
        took_ms.append(answer.took_ms)
        if sum(took_ms) > _LONGEST_MS:
            break
    return took_ms


def with_query(path: str, **parameters: str) -> str:
    """Return a path with its parameters; a trailing ``_`` of a name is dropped (``from_``)."""
    return path + "?" + "&".join(f"{name.rstrip('_')}={quote(value)}" for name, value in parameters.items())
