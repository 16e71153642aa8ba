"""What pages about many runs have in common: which days, which agent, and how to get at the runs behind a figure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from webui.format import clip

from .links import filter_text, quoted, runs_href, with_state
from .runs import Choice

RANGES = (("1d", "today", 1), ("7d", "7 d", 7), ("30d", "30 d", 30), ("90d", "90 d", 90))
DEFAULT = "7d"


@dataclass(frozen=True, slots=True)
class AgentChoice:
    """An agent to pick from a list."""

    name: str
    text: str
    current: bool


@dataclass(frozen=True, slots=True)
class Range:
    """What a page is about, and its menu."""

    path: str
    last: str
    agent: str
    first_day: int
    words: str
    ranges: tuple[Choice, ...]
    agents: tuple[AgentChoice, ...]
    all_href: str
    json_href: str

    def runs(self, *conditions: str, order: str = "") -> str:
        """Return the runs that began in these days and meet all conditions."""
        since = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=self.first_day)).strftime("%Y-%m-%d")
        told = " and ".join((*(one for one in conditions if one), f"started >= {since}"))
        return runs_href(filter=told, order=order)


def days_of(last: str) -> int:
    """Return how many days a range has; seven for an unknown one."""
    return next((days for key, _, days in RANGES if key == last), 7)


def known_range(last: str) -> str:
    """Return a range as it is known, the default for anything else."""
    return last if any(key == last for key, _, _ in RANGES) else DEFAULT


def range_of(path: str, asked: tuple[str, str], first_day: int, agents: Iterable[str]) -> Range:
    """Return the menu of a page; ``asked`` are its range and agent."""
    last, agent = asked
    since = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=first_day)).strftime("%Y-%m-%d")
    number = days_of(last)
    return Range(
        path=path,
        last=last,
        agent=agent,
        first_day=first_day,
        words="today, UTC" if number == 1 else f"the last {number} days, UTC",
        ranges=tuple(Choice(text, with_state(path, last=_plain(key), agent=agent), key == last) for key, text, _ in RANGES),
        agents=tuple(AgentChoice(name, clip(name, 60), name == agent) for name in sorted({*agents, agent} - {""}, key=str.casefold)),
        all_href=with_state(path, last=_plain(last)) if agent else "",
        json_href=_json_href(path, since, agent),
    )


_BY = {"/terminations": "termination,agent", "/agents": "agent,termination"}


def _json_href(path: str, since: str, agent: str) -> str:
    """Return where a program gets what a page shows."""
    if path in _BY:
        return with_state("/api/v1/costs", by=_BY[path], from_=since)
    return with_state(f"/api/v1{path}", from_=since, agent=agent) if not path.startswith("/agents/") else ""


def _plain(last: str) -> str:
    return "" if last == DEFAULT else last


def chose(chosen: str, branch: str) -> str:
    """Return the condition on decisions for an option at a branch point."""
    return f"decision chose {quoted(chosen)} at {quoted(branch)}"


def ended(reason: str) -> str:
    """Return the condition on how a run ended."""
    return filter_text("termination", reason)
