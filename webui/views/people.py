"""Pages of one session, user or agent."""

from flask import Blueprint, render_template

from ingest.model import TraceSummary
from ingest.store.query import Comparison
from webui.errors import ApiError
from webui.format import now_ns
from webui.pages.runs import build_person_page
from webui.reads import ListQuery, reads

people_views = Blueprint("people", __name__)

_MOST = 100


@people_views.get("/sessions/<whole:name>")
def session(name: str) -> str:
    """Show the runs of a session in the order they started."""
    found = reads().session(name, _MOST)
    return _page("session", name, found, more=len(found) == _MOST)


@people_views.get("/users/<whole:name>")
def user(name: str) -> str:
    """Show the newest runs of a user."""
    return _newest("user", name)


@people_views.get("/agents/<whole:name>")
def agent(name: str) -> str:
    """Show the newest runs of an agent."""
    return _newest("agent", name)


def _newest(kind: str, name: str) -> str:
    found, cursor = reads().listed(ListQuery(Comparison(kind, "=", name), limit=_MOST))
    return _page(kind, name, found, more=cursor is not None)


def _page(kind: str, name: str, found: list[TraceSummary], *, more: bool) -> str:
    if not found:
        raise ApiError(404, "not_found", f"No run of this {kind} was ever received here.", "New runs are listed within 2 seconds.")
    return render_template("person.html", nav="runs", page=build_person_page(kind, name, found, more, now_ns()))
