"""A3, slow drift: the cumulative sum on made-up days, and the whole way from runs of weeks to an alert and its preview."""

import math
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from ingest.store.agent_days import note_days, read_days
from ingest.store.alertbook import Actor
from ingest.store.engine import Store
from ingest.store.watchbook import RuleSetting, save_setting
from webui.alerts.days import DAY_NS, day_of
from webui.alerts.looks import Looks
from webui.alerts.preview import Question, preview
from webui.alerts.tally import CallTally
from webui.analysis.detectors.drift import DayFigure, drifts
from webui.analysis.detectors.model import Limits, Rules
from webui.pages.alert_rules import build_rules_page

from .alert_drift import Course, play
from .alert_play import HOUR, MINUTE, Night
from .alert_stage import MONDAY_NS, Stage
from .builders import SECOND
from .webui_app import client_of

LIMIT = 6.0


def days_of(values: Sequence[float], runs: int = 300, seed: int = 1, noise: float = 0.05) -> list[DayFigure]:
    """Return days whose cost and duration are the usual ones times so much."""
    chance = random.Random(seed)
    moods = [value * math.exp(chance.gauss(0, noise)) for value in values]
    return [DayFigure(day, runs, 50_000_000 * mood, 8e9 * mood) for day, mood in enumerate(moods)]


def told(days: Sequence[DayFigure], limit: float = LIMIT) -> list[tuple[int, str]]:
    return [(one.day, one.found.subject) for one in drifts("clerk", days, limit)]


def test_what_creeps_up_is_told_once_for_each_measure() -> None:
    """Three per cent a day, for ten days: no day is unusual, all together are. Then the new level is the level."""
    found = drifts("clerk", days_of([1.0] * 40 + [1.03**n for n in range(1, 11)] + [1.03**10] * 30), LIMIT)

    assert [one.found.subject for one in found][:2] == ["cost", "duration"]
    assert 42 <= found[0].day <= 50
    first = found[0].found
    assert (first.rule, first.severity, first.agent, first.threshold) == ("A3", "warning", "clerk", LIMIT)
    assert first.observed > LIMIT
    assert first.sentence.startswith("clerk's runs cost a median of $0.0")
    assert " over the last " in first.sentence
    assert "28 days" in first.expected
    assert max(one.day for one in found) < 65


def test_a_step_is_told_after_three_days_at_the_earliest_and_then_it_is_the_level() -> None:
    """One day however dear is none."""
    assert [day for day, what in told(days_of([1.0] * 40 + [2.0] * 40, noise=0.03)) if what == "cost"] == [42]
    assert told(days_of([1.0] * 40 + [9.0] + [1.0] * 30, noise=0.03)) == []


def test_what_becomes_less_is_the_new_level_silently() -> None:
    """Halved and then doubled: back where it was is a drift from where it had come to."""
    assert told(days_of([1.0] * 40 + [0.5] * 40)) == []
    assert {what for _, what in told(days_of([1.0] * 40 + [0.5] * 30 + [1.0] * 10))} == {"cost", "duration"}


@pytest.mark.parametrize(
    "days",
    [
        days_of([1.05**n for n in range(28)]),
        days_of([1.0] * 30 + [1.05**n for n in range(20)], runs=19),
        days_of([1.0] * 40 + [1.08] * 30, noise=0.01),
        [DayFigure(one.day, 2, one.cost_nanos, None) for one in days_of([1.0] * 30 + [2.0] * 20)],
        [DayFigure(one.day, 300, None, None) for one in days_of([1.0] * 30 + [2.0] * 20)],
        [DayFigure(one.day, 300, 0, one.duration_ns and one.duration_ns / 1e4) for one in days_of([1.0] * 30 + [2.0] * 20)],
    ],
    ids=["young", "few-runs", "eight-per-cent", "fewer-runs", "unknown", "free-and-quick"],
)
def test_what_is_young_sparse_unknown_or_does_not_matter_says_nothing(days: list[DayFigure]) -> None:
    assert told(days) == []


def test_false_alarms_are_rare() -> None:
    """Healthy agents whose level wanders a little: at most one in ten series-weeks."""
    alarms = weeks = 0.0
    for seed in range(60):
        chance = random.Random(seed)
        level, values = 0.0, []
        for _ in range(180):
            level += chance.gauss(0, 0.005)
            values.append(math.exp(level))
        alarms += len(told(days_of(values, seed=seed, noise=(0.05, 0.1, 0.2)[seed % 3])))
        weeks += 2 * (180 - 28) / 7
    assert alarms <= 0.1 * weeks


def test_more_days_do_not_change_what_was_told() -> None:
    """A restart finds the same drifts: they follow from the days alone."""
    days = days_of([1.0] * 35 + [1.04**n for n in range(25)])
    for until in range(36, len(days)):
        assert told(days[:until]) == [one for one in told(days) if one[0] < until]


