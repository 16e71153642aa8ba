"""The production checklist."""

from flask import Blueprint, render_template

from webui.format import now_ns
from webui.pages.range import range_of
from webui.pages.readiness import build_readiness_page
from webui.reads_analysis import readiness as read_readiness

from .ranges import agent_argument, days_argument, last_argument

readiness_views = Blueprint("readiness", __name__)


@readiness_views.get("/readiness")
def readiness() -> str:
    """Show the checklist of each agent, judged from its traces."""
    days, agent = days_argument(), agent_argument()
    found = read_readiness(days)
    range_ = range_of("/readiness", (last_argument(), agent), days.first_day, found)
    return render_template("readiness.html", nav="readiness", page=build_readiness_page(found, range_, now_ns()))
