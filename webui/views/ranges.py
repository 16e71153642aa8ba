"""Which days and which agent a request for a page about many runs is about."""

from flask import request

from webui.format import now_ns
from webui.pages.range import DEFAULT, days_of, known_range
from webui.reads_analysis import Days

_DAY_NS = 86_400 * 10**9


def last_argument() -> str:
    """Return the range asked for, the default for none or an unknown one."""
    return known_range(request.args.get("last", DEFAULT))


def agent_argument() -> str:
    """Return the agent asked for, empty for all."""
    return request.args.get("agent", "")[:200]


def days_argument() -> Days:
    """Return the days of the range asked for, today the last."""
    today = now_ns() // _DAY_NS
    return Days(today - days_of(last_argument()) + 1, today + 1)
