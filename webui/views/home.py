"""Home and lookup."""

from dataclasses import dataclass

from flask import Blueprint, Response, render_template, request

from ingest.model import TraceSummary
from webui import reads_costs
from webui.analysis.today import today_of
from webui.format import clip, clock, now_ns, short_id, termination_word, tone
from webui.lookup import Lookup, Match, Miss, look_up
from webui.pages.home import HomeFacts, build_home_page
from webui.pages.links import trace_href
from webui.pages.spend import Asked
from webui.reads import ListQuery, library, reads
from webui.reads_alerts import counts

home_views = Blueprint("home", __name__)

_NEWEST = 15
_FIRING = 5
_TITLES = {
    "never_seen": "Never seen", "settling": "Still settling", "deleted_by_retention": "Deleted by retention",
    "not_permitted": "Not yours to read", "malformed": "That cannot be looked up",
}  # fmt: skip


@home_views.get("/")
def home() -> str:
    """Show the lookup box, what is burning, what it costs, and what changed since yesterday."""
    now = now_ns()
    return render_template("home.html", page=build_home_page(home_facts(now), library().endpoint, now))


def home_facts(now: int) -> HomeFacts:
    """Read what the home page is made of: roll-ups of the last days, and a few rows of runs and alerts."""
    budgets = reads_costs.budgets(Asked())
    return HomeFacts(
        newest=reads().listed(ListQuery(limit=_NEWEST))[0],
        firing=reads_costs.firing(_FIRING),
        firing_count=counts().get("firing", 0),
        live=reads_costs.live_runs(),
        today=today_of(reads_costs.hourly(now, 8), now),
        rate=reads_costs.rate(now),
        month=reads_costs.month(Asked(), budgets.month_nanos, now),
        budgets=budgets,
        changes=reads_costs.changes(now),
    )


@dataclass(frozen=True, slots=True)
class MatchRow:
    """A match of several, as listed."""

    href: str
    started: str
    agent: str
    short: str
    matched: str
    asked: str
    why: str
    tone: str


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


def _match_row(match: Match, known: TraceSummary | None, now: int) -> MatchRow:
    """Return a match with what tells it from the others: what was asked, and how it ended."""
    return MatchRow(
        match_href(match),
        clock(match.started_ns, now),
        clip(match.agent, 60),
        short_id(match.trace_id),
        clip(match.matched, 160),
        clip(known.input, 160) if known is not None else "",
        termination_word(known.termination) if known is not None else "settling",
        tone(known.termination) if known is not None else "live",
    )


def _page(found: Lookup) -> LookupPage:
    now = now_ns()
    known = reads().summaries([match.trace_id for match in found.matches])
    rows = tuple(_match_row(match, known.get(match.trace_id), now) for match in found.matches)
    miss = found.miss or Miss("never_seen", "")
    return LookupPage(rows, _TITLES[miss.reason], miss.message)
