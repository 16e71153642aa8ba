"""Rules over many runs: pure functions on made-up series, and each of them through the store."""

import math
import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ingest.heartbeat import canary
from ingest.model import Span
from ingest.otlp.json import decode_traces
from ingest.store.alertbook import Actor
from ingest.store.engine import Store
from ingest.store.ledger import rebuild_rollups
from ingest.store.pulse import CANARY_PROJECT, SLOT_NS, add_counts
from ingest.store.watchbook import RuleSetting, save_setting
from webui.alerts.engine import Signal
from webui.alerts.looks import ASPECTS, Aspect, Ground, Looks
from webui.alerts.tally import CallTally
from webui.analysis.detectors.budgets import Budget, budget_level, burn_rate, costly, velocity
from webui.analysis.detectors.model import Limits
from webui.analysis.detectors.series import METRICS, Series, expect, failing, silence, unusual_hours, wilson_lower

from .alert_play import DESK, HOUR, MINUTE, Night, looping
from .builders import SECOND
from .wire import agent_span, in_trace, llm_span, store_spans, tool_span

USD = 1_000_000_000
B2, B3, B4, B5, A1, A2 = Limits(0.5, 1.0), Limits(1.0, 6.0), Limits(1.0, 3.0), Limits(1.0, 3.3), Limits(4.0, 6.0), Limits(0.0, 0.5)


# --- pure ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("spent", "severity"), [(49, None), (50, "warning"), (80, "warning"), (99, "warning"), (100, "critical")])
def test_a_budget_is_told_at_half_and_at_its_end(spent: int, severity: str | None) -> None:
    found = budget_level(Budget("month", 100 * USD, 43_200), spent * USD, B2)
    assert (found.severity if found else None) == severity


def test_burn_rate_needs_both_windows() -> None:
    """A $10,000 month allows $13.89 an hour: $1,200 an hour is 86 times that, and a blip of five minutes is none."""
    month = Budget("month", 10_000 * USD, 43_200)
    night = burn_rate(month, {5: 100 * USD, 60: 200 * USD, 30: 200 * USD, 360: 200 * USD, 4_320: 200 * USD}, B3)
    assert night is not None
    assert (night.severity, night.threshold) == ("critical", 14.4)
    assert burn_rate(month, {5: 100 * USD, 60: 100 * USD, 30: 100 * USD, 360: 100 * USD, 4_320: 100 * USD}, B3) is None
    slow = burn_rate(month, {5: 0, 60: 0, 30: 0, 360: 90 * USD, 4_320: 1_100 * USD}, B3)
    assert slow is not None
    assert slow.severity == "warning"


def test_velocity_works_from_the_first_minute() -> None:
    assert velocity(9 * USD, 30 * USD, [], B4) is None
    assert velocity(10 * USD, 19 * USD, [], B4) is None
    found = velocity(12 * USD, 24 * USD, [], B4)
    assert found is not None
    assert found.severity == "warning"
    busy = [5 * USD] * 500
    assert velocity(40 * USD, 200 * USD, busy, B4) is None
    fast = velocity(160 * USD, 700 * USD, busy, B4)
    assert fast is not None
    assert fast.severity == "critical" or fast.observed >= 3


