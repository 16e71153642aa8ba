"""The API's routes about money: sums by anything, and every figure of the cost page and of home."""

from flask import Blueprint, Response, request

from webui.analysis.repricing import cache_savings, latest_rates, what_if
from webui.analysis.today import today_of
from webui.pages.cost_chart import marks_of
from webui.pages.home import change_lines
from webui.pages.spend import BY_WORDS, Asked, Period, period_of

from . import reads_costs
from .alerts_json import alert_json
from .api_json import Json, summary_json, usd
from .arguments import expect_known_arguments, limit_argument, time_argument
from .bill_facts import read_facts
from .costs_json import check_json, dearest_json, marks_json, month_json, overview_json, rate_json, whatif_json
from .errors import ApiError, json_response
from .format import now_ns

api_costs = Blueprint("api_costs", __name__, url_prefix="/api/v1")

api_costs.before_request(expect_known_arguments)

_DEFAULT_DAYS = 30
_DAY_NS = 86_400 * 10**9


def narrowing() -> tuple[tuple[str, str], ...]:
    """Return what the request narrows costs to."""
    return tuple((name, request.args[name]) for name in BY_WORDS if request.args.get(name))


def _asked() -> tuple[Asked, Period, int]:
    """Return what is asked for: hours for up to two days, else whole UTC days; the last thirty by default."""
    now = now_ns()
    from_ns, to_ns = time_argument("from"), time_argument("to")
    since = from_ns if from_ns is not None else (now // _DAY_NS - _DEFAULT_DAYS + 1) * _DAY_NS
    if since >= min(now, to_ns if to_ns is not None else now):
        raise ApiError(400, "bad_parameter", "from is not before to, or not before now.", "Write -30d, 2026-05-12 or 2026-05-12T07:41:00Z.")
    asked = Asked(where=narrowing(), from_ns=max(since, 0), to_ns=to_ns)
    return asked, period_of(asked, now), now


@api_costs.get("/costs/overview")
def overview() -> Response:
    """Answer the figures of the cost page: total, budget, forecast, losses, cache, unpriced."""
    asked, period, now = _asked()
    facts = read_facts(asked, period, now)
    return json_response(overview_json(facts, cache_savings(facts.rows, facts.rates)))


@api_costs.get("/costs/whatif")
def whatif() -> Response:
    """Answer what the same tokens would have cost on another model."""
    asked, period, _ = _asked()
    instead = request.args.get("instead", "")
    rates = latest_rates(reads_costs.prices(period))
    if instead and instead not in {model for _, model in rates}:
        raise ApiError(400, "bad_parameter", f"No price is known here for {instead[:60]!r}.", "Name a model that was used in this time.")
    return json_response(whatif_json(what_if(reads_costs.cube(period, asked.where), rates, instead, limit_argument()), period))


@api_costs.get("/costs/runs")
def dearest() -> Response:
    """Answer the runs that cost most."""
    asked, period, _ = _asked()
    return json_response(dearest_json(reads_costs.dearest(period, asked, limit_argument(10)), period))


@api_costs.get("/costs/marks")
def marks() -> Response:
    """Answer new versions, changed prices and alerts of a time."""
    asked, period, _ = _asked()
    return json_response(marks_json(marks_of(reads_costs.marks(period, asked)), period))


@api_costs.get("/costs/check")
def check() -> Response:
    """Answer whether the roll-ups agree with the ledger. Costs the ledger rows of the time."""
    _, period, _ = _asked()
    return json_response(check_json(reads_costs.check(period), period))


@api_costs.get("/home")
def home() -> Response:
    """Answer what is burning, what it costs and what changed since yesterday."""
    return json_response(_home_json(now_ns()))


def _home_json(now: int) -> Json:
    today, budgets = today_of(reads_costs.hourly(now, 8), now), reads_costs.budgets(Asked())
    changes = change_lines(reads_costs.changes(now))
    return {
        "firing": [alert_json(one) for one in reads_costs.firing(50)],
        "running": [summary_json(one) for one in reads_costs.live_runs(50)],
        "today": {
            "cost_usd": usd(today.nanos),
            "yesterday_by_now_usd": usd(today.yesterday_nanos),
            "usual_by_now_usd": usd(today.usual_nanos),
        },
        "last_hour": rate_json(reads_costs.rate(now)),
        "budget": {"day_usd": usd(budgets.day_nanos), "month_usd": usd(budgets.month_nanos)},
        "month": month_json(reads_costs.month(Asked(), budgets.month_nanos, now)),
        "changes": [{"kind": one.word, "about": one.text, "words": one.note} for one in changes],
    }
