"""What a page about money is asked for: which time, by what, narrowed to what; and the addresses that say so."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from .links import costs_href, filter_text, person_href, quoted, runs_href

HOUR_NS = 3_600 * 10**9
DAY_NS = 24 * HOUR_NS

RANGES = (("24h", "24 h"), ("2d", "48 h"), ("7d", "7 d"), ("30d", "30 d"), ("90d", "90 d"), ("month", "this month"))
DEFAULT = "30d"
BY_WORDS = {
    "model": "model", "agent": "agent", "termination": "why it stopped", "tool": "tool", "provider": "provider",
    "operation": "operation", "service": "service", "environment": "environment", "user": "user", "session": "session",
}  # fmt: skip
"""What costs can be split by on the page, and what that is called there."""
PEOPLE = ("user", "session")

_HOURS = {"24h": 24, "2d": 48}
_DAYS = {"7d": 7, "30d": 30, "90d": 90}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for."""

    last: str = DEFAULT
    by: str = "model"
    where: tuple[tuple[str, str], ...] = ()
    instead: str = ""
    """The model that all others are compared with; empty for the next cheaper one of each."""
    from_ns: int | None = None
    to_ns: int | None = None
    """A time of its own, instead of one of the ranges."""

    def href(self, path: str = "/costs", **changes: str) -> str:
        """Return the address with some of its state changed."""
        last, by = self.last if self.last != DEFAULT else "", self.by if self.by != "model" else ""
        state: dict[str, str | int | None] = {"last": last, "by": by}
        if self.from_ns is not None:
            state["last"], state["from_"] = "", iso(self.from_ns)
            state["to"] = iso(self.to_ns) if self.to_ns is not None else ""
        state |= dict(self.where) | {"instead": self.instead} | changes
        return costs_href(**state).replace("/costs", path, 1)

    def narrowed(self, name: str, value: str, by: str) -> "Asked":
        """Return what asks for one value of what it is split by, split by something else."""
        where = (*((one, other) for one, other in self.where if one != name), (name, value))
        return replace(self, where=where, by=by)

    def without(self, name: str) -> "Asked":
        """Return what is not narrowed by something."""
        return replace(self, where=tuple(pair for pair in self.where if pair[0] != name))


def iso(at_ns: int) -> str:
    """Write a time as the filter language and the API read it."""
    return datetime.fromtimestamp(at_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time, from whole hours or days on until now."""

    from_ns: int
    to_ns: int
    bucket: Literal["hour", "day"]
    is_open: bool
    """True where its last bucket is not over."""

    @property
    def bucket_ns(self) -> int:
        """Return the length of a bucket."""
        return HOUR_NS if self.bucket == "hour" else DAY_NS

    @property
    def buckets(self) -> range:
        """Return the buckets it touches, counted since the epoch."""
        return range(self.from_ns // self.bucket_ns, -(-self.to_ns // self.bucket_ns))

    def before(self) -> "Period":
        """Return the time of the same length before it, up to the same hour of it."""
        length = len(self.buckets) * self.bucket_ns
        # To the nearest hour: the bill is kept by hours.
        until = self.to_ns - length
        return Period(self.from_ns - length, (until + HOUR_NS // 2) // HOUR_NS * HOUR_NS, self.bucket, False)


def period_of(asked: Asked, now_ns: int) -> Period:
    """Return the time that is asked for: whole hours up to two days, else whole UTC days, the last of them until now."""
    if asked.from_ns is not None:
        to_ns = min(asked.to_ns if asked.to_ns is not None else now_ns, now_ns)
        hours = to_ns - asked.from_ns <= 2 * DAY_NS
        unit = HOUR_NS if hours else DAY_NS
        return Period(asked.from_ns // unit * unit, max(to_ns, asked.from_ns + 1), "hour" if hours else "day", to_ns == now_ns)
    if asked.last in _HOURS:
        return Period((now_ns // HOUR_NS - _HOURS[asked.last] + 1) * HOUR_NS, now_ns, "hour", True)
    if asked.last == "month":
        return Period(month_of(now_ns)[0] * DAY_NS, now_ns, "day", True)
    return Period((now_ns // DAY_NS - _DAYS.get(asked.last, 30) + 1) * DAY_NS, now_ns, "day", True)


def month_of(at_ns: int) -> tuple[int, int]:
    """Return the first day of the month in UTC and of the next one, since the epoch."""
    at = datetime.fromtimestamp(at_ns // 10**9, UTC)
    first = datetime(at.year, at.month, 1, tzinfo=UTC)
    after = datetime(at.year + (at.month == 12), at.month % 12 + 1, 1, tzinfo=UTC)
    return int(first.timestamp()) // 86_400, int(after.timestamp()) // 86_400


def words_of(asked: Asked, period: Period) -> str:
    """Say which time a page is about."""
    if asked.from_ns is not None:
        return f"{day_words(period.from_ns)} to {day_words(period.to_ns)}, UTC"
    if asked.last == "month":
        return f"{day_words(period.from_ns)} until now, days in UTC"
    if period.bucket == "hour":
        return f"the last {len(period.buckets)} hours, UTC"
    return f"the last {len(period.buckets)} days, in UTC, today included"


def day_words(at_ns: int) -> str:
    """Write a day, and the time of day where it is not its beginning."""
    at = datetime.fromtimestamp(at_ns // 10**9, UTC)
    clock = at.strftime(" %H:%M") if at_ns % DAY_NS else ""
    return f"{at.day} {at.strftime('%b')}{clock}"


# --- the runs behind a figure -----------------------------------------------------------------------------------------

_OPERATIONS = {"chat": "llm_calls > 0", "text_completion": "llm_calls > 0", "generate_content": "llm_calls > 0",
               "llm": "llm_calls > 0", "execute_tool": "tool_calls > 0"}  # fmt: skip
_STATED = ("service", "environment", "user", "session")


def condition(name: str, value: str) -> str:
    """Return the condition of the filter language on what costs are split by; empty where it has none."""
    if name == "operation":
        return _OPERATIONS.get(value, "")
    if value:
        return filter_text(name, value)
    return f'not {name} contains ""' if name in _STATED else ""


def began(from_ns: int, to_ns: int | None) -> str:
    """Return the condition that a run began in a time."""
    until = f" and started < {_time(to_ns)}" if to_ns is not None else ""
    return f"started >= {_time(from_ns)}{until}"


def _time(at_ns: int) -> str:
    return iso(at_ns)[:10] if at_ns % DAY_NS == 0 else quoted(iso(at_ns))


def runs_of(asked: Asked, period: Period, *conditions: str, order: str = "") -> str:
    """Return the list of the runs that a page is about and that meet conditions."""
    narrowed = (condition(name, value) for name, value in asked.where)
    until = None if period.is_open else period.to_ns
    told = " and ".join(one for one in (*conditions, *narrowed, began(period.from_ns, until)) if one)
    return runs_href(filter=told, order=order)


def group_href(asked: Asked, period: Period, name: str, top_agents: frozenset[str]) -> str:
    """Return the runs of a group of what a page is split by; of an agent that only worked inside others, its own page."""
    if asked.by == "agent" and name not in top_agents:
        return person_href("agents", name) if name else ""
    told = condition(asked.by, name)
    return runs_of(asked, period, told) if told else ""
