"""Clocks on walls and clocks of the world: time zones, their gaps and their repeated hours."""

from datetime import UTC, date, datetime, time
from difflib import get_close_matches
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from .model import DomainError


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


def get_zone(name: str) -> ZoneInfo:
    """Return the time zone of an IANA name. Raises ``DomainError`` (unknown_time_zone) with the nearest known name."""
    # Asked of the list first: ZoneInfo opens a file of the name it is given.
    if name in _names():
        return ZoneInfo(name)
    near = get_close_matches(name, _names(), n=1) or ["Europe/London"]
    raise DomainError("unknown_time_zone", f"{name[:40]!r} is not a time zone. Use an IANA name such as {near[0]}.")


def at_wall(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Return in UTC when clocks of this zone show this time on this day: the first time if twice, as much later as is skipped if never."""
    return datetime.combine(day, clock, zone).astimezone(UTC)


def to_seconds(moment: datetime) -> int:
    """Return an aware time as seconds since the epoch."""
    return int(moment.timestamp())


def from_seconds(seconds: int) -> datetime:
    """Return seconds since the epoch as a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def say(moment: datetime, zone: ZoneInfo) -> str:
    """Return a time as people say it there: ``Thursday 5 March 2026 at 15:00 (Europe/London)``."""
    shown = moment.astimezone(zone)
    return f"{shown:%A} {shown.day} {shown:%B %Y} at {shown:%H:%M} ({zone.key})"
