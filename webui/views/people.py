"""Pages of one session or user."""

from flask import Blueprint, render_template

from ingest.model import TraceSummary
from ingest.store.query import Comparison
from webui.errors import ApiError
from webui.format import now_ns
from webui.pages.runs import Person, build_person_page
from webui.reads import ListQuery, reads
from webui.reads_analysis import usual_by_agent

people_views = Blueprint("people", __name__)

_MOST = 100


@people_views.get("/sessions/<whole:name>")
def session(name: str) -> str:
    """Show the runs of a session in the order they started."""
    found = reads().session(name, _MOST + 1)
    return _page("session", name, found)


@people_views.get("/users/<whole:name>")
def user(name: str) -> str:
    """Show the newest runs of a user."""
    found, _ = reads().listed(ListQuery(Comparison("user", "=", name), limit=_MOST + 1))
    return _page("user", name, found)


def _page(kind: str, name: str, found: list[TraceSummary]) -> str:
    if not found:
        raise ApiError(404, "not_found", f"No run of this {kind} was ever received here.", "New runs are listed within 2 seconds.")
    shown = found[:_MOST]
    who = Person(kind, name, shown, len(found) > _MOST, usual_by_agent(shown))
    return render_template("person.html", nav="runs", page=build_person_page(who, now_ns()))
