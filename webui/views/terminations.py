"""Why runs stopped."""

from flask import Blueprint, render_template

from webui.pages.range import range_of
from webui.pages.terminations import build_terminations_page
from webui.reads_analysis import endings, endings_by_day

from .ranges import agent_argument, days_argument, last_argument

terminations_views = Blueprint("terminations", __name__)


@terminations_views.get("/terminations")
def terminations() -> str:
    """Show why runs stopped, how often, and what that cost."""
    days, agent = days_argument(), agent_argument()
    everyone = endings(days)
    found = [row for row in everyone if not agent or row.agent == agent]
    range_ = range_of("/terminations", (last_argument(), agent), days.first_day, {row.agent for row in everyone})
    page = build_terminations_page(found, endings_by_day(days, agent or None), range_, days.end_day)
    return render_template("terminations.html", nav="terminations", page=page)
