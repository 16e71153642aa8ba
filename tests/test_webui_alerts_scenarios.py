"""Labelled scenarios through the real ingest: whether what is wrong is found, how soon, and whether all else is left alone.

One in fourteen, the same ones each time, unless ``TEST_ALERT_SHARE=1`` asks for all; ``-s`` shows the figures of docs/alerts.md.
"""

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from .alert_history import write_history
from .alert_scenarios import SCENARIOS, precision, sample, score_family, table
from .alert_stage import Outcome, perform
from .alert_weeks import healthy_week

SHARE = int(os.environ.get("TEST_ALERT_SHARE", "14"))


@pytest.fixture(scope="module")
def outcomes(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    """Play the scenarios, each on a store of its own."""
    directory = tmp_path_factory.mktemp("scenarios")
    bases = {"": sqlite_template, "weeks": directory / "weeks.db", "dawn": directory / "dawn.db"}
    chosen = sample(SHARE)
    if any(one.base for one in chosen):
        shutil.copyfile(sqlite_template, bases["weeks"])
        write_history(bases["weeks"], bases["dawn"])
    played = [perform(one, bases[one.base], directory) for one in chosen]
    print(f"\n{table(played)}")
    return played


def test_there_are_scenarios_enough() -> None:
    """The set has what it ought to have, each under a name of its own."""
    families = Counter(one.family for one in SCENARIOS)
    assert len({one.name for one in SCENARIOS}) == len(SCENARIOS) >= 200
    least = {"loop": 60, "spend": 40, "shift": 30, "leak": 20, "benign": 50}
    assert {family: families[family] >= number for family, number in least.items()} == dict.fromkeys(least, True)


@pytest.mark.parametrize("family", ["loop", "spend", "shift", "leak"])
def test_what_is_wrong_is_found(outcomes: list[Outcome], family: str) -> None:
    """Of loops and runaways at least 95 %; of the others too."""
    missed = [one.scenario.name for one in outcomes if one.scenario.family == family and not one.found]
    assert score_family(outcomes, family).recall >= 0.95, missed


def test_what_is_fine_is_left_alone(outcomes: list[Outcome]) -> None:
    """At least nine of ten alerts have a reason, and of the benign scenarios at most one in twenty has any."""
    false = {one.scenario.name: sorted(one.false) for one in outcomes if one.false}
    assert precision(outcomes) >= 0.9, false
    benign = score_family(outcomes, "benign")
    assert benign.false <= 0.05 * benign.asked, false


def test_a_new_agents_first_hour_is_quiet(outcomes: list[Outcome]) -> None:
    """Of an agent that nobody knows yet only hard rules speak: none of them is broken here."""
    assert {one.scenario.name: sorted(one.fired) for one in outcomes if "new-agent" in one.scenario.name and one.fired} == {}


@pytest.mark.parametrize(("family", "limit_s"), [("loop", 60.0), ("spend", 600.0)])
def test_it_is_told_in_time(outcomes: list[Outcome], family: str, limit_s: float) -> None:
    """From the fact in the data to the mail: 95 % within a minute for loops, ten for spend."""
    assert score_family(outcomes, family).p95_s <= limit_s


def test_the_guilty_run_is_named(outcomes: list[Outcome]) -> None:
    """It is among the first three runs that the mail names, in 95 % of the incidents that have one."""
    named = {one.scenario.name: one.named for one in outcomes if one.named is not None}
    right = sum(1 <= place <= 3 for place in named.values())
    print(f"\nguilty run among the first three named: {right} of {len(named)}")
    assert right >= 0.95 * len(named), named


def test_healthy_weeks_are_quiet() -> None:
    """At ten runs an hour and more at most one false alert in ten series-weeks; an agent has four series."""
    agents = 3 if SHARE > 1 else 60
    false = []
    for seed in range(agents):
        weeks, runs_an_hour = (4 if SHARE > 1 else (2, 4, 8)[seed % 3]), (11.0, 25.0, 60.0)[seed // 3 % 3 if SHARE == 1 else seed]
        false.append(sorted({one.subject for one in healthy_week(seed, runs_an_hour, weeks)}))
    told = sum(len(one) for one in false)
    print(f"\nfalse alerts: {told} in {4 * len(false)} series-weeks")
    assert told <= 0.1 * 4 * len(false), false
