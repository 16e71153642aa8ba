"""Branch points."""

from flask import Blueprint, render_template

from webui.pages.decisions import build_decisions_page
from webui.pages.range import range_of
from webui.reads_analysis import decisions as read_decisions
from webui.reads_analysis import endings

from .ranges import agent_argument, days_argument, last_argument

decisions_views = Blueprint("decisions", __name__)


@decisions_views.get("/decisions")
def decisions() -> str:
    """Show which branch points there are, how often each option was taken, and how that ended."""
    days, agent = days_argument(), agent_argument()
    found = read_decisions(days, agent or None)
    agents = {one.branch.agent for one in found} | {row.agent for row in endings(days)}
    range_ = range_of("/decisions", (last_argument(), agent), days.first_day, agents)
    return render_template("decisions.html", nav="decisions", page=build_decisions_page(found, range_))
