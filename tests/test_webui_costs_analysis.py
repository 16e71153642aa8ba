"""Splits, repricing and what the bill is compared with, counted by hand."""

from typing import Any

import msgspec
import pytest

from ingest.chain.steps import in_order
from ingest.chain.summary import summarise
from ingest.model import Usage
from ingest.pricing import cost_nanos, list_rates
from ingest.rates import Rates, Tier
from ingest.store.bill import Priced
from ingest.store.cube import CubeRow
from ingest.store.tally import AGAIN, TURN, Branches, tally_of
from webui.analysis.repricing import Tokens, cache_savings, latest_rates, price_changes, priced, what_if
from webui.analysis.spending import failing, movers, names_of, new_names, spent_of, split_by, triples, unpriced_of
from webui.analysis.today import today_of

from .builders import agent, chain, llm, span, tool

HOUR_NS = 3_600 * 10**9


def row(**fields: Any) -> CubeRow:
    """Build a row of a bill: a model call of a scheduler, unless told otherwise."""
    texts = {"agent": "scheduler", "model": "m", "provider": "p", "tool": "", "operation": "chat", "service": "s", "environment": "e",
             "termination": "completed"}  # fmt: skip
    numbers = dict.fromkeys([name for name in CubeRow.__struct_fields__ if name not in texts], 0)
    return CubeRow(**{**numbers, **texts, **fields})


def run_row(**fields: Any) -> CubeRow:
    """Build the row that counts runs."""
    return row(**{"operation": "run", "model": "", "provider": "", "runs": 1, **fields})


def rates(input_: int, output: int, read: int = 0, write: int = 0) -> Rates:
    """Build rates in dollars per million tokens."""
    tiers = [(Tier(-1, dollars * 10**9),) if dollars else () for dollars in (input_, output, read, write)]
    return Rates(tiers[0], tiers[1], tiers[2], tiers[3])


def test_runs_are_counted_once_whatever_they_call() -> None:
    rows = [run_row(runs=2), row(runs=2, llm_calls=5, cost_nanos=7), row(model="n", runs=1, llm_calls=1, cost_nanos=4)]
    whole = spent_of(rows)
    assert (whole.runs, whole.llm_calls, whole.cost_nanos) == (2, 6, 11)
    assert {name: spent.runs for name, spent in split_by(rows, "model").items()} == {"m": 2, "n": 1}
    assert split_by(rows, "agent")["scheduler"] == whole


def test_every_split_comes_to_the_same() -> None:
    charged = row(model="", provider="", tool="geocode", operation="execute_tool", tool_calls=3, cost_nanos=5)
    rows = [run_row(), row(cost_nanos=9, llm_calls=1), charged]
    for by in ("agent", "model", "provider", "tool", "operation", "service", "environment", "termination"):
        assert sum(spent.cost_nanos for spent in split_by(rows, by).values()) == 14, by
    assert "run" not in split_by(rows, "operation")


def test_unpriced_calls_are_an_amount_of_their_own() -> None:
    rows = [row(llm_calls=3, unpriced_calls=3, uncached_input_tokens=70, plain_output_tokens=5), row(model="n", llm_calls=1, cost_nanos=1)]
    (found,) = unpriced_of(rows)
    assert (found.model, found.calls, found.input_tokens, found.output_tokens) == ("m", 3, 70, 5)


def test_tokens_at_base_prices_are_what_calls_are_priced_at() -> None:
    """The sum of a model's tokens at its rates is what its single calls cost, where no tier applies."""
    real = list_rates("anthropic", "claude-sonnet-4-5", 20_400)
    assert real is not None
    usage = Usage(input_tokens=9_000, output_tokens=700, cache_read_tokens=4_000, cache_write_tokens=1_500)
    assert priced(Tokens(3_500, 4_000, 1_500, 700), real) == cost_nanos(real, usage)
    assert priced(Tokens(uncached=1), Rates()) is None


def test_a_cache_saves_or_costs() -> None:
    """Reading is cheaper than plain input, writing dearer; one that is written and never read has cost money."""
    prices = {("p", "m"): rates(3, 15, 1, 4), ("p", "n"): rates(3, 15, 1, 4)}
    rows = [row(cache_read_tokens=1_000_000, uncached_input_tokens=5), row(model="n", cache_write_tokens=1_000_000), row(model="unknown")]
    saved, lost = cache_savings(rows, prices)
    assert (saved.model, saved.full_nanos, saved.paid_nanos, saved.saved_nanos) == ("m", 3 * 10**9, 10**9, 2 * 10**9)
    assert (lost.model, lost.saved_nanos) == ("n", -(10**9))


