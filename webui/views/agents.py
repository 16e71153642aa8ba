"""All agents, and one of them."""

from flask import Blueprint, render_template

from ingest.store.query import Comparison
from webui.analysis.baseline import usual_of
from webui.errors import ApiError
from webui.format import now_ns
from webui.pages.agents import AgentFacts, build_agent_page, build_agents_page
from webui.pages.links import person_href
from webui.pages.range import range_of
from webui.reads import ListQuery, reads
from webui.reads_analysis import decisions, endings, tools, usual_by_agent

from .ranges import days_argument, last_argument

agents_views = Blueprint("agents", __name__)

_NEWEST = 30


@agents_views.get("/agents")
def agents() -> str:
    """Show all agents that ran."""
    days = days_argument()
    range_ = range_of("/agents", (last_argument(), ""), days.first_day, ())
    return render_template("agents.html", nav="agents", page=build_agents_page(endings(days), range_))


@agents_views.get("/agents/<whole:name>")
def agent(name: str) -> str:
    """Show one agent: its versions, tools, choices and newest runs. An agent that only ever worked inside others has no runs of its own."""
    days, newest = days_argument(), reads().listed(ListQuery(Comparison("agent", "=", name), limit=_NEWEST))[0]
    ended, used, chosen = endings(days, name), tools(days, name), decisions(days, name)
    if not newest and not used and not chosen:
        raise ApiError(404, "not_found", "No run of this agent was ever received here.", "New runs are listed within 2 seconds.")
    usual = usual_by_agent(newest[:1]).get(name) or usual_of(name, ())
    range_ = range_of(person_href("agents", name), (last_argument(), ""), days.first_day, ())
    facts = AgentFacts(name, ended, usual, used, chosen, newest)
    return render_template("agent.html", nav="agents", page=build_agent_page(facts, range_, now_ns()))
