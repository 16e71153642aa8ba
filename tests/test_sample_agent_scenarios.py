"""The golden and the adversarial suite: with predetermined tool results, and whole, on every architecture."""

import os
import re
from pathlib import Path

import pytest

from sample_agent.model_server.faults import Fault
from sample_agent.models.settings import Endpoint, ModelSettings
from sample_agent.models.stack import build_stack
from sample_agent.scenarios.format import Scenario, load_scenarios
from sample_agent.scenarios.judge import grade
from sample_agent.scenarios.runner import Played, Stage, play
from sample_agent.settings import ARCHITECTURES, Architecture

GOLDEN, ADVERSARIAL = list(load_scenarios("golden")), list(load_scenarios("adversarial"))
ALL = [*GOLDEN, *ADVERSARIAL]
DOCUMENT = Path(__file__).parents[1] / "docs" / "sample-agent.md"
ITEMS = range(1, 15)
"""The readiness checklist's items."""

PLAYED = [(scenario, architecture) for scenario in ALL for architecture in scenario.architectures]
MOCKED = [(scenario, architecture) for scenario, architecture in PLAYED if scenario.mocks]


def _name(value: object) -> str:
    return value.id if isinstance(value, Scenario) else str(value)


@pytest.mark.parametrize(("scenario", "architecture"), PLAYED, ids=_name)
def test_scenario_whole(scenario: Scenario, architecture: Architecture) -> None:
    """The whole agent on real calendars calls what it must, says what it must, ends as it must and leaves the calendars as it must."""
    _all_is_well(play(scenario, architecture))


@pytest.mark.parametrize(("scenario", "architecture"), MOCKED, ids=_name)
def test_scenario_with_mocked_tools(scenario: Scenario, architecture: Architecture) -> None:
    """With predetermined tool results the agent calls the same tools with the same arguments."""
    _all_is_well(play(scenario, architecture, Stage(mocked=True)))


def _all_is_well(played: Played) -> None:
    assert not played.problems, "\n".join(played.problems)


def test_the_suites_are_as_large_as_they_should_be() -> None:
    """At least thirty scenarios of each kind, on all three architectures unless one cannot show it."""
    assert len(GOLDEN) >= 30
    assert len(ADVERSARIAL) >= 30
    assert sum(len(scenario.architectures) == len(ARCHITECTURES) for scenario in ALL) >= len(ALL) - 5


def test_every_item_of_the_checklist_is_shown_working_and_catching() -> None:
    """Each of the fourteen items has a scenario that shows it at work and one in which it catches its fault."""
    shown = {one for scenario in ALL for one in scenario.shows}
    assert {f"{item} {how}" for item in ITEMS for how in ("works", "catches")} <= shown


def test_the_documentation_names_the_scenarios_that_there_are() -> None:
    """Its checklist names for each item those that the files say show it, and how many more there are."""
    text = DOCUMENT.read_text("utf-8")
    rows = re.findall(r"^\| (\d+) [^|]+\| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE)
    assert [int(number) for number, *_ in rows] == list(ITEMS)
    for number, works, catches in rows:
        for how, cell in (("works", works), ("catches", catches)):
            shown = {scenario.id for scenario in ALL if f"{number} {how}" in scenario.shows}
            assert set(re.findall(r"`([\w-]+)`", cell)) == shown, (number, how)
    counts = [int(count) for count in re.findall(r"and (\d+) more", text)]
    assert counts == [len(GOLDEN) - 1, len(ADVERSARIAL) - 1]


@pytest.mark.skipif(not os.environ.get("SAMPLE_AGENT_JUDGE"), reason="asks a real model: SAMPLE_AGENT_JUDGE=1 with ANTHROPIC_API_KEY")
@pytest.mark.parametrize("scenario", GOLDEN, ids=_name)
def test_a_judge_finds_the_answers_good(scenario: Scenario) -> None:
    """A strong model, asked whether the answers are what was expected, says so."""
    models = ModelSettings(primary=Endpoint(key=os.environ["ANTHROPIC_API_KEY"]), cache="off")
    played = play(scenario, "plan_execute")
    grades = grade(played, models, build_stack)
    assert all(one.score >= 4 for one in grades), [one for one in grades if one.score < 4]


def test_the_golden_suite_catches_a_broken_agent() -> None:
    """A model that always books another hour than the one that was asked for does not get past the suite."""
    scenario = next(one for one in GOLDEN if one.id == "book-exact-time")
    wrong = Fault(kind="hallucinate", calls="book_appointment", arguments={"starts_at": "2026-03-05T11:00:00+00:00"}, times=None)
    played = play(scenario.model_copy(update={"faults": [wrong]}), "plan_execute")
    assert any("A20001 has" in problem and "starts_at" in problem for problem in played.problems)


def test_the_adversarial_suite_catches_a_hole() -> None:
    """Sessions with the rights of staff, where a client's were enough, do not get past the suite."""
    scenario = next(one for one in ADVERSARIAL if one.id == "authorisation-enumeration")
    played = play(scenario.model_copy(update={"acts_for": ["*"]}), "plan_execute")
    assert any("Oliver" in problem for problem in played.problems)
