"""The arguments of a request, each read and checked once: what is wrong is an error that says what would do."""

import re
from collections.abc import Sequence
from functools import cache

from flask import request

from ingest.store.query import BY, ORDERS, Filter, Order

from .errors import ApiError
from .filters import FilterError, nearest, parse_filter, parse_time
from .format import now_ns
from .openapi import document

MAX_LIMIT = 500
_MOST_SKIPPED = 1_000_000


def expect_known_arguments() -> None:
    """Refuse a query parameter that the route does not have, which would else seem to find everything. Raises ``ApiError`` 400."""
    if request.url_rule is None:
        return
    known = _known_arguments(request.url_rule.rule)
    for name in request.args:
        if name not in known:
            hint = nearest(name, known) if known else "This route takes none."
            raise ApiError(400, "unknown_parameter", f"There is no parameter {name[:40]!r} here.", hint)


@cache
def _known_arguments(rule: str) -> tuple[str, ...]:
    """Return the query parameters of a route, which the API's own document lists."""
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)
    parameters = document()["paths"].get(path, {}).get("get", {}).get("parameters", [])
    return tuple(one["name"] for one in parameters if one["in"] == "query")


def id_argument(text: str, digits: int, what: str) -> bytes:
    """Return an id from its hex digits; raises ``ApiError`` 400 for anything else."""
    plain = text.strip().lower()
    if len(plain) == 36 and digits == 32:
        plain = plain.replace("-", "")
    if not re.fullmatch(f"[0-9a-f]{{{digits}}}", plain):
        hint = "GET /api/v1/lookup?q= takes prefixes and more."
        raise ApiError(400, "malformed", f"A {what} id has {digits} hexadecimal digits.", hint)
    return bytes.fromhex(plain)


def limit_argument(default: int = 50) -> int:
    """Return the parameter ``limit``, at most 500."""
    text = request.args.get("limit", str(default))
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= MAX_LIMIT:
        raise ApiError(400, "bad_parameter", f"limit is a number from 1 to {MAX_LIMIT}.", "Use cursor to read on.")
    return int(text)


def skip_argument() -> int:
    """Return the parameter ``cursor`` of a list that is read on by counting: how many items went before."""
    text = request.args.get("cursor", "0")
    if not re.fullmatch(r"[0-9]{1,7}", text) or int(text) > _MOST_SKIPPED:
        raise ApiError(400, "bad_cursor", "This cursor was not given by this list.", "Start without cursor.")
    return int(text)


def time_argument(name: str) -> int | None:
    """Return a parameter that is a time: RFC 3339, a date, or relative as in ``-24h``."""
    text = request.args.get(name, "")
    if not text:
        return None
    # A plus sign that nobody quoted arrives as a space.
    at = parse_time(text.replace(" ", "+") if "T" in text else text, now_ns())
    if at is None:
        hint = "Write 2026-05-12T07:41:00Z, 2026-05-12 or -24h."
        raise ApiError(400, "bad_parameter", f"{name} is no time: {text[:40]!r}.", hint)
    return at


def filter_argument() -> Filter | None:
    """Return the parameter ``filter``, parsed."""
    try:
        return parse_filter(request.args.get("filter", ""), now_ns())
    except FilterError as error:
        raise ApiError(400, "bad_filter", str(error), error.hint) from error


def order_argument() -> Order:
    """Return the parameter ``order``."""
    asked = request.args.get("order", "started")
    for order in ORDERS:
        if order == asked:
            return order
    raise ApiError(400, "bad_parameter", f"There is no order {asked[:40]!r}.", nearest(asked, ORDERS))


def by_argument() -> tuple[str, ...]:
    """Return the parameter ``by``: what costs are grouped by, each once."""
    by = tuple(part.strip() for part in request.args.get("by", "day,model").split(",") if part.strip())
    for part in by:
        if part not in BY:
            raise ApiError(400, "bad_parameter", f"Costs cannot be grouped by {part[:40]!r}.", nearest(part, BY))
    _refuse_twice(by)
    return by


def _refuse_twice(by: Sequence[str]) -> None:
    if len(set(by)) != len(by):
        raise ApiError(400, "bad_parameter", "by names something twice.", f"Any of {', '.join(BY)}, each once.")
