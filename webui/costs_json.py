"""What the routes about money say in JSON. Estimates are called so, and unknown amounts are ``null``."""

import math
from collections.abc import Mapping

from ingest.store.bill import Waste
from ingest.store.cube import Check
from ingest.store.query import Spent
from webui.analysis.accounts import Budgets, Dear, Month, Rate
from webui.analysis.forecast import Estimate
from webui.analysis.repricing import Instead, Saving
from webui.analysis.spending import UNWANTED, Unpriced, split_by, unpriced_of
from webui.pages.cost_chart import ChartMark
from webui.pages.cost_losses import second_tries
from webui.pages.costs import Facts, completed_runs
from webui.pages.spend import DAY_NS, Period

from .api_json import Json, summary_json, timestamp, usd


def spent_json(spent: Spent) -> Json:
    """Return sums; a cost is ``null`` where no call had a price."""
    known = spent.cost_nanos or spent.unpriced_calls < max(spent.llm_calls, 1)
    return {
        "runs": spent.runs,
        "llm_calls": spent.llm_calls,
        "tool_calls": spent.tool_calls,
        "errors": spent.errors,
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
        "cache_read_tokens": spent.cache_read_tokens,
        "cache_write_tokens": spent.cache_write_tokens,
        "reasoning_tokens": spent.reasoning_tokens,
        "cost_usd": usd(spent.cost_nanos) if known else None,
        "unpriced_calls": spent.unpriced_calls,
    }


def period_json(period: Period) -> Json:
    """Return a time: whole hours or days, the last until now."""
    return {"from": timestamp(period.from_ns), "to": timestamp(period.to_ns)}