# --- through the store --------------------------------------------------------------------------------------------


def staged(store: Store, course: Course) -> Stage:
    """Play a course of days and return the stage as it is then."""
    tally = CallTally(lambda: night.now_ns)
    night = Night(store, MONDAY_NS + 10 * HOUR, look=Looks(tally, Path("/nowhere")), tally=tally)
    stage = Stage(night, random.Random(7))
    night.tick()
    play("clerk", course)(stage)
    return stage


def test_days_are_noted_once_they_are_over(store: Store) -> None:
    """Each once, and no day that had few runs."""
    stage = staged(store, Course(learned=3, live=0))
    stage.wait(11 * 60, 9 * MINUTE)
    today = day_of(stage.now_ns)
    with store.engine.connect() as conn:
        (days,) = read_days(conn, 1, 0).values()
    assert [(one.day, one.runs) for one in days] == [(today - back, 20) for back in (3, 2, 1)]
    assert all(one.cost_nanos is not None and 100_000_000 < one.cost_nanos < 400_000_000 for one in days)
    assert all(one.duration_ns is not None and 8 * SECOND < one.duration_ns < 20 * SECOND for one in days)

    assert note_days(store, 1, today, 100) == 0
    assert note_days(store, 1, today + 1, 100) == 0


def test_many_days_are_noted_in_several_looks(sqlite_store: Store) -> None:
    night = Night(sqlite_store, MONDAY_NS + 10 * HOUR)
    stage = Stage(night, random.Random(7))
    play("clerk", Course(learned=5, live=0))(stage)
    today = day_of(night.now_ns)

    assert [note_days(sqlite_store, 1, today, 2) for _ in range(4)] == [2, 2, 1, 0]
    with sqlite_store.engine.connect() as conn:
        assert [one.day for one in read_days(conn, 1, today - 3, "clerk")["clerk"]] == [today - 3, today - 2, today - 1]
        assert read_days(conn, 1, 0, "nobody") == {}
        assert read_days(conn, 2, 0) == {}


def test_from_runs_of_weeks_to_an_alert(sqlite_store: Store) -> None:
    """It fires with the day with which it was sure, says so for a day whoever restarts, and is over with the next."""
    stage = staged(sqlite_store, Course(usd=lambda day: 1.6 if day >= 0 else 1.0, live=3))
    night = stage.night
    found = [one for one in night.alerts() if one.rule == "A3"]
    assert [(one.agent, one.subject, one.state, one.severity) for one in found] == [("clerk", "cost", "firing", "warning")]
    mail = next(one for one in night.parcels() if "clerk's runs cost" in one.subject)
    assert "The runs that contribute most" in mail.body
    assert mail.body.count("/traces/") == 5

    night.restart()
    night.tick(11 * MINUTE)
    assert [one.state for one in night.alerts() if one.rule == "A3"] == ["firing"]
    stage.wait((DAY_NS - 2 * HOUR) / SECOND, DAY_NS)
    stage.wait(4 * 3_600, 9 * MINUTE)
    assert [one.state for one in night.alerts() if one.rule == "A3"] == ["resolved"]


def test_a_rule_of_an_agent_holds(sqlite_store: Store) -> None:
    """Switched off for the agent, nothing is said of it."""
    save_setting(sqlite_store, (1, "clerk", "A3"), RuleSetting(on=False), Actor("ada"), MONDAY_NS)
    stage = staged(sqlite_store, Course(usd=lambda day: 1.6 if day >= 0 else 1.0, live=3))
    assert [one for one in stage.night.alerts() if one.rule == "A3"] == []


def test_a_preview_says_on_which_days_it_would_have_fired(sqlite_store: Store, sqlite_url: str) -> None:
    """Under other thresholds, for all agents or one; and the page of rules offers it."""
    stage = staged(sqlite_store, Course(usd=lambda day: 1.6 if day >= 0 else 1.0, live=3))

    def asked(limit: float, agent: str = "") -> int:
        rules = Rules(limits={"A3": Limits(limit, None)})
        return len(preview(sqlite_store, Question(1, "A3", agent, rules), lambda *_: None, stage.now_ns).drifts)

    assert [asked(6), asked(6, "clerk"), asked(6, "office"), asked(60)] == [1, 1, 0, 0]
    found = preview(sqlite_store, Question(1, "A3", "", Rules()), lambda *_: None, stage.now_ns)
    box = build_rules_page({}, 1, "", found, "token").preview
    assert box is not None
    assert box.words == "would have fired 1 time in the last 14 days, from the days on record"
    assert [(one.href, "clerk's runs cost" in one.text) for one in box.runs] == [("/agents/clerk", True)]

    page = client_of(sqlite_store, sqlite_url).get("/alerts/rules?preview=A3&warning=6").text
    assert "would have fired 0 times in the last 14 days, from the days on record" in page
    assert "Slow drift" in page
