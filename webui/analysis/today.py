"""Today beside other days at the same time of day. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

_HOURS = 24
_HOUR_NS = 3_600 * 10**9
_FEWEST_DAYS = 3


@dataclass(frozen=True, slots=True)
class Today:
    """What today cost so far, and what other days had cost by now: the running hour of those is taken in part, as if it were even."""

    nanos: int
    yesterday_nanos: int
    usual_nanos: int | None
    """The median of the last seven days that anything is known of; None for fewer than three."""
    usual_days: int


def today_of(hours: Mapping[int, int], now_ns: int) -> Today:
    """Return today against yesterday and the usual; ``hours`` are nano-dollars by hour since the epoch, over eight days or more."""
    hour, part = now_ns // _HOUR_NS, now_ns % _HOUR_NS / _HOUR_NS
    first = min(hours, default=hour)

    def by_now(back: int) -> int:
        same = hour - back * _HOURS
        whole = sum(hours.get(one, 0) for one in range(same // _HOURS * _HOURS, same))
        return whole + round(hours.get(same, 0) * (part if back else 1))

    # A day that began before anything was known says nothing.
    known = [by_now(back) for back in range(1, 8) if (hour // _HOURS - back) * _HOURS >= first // _HOURS * _HOURS]
    usual = round(median(known)) if len(known) >= _FEWEST_DAYS else None
    return Today(by_now(0), by_now(1), usual, len(known))