def overview_json(facts: Facts, savings: list[Saving]) -> Json:
    """Return the figures of the cost page."""
    total, done = facts.bill.total, completed_runs(facts)
    return {
        **period_json(facts.period),
        "total": spent_json(total),
        "before": period_json(facts.period.before()) | {"cost_usd": usd(sum(row.cost_nanos for row in facts.before))},
        "completed_runs": done,
        "cost_per_completed_run_usd": usd(total.cost_nanos // done) if done and total.cost_nanos else None,
        "budget": _budget_json(facts.budgets),
        "month": month_json(facts.month),
        "last_hour": None if facts.rate is None else rate_json(facts.rate),
        "losses": _losses_json(facts),
        "cache": [_saving_json(one) for one in savings],
        "unpriced": [_unpriced_json(one) for one in unpriced_of(facts.rows)],
    }


def _budget_json(budgets: Budgets) -> Json:
    return {"day_usd": usd(budgets.day_nanos), "month_usd": usd(budgets.month_nanos)}


def month_json(month: Month) -> Json:
    """Return the month so far, and its forecast where there is one: the interval holds it four times out of five."""
    ahead = month.outlook
    until = ahead.used_up if ahead is not None else None
    return {
        "from": timestamp(month.first_day * DAY_NS),
        "to": timestamp(month.end_day * DAY_NS),
        "spent_usd": usd(month.spent_nanos),
        "forecast": None if ahead is None else estimate_json(ahead.total) | {"basis": ahead.basis},
        "budget_used_up": None if until is None else _until_json(until),
    }


def estimate_json(one: Estimate) -> Json:
    """Return an estimate and its 80 % interval."""
    return {"expected_usd": usd(round(one.expected)), "low_usd": usd(round(one.low)), "high_usd": usd(round(one.high))}


def _until_json(until: Estimate) -> Json:
    """Return when a budget is used up; ``null`` for not in this month."""
    times = (("expected_at", until.expected), ("earliest_at", until.low), ("latest_at", until.high))
    return {name: None if math.isinf(day) else timestamp(round(day * DAY_NS)) for name, day in times}


def rate_json(rate: Rate) -> Json:
    """Return the present rate; the usual one is the median of the tens of minutes of a week in which anything was spent."""
    usual = sorted(rate.usual_tens)
    return {
        "cost_usd": usd(rate.hour),
        "ten_minutes_usd": usd(rate.ten_minutes),
        "usual_ten_minutes_usd": usd(usual[len(usual) // 2]) if len(usual) >= 10 else None,
    }


def _losses_json(facts: Facts) -> Json:
    ends = [spent for reason, spent in split_by(facts.rows, "termination").items() if reason in UNWANTED]
    return {
        "unwanted_ends": {"runs": sum(one.runs for one in ends), "cost_usd": usd(sum(one.cost_nanos for one in ends))},
        "loops": [_waste_json(one) for one in facts.wasted[:100]],
        "repeated_tool_calls": {
            "calls": sum(row.repeats for row in facts.tallies.tools),
            "cost_usd": usd(sum(row.nanos for row in facts.tallies.tools)),
        },
        "second_tries": {
            kind: {"calls": calls, "failed": failed, "cost_usd": usd(nanos)}
            for kind, (calls, failed, nanos) in second_tries(facts.tallies).items()
        },
    }


def _waste_json(one: Waste) -> Json:
    return {"rule": one.rule, "agent": one.agent, "trace_id": one.trace_id.hex(), "run_id": one.run_id.hex(),
            "wasted_usd": usd(one.wasted_nanos), "sentence": one.sentence}  # fmt: skip


def _saving_json(one: Saving) -> Json:
    return {
        "provider": one.provider or None,
        "model": one.model,
        "cache_read_tokens": one.read_tokens,
        "cache_write_tokens": one.write_tokens,
        "estimated_paid_usd": usd(one.paid_nanos),
        "estimated_full_price_usd": usd(one.full_nanos),
        "estimated_saved_usd": usd(one.saved_nanos),
    }


def _unpriced_json(one: Unpriced) -> Json:
    return {"provider": one.provider or None, "model": one.model or None, "unpriced_calls": one.calls, "llm_calls": one.all_calls,
            "input_tokens": one.input_tokens, "output_tokens": one.output_tokens}  # fmt: skip


def whatif_json(found: list[Instead], period: Period) -> Json:
    """Return what the same tokens would have cost on other models."""
    items = [
        {
            "agent": one.agent,
            "provider": one.provider or None,
            "model": one.model,
            "llm_calls": one.calls,
            "cost_usd": usd(one.paid_nanos),
            "other_provider": one.other_provider or None,
            "other_model": one.other_model,
            "estimated_cost_usd": usd(one.other_nanos),
        }
        for one in found
    ]
    return period_json(period) | {"items": items, "next": None}


def dearest_json(found: list[Dear], period: Period) -> Json:
    """Return the dearest runs, each with what it spent on what."""
    items = [
        summary_json(one.summary)
        | {
            "spent_on": [
                {"model": part.model or None, "tool": part.tool or None, "operation": part.operation, "calls": part.calls,
                 "cost_usd": usd(part.cost_nanos)}
                for part in one.entries
            ],
            "finding": one.finding or None,
        }
        for one in found
    ]  # fmt: skip
    return period_json(period) | {"items": items, "next": None}


def marks_json(marks: tuple[ChartMark, ...], period: Period) -> Json:
    """Return what happened in a time."""
    items = [{"at": timestamp(one.at_ns), "kind": one.kind, "words": one.words} for one in marks]
    return period_json(period) | {"items": items, "next": None}


def check_json(found: Check, period: Period) -> Json:
    """Return whether the roll-ups agree with the ledger, and by how much each sum of theirs is more where they do not."""
    return period_json(period) | {
        "agrees": not found.excess,
        "entries": found.entries,
        "ledger": _sums(found.ledger),
        "excess": {name: _sums(sums) for name, sums in found.excess.items()},
    }


def _sums(sums: Mapping[str, int]) -> Json:
    plain: Json = {name: number for name, number in sums.items() if name != "cost_nanos"}
    return plain | ({"cost_usd": usd(sums["cost_nanos"])} if "cost_nanos" in sums else {})