def test_a_costly_run_needs_fifty_others() -> None:
    past = [USD // 10] * 60
    assert costly("a", 5 * USD, past[:49], B5) is None
    assert costly("a", USD // 2, past, B5) is None
    found = costly("a", 5 * USD, past, B5)
    assert found is not None
    assert found.severity == "critical"


def week_of(value: float, hours: int, seed: int = 1) -> dict[int, float]:
    """Return hours that follow a day and a week, with noise."""
    chance = random.Random(seed)
    shape = [0.3 + math.sin(math.pi * (hour % 24) / 24) * (0.4 if hour % 168 >= 120 else 1.0) for hour in range(168)]
    return {hour: value * shape[hour % 168] * math.exp(chance.gauss(0, 0.15)) for hour in range(hours)}


def series_of(runs: dict[int, float], **values: dict[int, float]) -> Series:
    return Series("clerk", min(runs), runs, values)


def test_an_hour_far_above_its_like_is_unusual() -> None:
    """Three times the usual is seen, an ordinary Monday morning is not; after six weeks of data."""
    runs, cost = week_of(60, 1_400), week_of(20e9, 1_400, 2)
    hour = 1_390
    assert unusual_hours(series_of(runs, cost=cost), hour, A1) == []
    found = unusual_hours(series_of(runs, cost={**cost, hour: 4 * cost[hour]}), hour, A1)
    assert [(one.subject, one.agent) for one in found] == [("cost", "clerk")]
    assert "weeks" in found[0].expected


def test_false_alarms_are_rare() -> None:
    """Fifty agents, two weeks of every hour each: at most one in ten series-weeks."""
    alarms = 0
    for seed in range(6):
        runs, cost = week_of(60, 1_400, seed), week_of(20e9, 1_400, seed + 100)
        series = series_of(runs, cost=cost)
        alarms += sum(bool(unusual_hours(series, hour, A1)) for hour in range(1_200, 1_368))
    assert alarms <= 1


def test_what_is_young_or_sparse_says_nothing() -> None:
    """No alert before three days; few runs an hour say nothing in either direction."""
    runs, cost = week_of(60, 60), week_of(20e9, 60)
    assert unusual_hours(series_of(runs, cost={**cost, 59: 100 * cost[59]}), 59, A1) == []
    rare = week_of(2, 1_400)
    assert unusual_hours(series_of(rare, cost={**week_of(1e9, 1_400), 1_390: 1e12}), 1_390, A1) == []
    young = week_of(60, 200)
    spend = week_of(20e9, 200)
    found = unusual_hours(series_of(young, cost={**spend, 199: 60 * spend[199]}), 199, A1)
    assert [(one.severity, "young" in one.expected) for one in found] == [("warning", True)]


def test_a_slow_change_of_level_is_followed() -> None:
    """Three days after a doubling that everybody wanted, the doubled level is what is expected."""
    cost = {hour: value * (2 if hour >= 1_300 else 1) for hour, value in week_of(20e9, 1_400).items()}
    expected = expect(cost, 1_390, METRICS[0], 0)
    assert expected is not None
    assert 0.6 < expected.value / cost[1_390] < 1.6


def test_silence_needs_to_be_surprising() -> None:
    runs = week_of(100, 1_400)
    quiet = {hour: value for hour, value in runs.items() if hour < 1_389}
    at = next(hour for hour in (1_390, 1_391, 1_392) if True)
    assert silence(series_of({**quiet, 0: 1.0}), at) is not None
    assert silence(series_of(runs), at) is None
    assert silence(series_of({hour: value / 20 for hour, value in quiet.items()}), at) is None


@pytest.mark.parametrize(
    ("recent", "week", "severity"),
    [((1, 19), (0, 0), None), ((2, 20), (0, 0), None), ((12, 20), (0, 0), "warning"), ((19, 20), (0, 0), "critical"),
     ((12, 40), (500, 1_000), None), ((40, 40), (10, 1_000), "critical"), ((8, 40), (10, 1_000), "warning")],
)  # fmt: skip
def test_failing_runs(recent: tuple[int, int], week: tuple[int, int], severity: str | None) -> None:
    found = failing("clerk", recent, week, A2)
    assert (found.severity if found else None) == severity


def test_the_lower_bound_of_a_share() -> None:
    """Against the closed form: Wilson, one-sided at 99 %."""
    assert wilson_lower(0, 20) == 0
    assert wilson_lower(20, 20) == pytest.approx(0.787, abs=0.002)
    assert wilson_lower(10, 20) == pytest.approx(0.274, abs=0.005)


# --- through the store --------------------------------------------------------------------------------------------


@pytest.fixture
def night(sqlite_store: Store, tmp_path: Path) -> Night:
    """Return a store with every rule at work."""
    tally = CallTally(lambda: found.now_ns)
    found = Night(sqlite_store, look=Looks(tally, tmp_path), tally=tally)
    found.tick()
    return found


def fired(night: Night, rule: str) -> list[tuple[str, str, str]]:
    return [(one.subject, one.state, one.severity) for one in night.alerts() if one.rule == rule]


def dear(number: int, dollars: float, agent: str = "spender") -> list[Span]:
    """Build a run that costs so much, as its emitter says."""
    call = llm_span(2, 1, at=1.0, attributes={"clew.cost.usd": dollars})
    return in_trace([agent_span(1, agent, lasts=5.0), call], number.to_bytes(16, "big"))


def test_velocity_by_arrival(night: Night) -> None:
    """Two dollars a run, a run every ten seconds: told within a few minutes of $20."""
    for number in range(1, 20):
        night.arrive(dear(number, 2.0))
        night.pass_time(30 * SECOND)
    assert fired(night, "B4") == [("spend", "firing", "warning")]
    told = next(one for one in night.parcels() if "were spent" in one.subject)
    assert told.created_ns - (night.now_ns - 19 * 30 * SECOND) <= 7 * MINUTE


def test_what_was_spent_yesterday_is_no_velocity(night: Night) -> None:
    yesterday = [span for number in range(1, 40) for span in dear(number, 5.0)]
    for span in yesterday:
        span.start_ns -= 20 * HOUR
        span.end_ns -= 20 * HOUR
    night.store_as_is(yesterday)
    night.pass_time(2 * MINUTE)
    assert fired(night, "B4") == []


def test_budgets_of_a_day_and_their_burning(night: Night, sqlite_store: Store) -> None:
    save_setting(sqlite_store, (1, "", "*"), RuleSetting(day_nanos=10 * USD), Actor("ada"), night.now_ns)
    for number in range(1, 4):
        night.arrive(dear(number, 2.0))
        night.pass_time(MINUTE)
    assert fired(night, "B2") == [("day", "firing", "warning")]
    for number in range(4, 8):
        night.arrive(dear(number, 2.0))
        night.pass_time(MINUTE)
    assert fired(night, "B2") == [("day", "firing", "critical")]
    assert fired(night, "B3")[0][1:] == ("firing", "critical")


def test_a_run_that_costs_far_more_than_others(night: Night) -> None:
    for number in range(1, 60):
        night.arrive(dear(number, 0.05))
    night.pass_time(2 * HOUR, 9 * MINUTE)
    night.arrive(dear(99, 4.0))
    night.pass_time(MINUTE)
    assert fired(night, "B5") == [("cost", "firing", "critical")]
    night.pass_time(3 * MINUTE)
    assert [state for _, state, _ in fired(night, "B5")] != ["firing"]


def own_ids(spans: list[Span], number: int) -> list[Span]:
    """Give spans ids that no other run's have, as they are in life."""
    head = number.to_bytes(4, "big")
    return [
        msgspec.structs.replace(
            span, span_id=head + span.span_id[4:], parent_span_id=span.parent_span_id and head + span.parent_span_id[4:]
        )
        for span in spans
    ]


def test_the_same_call_in_many_runs(night: Night) -> None:
    """Three calls each in twenty-five runs break no rule of a run, and one over all of them."""
    for number in range(1, 26):
        night.arrive(own_ids(looping(number, 3, ended=True), number))
    night.pass_time(30 * SECOND)
    assert fired(night, "L1") == []
    assert fired(night, "L7") == [("search_orders", "firing", "warning")]


def old_tools(night: Night, days: int) -> None:
    """Let an agent use a tool on each of the last days."""
    for day in range(1, days + 1):
        spans = in_trace([agent_span(1, "clerk", lasts=3.0), tool_span(2, "look", 1, at=1.0)], (1_000 + day).to_bytes(16, "big"))
        shift = night.now_ns - day * 24 * HOUR - spans[0].start_ns
        for span in spans:
            span.start_ns += shift
            span.end_ns += shift
        night.store_as_is(spans)


def test_a_tool_seen_first(night: Night, sqlite_store: Store) -> None:
    """After a week of others; with a leak in the same run it is critical."""
    old_tools(night, 9)
    rebuild_rollups(sqlite_store, 1)
    fresh = [
        agent_span(1, "clerk", lasts=5.0),
        tool_span(2, "send_mail", 1, at=1.0, attributes={"gen_ai.tool.call.arguments": "219-09-9998"}),
    ]
    night.arrive(in_trace(fresh, b"\7" * 16))
    night.pass_time(2 * MINUTE)
    assert fired(night, "P2") == [("send_mail", "firing", "critical")]


def test_a_rule_that_fails_is_told_once_and_keeps_its_alerts(sqlite_store: Store, tmp_path: Path) -> None:
    """Three failures in a row are one alert about ourselves; what the rule had found stays as it is."""
    fails = iter([False, *[True] * 1_000])

    def ask(ground: Ground) -> Iterator[Signal]:
        if next(fails):
            raise ZeroDivisionError
        yield Signal(1, "A1", "clerk", "cost", "critical", 9.0, 6.0, "clerk spent too much")

    night = Night(sqlite_store, look=Looks(CallTally(), tmp_path, (Aspect(("A1",), SECOND, ask),)))
    night.pass_time(10 * MINUTE, 15 * SECOND)
    assert fired(night, "A1") == [("cost", "firing", "critical")]
    assert fired(night, "H1") == [("rules", "firing", "warning")]


def test_no_rule_fires_on_an_empty_store(night: Night) -> None:
    night.pass_time(10 * MINUTE, 30 * SECOND)
    assert night.alerts() == []
    assert {rule for aspect in ASPECTS for rule in aspect.rules} == {"A1", "A2", "A3", "A4", "B2", "B3", "B4", "L7", "P2"}
    assert DESK.base_url == "https://clew.example"


# --- Clew itself --------------------------------------------------------------------------------------------------


def ourselves(night: Night, subject: str) -> tuple[str, str] | None:
    """Return how Clew's own alert about something stands, and how bad it is. Here nobody delivers, which is told too."""
    return next(((one.state, one.severity) for one in night.alerts() if (one.rule, one.subject) == ("H1", subject)), None)


@pytest.mark.parametrize(
    ("stored", "rejected", "severity"),
    [(1_000, 9, None), (990, 10, None), (980, 20, "warning"), (900, 100, "critical"), (0, 9, None), (0, 10, "critical")],
)
def test_spans_that_are_rejected_are_told(night: Night, sqlite_store: Store, stored: int, rejected: int, severity: str | None) -> None:
    """More than one in a hundred of the last hour's, at least ten; an hour without them ends it."""
    add_counts(sqlite_store, {(1, night.now_ns // SLOT_NS): (stored, rejected)})
    night.tick(16 * SECOND)
    assert ourselves(night, "rejected") == (severity and ("firing", severity))

    night.pass_time(90 * MINUTE, 5 * MINUTE)
    assert ourselves(night, "rejected") == (severity and ("resolved", severity))


def test_a_canary_that_is_not_read_is_told(night: Night, sqlite_store: Store) -> None:
    """Not before two minutes after the next was due; where none was ever sent, nothing is missing."""
    night.pass_time(20 * MINUTE, MINUTE)
    assert ourselves(night, "canary") is None

    def sing() -> None:
        at_ns = night.now_ns
        store_spans(sqlite_store, decode_traces(canary(at_ns), at_ns).spans, now_ns=at_ns, project_id=CANARY_PROJECT)
        night.link()

    for _ in range(3):
        night.tick(MINUTE)
        sing()
    night.pass_time(3 * MINUTE - 20 * SECOND, 20 * SECOND)
    assert ourselves(night, "canary") is None
    night.pass_time(MINUTE, 20 * SECOND)
    assert ourselves(night, "canary") == ("firing", "warning")
    night.pass_time(9 * MINUTE, MINUTE)
    assert ourselves(night, "canary") == ("firing", "critical")

    for _ in range(20):
        sing()
        night.tick(MINUTE)
    assert ourselves(night, "canary") == ("resolved", "critical")
