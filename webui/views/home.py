"""Home and lookup."""

from dataclasses import dataclass

from flask import Blueprint, Response, render_template, request

from ingest.store.query import CostTable
from webui.format import clip, clock, now_ns, short_id
from webui.lookup import Lookup, Match, Miss, look_up
from webui.pages.home import build_home_page
from webui.pages.links import trace_href
from webui.reads import ListQuery, library, reads

home_views = Blueprint("home", __name__)

_DAY_NS = 86_400 * 10**9
_NEWEST = 15
_TITLES = {
    "never_seen": "Never seen", "settling": "Still settling", "deleted_by_retention": "Deleted by retention",
    "not_permitted": "Not yours to read", "malformed": "That cannot be looked up",
}  # fmt: skip


@home_views.get("/")
def home() -> str:
    """Show the lookup box, the newest runs and the last day."""
    now = now_ns()
    newest, _ = reads().listed(ListQuery(limit=_NEWEST))
    return render_template("home.html", page=build_home_page(newest, _recent(now), library().endpoint, now))


def _recent(now: int) -> tuple[str, CostTable]:
    """Return the last day by termination, or the last thirty where it was quiet."""
    day = reads().costs(("termination",), now - _DAY_NS, now)
    return ("24h", day) if day.total.runs else ("30d", reads().costs(("termination",), now - 30 * _DAY_NS, now))


@dataclass(frozen=True, slots=True)
class MatchRow:
    """A match of several, as listed."""

    href: str
    started: str
    agent: str
    short: str
    matched: str


@dataclass(frozen=True, slots=True)
class LookupPage:
    """Several matches, or why there is none."""

    matches: tuple[MatchRow, ...]
    title: str
    message: str


@home_views.get("/lookup")
def lookup() -> Response:
    """Go to the run when there is exactly one; else show the matches, or why there are none."""
    asked = request.args.get("q", "")
    found = look_up(asked, reads().sources()) if asked.strip() else Lookup(miss=Miss("malformed", ""))
    if len(found.matches) == 1:
        return Response(status=302, headers={"Location": match_href(found.matches[0])})
    page = render_template("lookup.html", found=_page(found), shown_q=clip(asked, 300), lookup_q=asked[:300])
    return Response(page, 200 if found.matches or not asked.strip() else 404)


def match_href(match: Match) -> str:
    """Return the page of a match: the run, at the step that was asked for."""
    return trace_href(match.trace_id, step=match.span_id.hex() if match.span_id else None)


def _page(found: Lookup) -> LookupPage:
    now = now_ns()
    rows = tuple(
        MatchRow(
            match_href(match),
            clock(match.started_ns, now),
            clip(match.agent, 60),
            short_id(match.trace_id),
            clip(match.matched, 160),
        )
        for match in found.matches
    )
    miss = found.miss or Miss("never_seen", "")
    return LookupPage(rows, _TITLES[miss.reason], miss.message)
