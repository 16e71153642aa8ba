"""Whose clock times are told by: the reader's own, chosen once and kept in a cookie, else UTC.

The one ambient value here: a time is written in a hundred places, and in none of them is it anybody's business whose clock it is.
"""

import re
from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

COOKIE = "clew-zone"
UTC_NAME = "UTC"

_NANOS = 1_000_000_000
_LAST_SECOND = 253_402_300_799 - 2 * 86_400
"""Almost the end of the year 9999, the last that a calendar has: a zone ahead of UTC is there before UTC is."""

_NAME = re.compile(r"[A-Za-z0-9+_-]{1,40}(?:/[A-Za-z0-9+_-]{1,40}){0,2}")
_zone: ContextVar[tzinfo] = ContextVar("zone", default=UTC)


def find_zone(name: str) -> tzinfo | None:
    """Return the time zone of an IANA name, None for what is none."""
    if name == UTC_NAME:
        return UTC
    if not _NAME.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return None


def use_zone(name: str) -> None:
    """Tell times by a zone from here on in this request; by UTC where there is none of that name."""
    _zone.set(find_zone(name) or UTC)


def zone_name() -> str:
    """Return the name of the zone that times are told by."""
    return getattr(_zone.get(), "key", UTC_NAME)


def reader_time(at_ns: int) -> datetime:
    """Return a time by the reader's clock."""
    return datetime.fromtimestamp(min(at_ns // _NANOS, _LAST_SECOND), _zone.get())


def utc_time(at_ns: int) -> datetime:
    """Return a time in UTC."""
    return datetime.fromtimestamp(min(at_ns // _NANOS, _LAST_SECOND), UTC)
