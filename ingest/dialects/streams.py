"""Tool requests whose streamed pieces an emitter ran together, without regard for the call that each piece belonged to."""

import json
from collections.abc import Sequence
from typing import Any

from ingest.model import ToolRequest

from .values import arguments_of

_MOST_JOINED = 32
_decode = json.JSONDecoder().raw_decode
_SEAM = "}{"


def are_joined(requests: Sequence[ToolRequest]) -> bool:
    """Tell whether a request's arguments look like several objects one after another. Cheap: nothing is decoded."""
    for request in requests:
        arguments = request.arguments
        if type(arguments) is str and _SEAM in arguments:
            return True
    return False


def separate(requests: Sequence[ToolRequest], offered: Sequence[str]) -> list[ToolRequest]:
    """Return requests with those taken apart whose name is several offered names in a row, one for each of their arguments."""
    apart: list[ToolRequest] = []
    for request in requests:
        arguments = _objects(request.arguments)
        names = _names(request.name, offered) if arguments and request.name not in offered else []
        if len(names) == len(arguments) > 1:
            ids = _ids(request.call_id, len(names))
            apart.extend(ToolRequest(*one) for one in zip(ids, names, map(arguments_of, arguments), strict=True))
        else:
            apart.append(request)
    return apart


def _objects(text: Any) -> list[dict[str, Any]]:
    """Return the objects that a text is made of; none where it is anything else."""
    found: list[dict[str, Any]] = []
    place = 0
    while isinstance(text, str) and place < len(text):
        try:
            one, place = _decode(text, place)
        except (ValueError, RecursionError):
            return []
        if not isinstance(one, dict) or len(found) == _MOST_JOINED:
            return []
        found.append(one)
    return found


def _names(joined: str, offered: Sequence[str]) -> list[str]:
    """Return the offered names that a text is made of, the longest that fits each time; none where something is left over."""
    longest_first = sorted(offered, key=len, reverse=True)
    names: list[str] = []
    place = 0
    while place < len(joined) and len(names) < _MOST_JOINED:
        name = next((one for one in longest_first if one and joined.startswith(one, place)), None)
        if name is None:
            return []
        names.append(name)
        place += len(name)
    return names if place == len(joined) else []


def _ids(joined: str | None, count: int) -> list[str | None]:
    """Return ids, which one maker makes of one length and with one beginning; the first alone has one where they are no such."""
    size, rest = divmod(len(joined or ""), count)
    parts: list[str | None] = [(joined or "")[size * place : size * (place + 1)] for place in range(count)]
    alike = size > 4 and not rest and len({part[:4] for part in parts if part}) == 1 and len(set(parts)) == count
    return parts if alike else [joined, *[None] * (count - 1)]
