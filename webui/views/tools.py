"""Tools."""

from flask import Blueprint, render_template

from webui.pages.range import range_of
from webui.pages.tools import build_tools_page
from webui.reads_analysis import endings
from webui.reads_analysis import tools as read_tools

from .ranges import agent_argument, days_argument, last_argument

tools_views = Blueprint("tools", __name__)


@tools_views.get("/tools")
def tools() -> str:
    """Show the tools that were called: failures, latency, cost, waste and argument shapes."""
    days, agent = days_argument(), agent_argument()
    found = read_tools(days, agent or None)
    agents = {name for one in found for name, _ in one.agents} | {row.agent for row in endings(days)}
    range_ = range_of("/tools", (last_argument(), agent), days.first_day, agents)
    return render_template("tools.html", nav="tools", page=build_tools_page(found, range_))
