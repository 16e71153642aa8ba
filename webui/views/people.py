"""The sessions and users of late, and the page of one of them."""

from flask import Blueprint, render_template, request

from ingest.model import TraceSummary
from ingest.store.people import PersonKind
from ingest.store.query import Comparison
from webui.errors import ApiError
from webui.format import now_ns
from webui.pages.people import build_people_page
from webui.pages.range import range_of
from webui.pages.runs import Person, build_person_page
from webui.reads import ListQuery, reads
from webui.reads_analysis import people, usual_by_agent

from .ranges import days_argument, last_argument

people_views = Blueprint("people", __name__)

_MOST = 100


@people_views.get("/sessions")
def sessions() -> str:
    """Show the sessions of late."""
    return _list("session")


@people_views.get("/users")
def users() -> str:
    """Show the users of late."""
    return _list("user")


def _list(kind: PersonKind) -> str:
    days = days_argument()
    range_ = range_of(f"/{kind}s", (last_argument(), ""), days.first_day, ())
    page = build_people_page(kind, people(kind, days), range_, request.args.get("order", ""), now_ns())
    return render_template("people.html", nav="runs", page=page)


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
