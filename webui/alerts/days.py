"""A3 on what the store has of agents' days: what crept up, and on which day that was sure."""

from collections.abc import Callable, Iterator

from sqlalchemy import Connection

from ingest.store.agent_days import read_days
from webui.analysis.detectors.drift import DayFigure, Drift, drifts

_HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * _HOUR_NS
_HALF_YEAR = 182


def day_of(now_ns: int) -> int:
    """Return the day that is not over yet; one is for an hour more, since its last runs are still ending."""
    return (now_ns - _HOUR_NS) // DAY_NS


LimitOf = Callable[[str], float | None]
"""Returns the limit of an agent, in sigma; None where the rule is off."""


def drifts_since(conn: Connection, project_id: int, days: range, limit_of: LimitOf, agent: str = "") -> Iterator[Drift]:
    """Yield what became sure on certain days, for all agents or one.

    It is judged from the same day on for half a year, so that what was told is not told otherwise anew.
    """
    since = (days.stop // _HALF_YEAR - 1) * _HALF_YEAR
    for name, known in read_days(conn, project_id, since, agent).items():
        limit = limit_of(name)
        if limit is not None:
            figures = [DayFigure(one.day, one.runs, one.cost_nanos, one.duration_ns) for one in known]
            yield from (one for one in drifts(name, figures, limit) if one.day in days)