def test_another_model_is_the_next_cheaper_of_the_provider_or_the_one_named() -> None:
    prices = {("p", "big"): rates(10, 50), ("p", "mid"): rates(3, 15), ("p", "small"): rates(1, 5), ("q", "other"): rates(2, 10)}
    rows = [row(model="big", llm_calls=2, uncached_input_tokens=10**6, cost_nanos=10**10), row(model="small", llm_calls=1, cost_nanos=1)]
    (found,) = what_if(rows, prices, "", 5)
    assert (found.model, found.other_model, found.other_nanos, found.saved_nanos) == ("big", "mid", 3 * 10**9, 7 * 10**9)
    named = what_if(rows, prices, "other", 5)
    assert [(one.model, one.other_model) for one in named] == [("big", "other"), ("small", "other")]
    assert what_if(rows, prices, "unheard-of", 5) == []
    assert what_if([row(model="big", llm_calls=2, unpriced_calls=1, cost_nanos=9)], prices, "", 5) == [], "part of it is unknown"


def test_changed_prices_are_found_by_model() -> None:
    old, new = rates(3, 15), rates(2, 10)
    days = [Priced("p", "m", 5, old), Priced("p", "m", 6, msgspec.structs.replace(old, version="later")), Priced("p", "m", 9, new),
            Priced("p", "n", 9, old), Priced("p", "n", 10, None)]  # fmt: skip
    assert [(one.model, one.day) for one in price_changes(days, 6)] == [("m", 9), ("n", 10)]
    assert price_changes(days, 11) == []
    assert latest_rates(days) == {("p", "m"): new}


def test_what_moved_most_comes_first() -> None:
    now, before = [row(cost_nanos=5), row(agent="b", cost_nanos=100)], [row(cost_nanos=90), row(agent="b", cost_nanos=100)]
    assert [(one.agent, one.by_nanos) for one in movers(now, before, 5)] == [("scheduler", -85)]


def test_new_names_and_failing_agents() -> None:
    fresh = new_names(names_of(triples([row(tool="t"), row(model="n")])), names_of(triples([row()])))
    assert [sorted(names) for names in (fresh.agents, fresh.models, fresh.tools)] == [[], ["n"], ["t"]]
    now = [run_row(runs=8), run_row(runs=2, termination="loop"), run_row(runs=9, termination="running"), run_row(termination="escalated")]
    (one,) = failing(now, [run_row(runs=5, termination="error")])
    assert (one.bad, one.ended, one.bad_before, one.ended_before) == (2, 11, 5, 5)


def test_today_is_set_against_the_same_time_of_other_days() -> None:
    """At 02:30, yesterday counts until 02:30: half of its running hour."""
    day = 20_000 * 24
    hours = {day + 1: 5, day + 2: 7, day - 24 + 1: 40, day - 24 + 2: 20, day - 24 + 9: 1_000, day - 48: 10, day - 72: 30}
    found = today_of(hours, (day + 2) * HOUR_NS + HOUR_NS // 2)
    assert (found.nanos, found.yesterday_nanos, found.usual_nanos, found.usual_days) == (12, 50, 30, 3)
    assert today_of({day: 1}, day * HOUR_NS).usual_nanos is None


# --- what calls were for, tallied -----------------------------------------------------------------------------------------


def tallied(*spans: Any) -> dict[tuple[str, str], tuple[int, int]]:
    """Return (topic, part) to (calls, nano-dollars) of a trace's tally, and check that turns come to its bill."""
    trace = chain(*spans)
    line = summarise(trace)
    assert line is not None
    found = {(one.topic, one.a): (one.sums[1], one.sums[6]) for one in tally_of(trace, line, (), Branches()).entries}
    turns = sum(nanos for (topic, _), (_, nanos) in found.items() if topic == TURN)
    assert turns == sum(step.cost_nanos or 0 for run in trace.runs for step in in_order(run.steps) if step.kind == "llm")
    return found


def test_a_model_call_is_for_the_results_it_is_the_first_to_read() -> None:
    """The first call reads the question, the second two results, in equal parts that add up to its cost."""
    found = tallied(agent(1, "scheduler"), llm(2, 1, at=1), tool(3, "find", 1, at=2), tool(4, "book", 1, at=3), llm(5, 1, at=4))
    first, both = found[TURN, ""], (found[TURN, "find"], found[TURN, "book"])
    assert first[0] == 1
    assert sum(nanos for _, nanos in both) == first[1] > 0
    assert abs(both[0][1] - both[1][1]) <= 1


@pytest.mark.parametrize("kind", ["retry", "fallback", "repair"])
def test_second_tries_are_told_apart(kind: str) -> None:
    """The call after the mark is the second try; the ones before and after it are not."""
    found = tallied(agent(1, "scheduler"), llm(2, 1, at=1), span(3, 1, at=2, kind=kind), llm(4, 1, at=3), llm(5, 1, at=4))
    assert found[AGAIN, kind] == (1, 110_000)
    assert found[TURN, ""] == (3, 330_000)


def test_a_call_that_failed_has_read_nothing() -> None:
    """The results wait for the call that is made in its place."""
    found = tallied(
        agent(1, "scheduler"), tool(2, "find", 1, at=1), llm(3, 1, at=2, usage=None, failed=True, error_message="overloaded"),
        llm(4, 1, at=3),
    )  # fmt: skip
    assert found[TURN, "find"] == (2, 110_000)
