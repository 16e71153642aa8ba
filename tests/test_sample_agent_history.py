"""Two weeks of history: the same for the same seed, of many users, with the incidents in it."""

from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from sample_agent.clock import SimulatedClock
from sample_agent.history import COST, INVENTED, LEAK, LOOP, OUTAGE, Happening, History, live_through, plan_history
from sample_agent.scenarios.runner import tokens_of
from sample_agent.truth import Entry
from sample_agent.visit import Answer

ENDS = datetime(2026, 11, 25, 12, tzinfo=UTC)


class Enough(Exception):
    """The part of a history that a test is about has happened."""


def lived(history: History, most: int | None = None) -> list[tuple[Happening, Answer]]:
    """Live through a history, or its first so many requests."""
    found: list[tuple[Happening, Answer]] = []

    def done(one: Happening, answer: Answer) -> None:
        found.append((one, answer))
        if len(found) == most:
            raise Enough

    with suppress(Enough):
        live_through(history, SimulatedClock(history.starts_at), done)
    return found


@pytest.fixture(scope="module")
def fortnight() -> list[tuple[Happening, Answer]]:
    return lived(History(ENDS, runs=40))


def entries(answer: Answer) -> list[Entry]:
    """Return everything that happened in a run."""
    found, waiting = [], list(answer.ledger.runs)
    while waiting:
        entry = waiting.pop(0)
        found.append(entry)
        waiting[:0] = entry["steps"]
    return found


def of(story: str, lived_through: list[tuple[Happening, Answer]]) -> list[Answer]:
    return [answer for one, answer in lived_through if one.story == story]


def test_a_plan_spans_the_days_and_the_clients() -> None:
    """Requests lie within the days asked for, are of all clients, and mostly within working hours on working days."""
    history = History(ENDS, days=14, runs=500)
    planned = plan_history(history)
    assert history.starts_at <= planned[0].at
    assert planned[-1].at <= ENDS + timedelta(minutes=5)
    assert [one.at for one in planned] == sorted(one.at for one in planned)
    assert len({one.client_id for one in planned}) == 12
    by_day = Counter(one.at.weekday() for one in planned)
    assert by_day[5] + by_day[6] < by_day[0] + by_day[1]


def test_the_same_seed_lives_through_the_same(fortnight: list[tuple[Happening, Answer]]) -> None:
    """Word for word, token for token; another seed is another history."""
    again, before = lived(History(ENDS, runs=40), most=25), fortnight[:25]
    assert [(one, answer.text, answer.reason) for one, answer in again] == [(one, answer.text, answer.reason) for one, answer in before]
    assert sum(tokens_of(entries(answer)) for _, answer in again) == sum(tokens_of(entries(answer)) for _, answer in before)
    assert plan_history(History(ENDS, runs=40, seed=8)) != plan_history(History(ENDS, runs=40))


def test_the_night_loops_on_one_tool(fortnight: list[tuple[Happening, Answer]]) -> None:
    """Hours of the same tool, and no answer."""
    (loop,) = of(LOOP, fortnight)
    calls = [one["name"] for one in entries(loop) if one["kind"] == "tool"]
    assert loop.reason == "max_steps"
    assert Counter(calls)["check_availability"] > 100


def test_a_canary_leaks_and_is_withheld(fortnight: list[tuple[Happening, Answer]]) -> None:
    """The model gave it away, which its call shows; the guard kept it from the user, which the answer shows."""
    for leak in of(LEAK, fortnight):
        assert leak.reason == "guardrail"
        assert "HL-CANARY" not in leak.text
        assert any("HL-CANARY" in one["text"] for one in entries(leak) if one["kind"] == "llm")


def test_an_outage_opens_the_breaker_and_passes(fortnight: list[tuple[Happening, Answer]]) -> None:
    """The breakers open, requests are answered without a model, a probe closes them, and bookings go on."""
    outage = of(OUTAGE, fortnight)
    states = [one["state"] for answer in outage for one in entries(answer) if one["kind"] == "breaker"]
    assert {"llm_unavailable", "circuit_breaker", "completed"} <= {answer.reason for answer in outage}
    assert states[0] == "open"
    assert states[-1] == "closed"
    assert outage[-1].reason == "completed"


def test_an_invented_id_is_refused(fortnight: list[tuple[Happening, Answer]]) -> None:
    """The tool never accepts the client that there is not."""
    (invented,) = of(INVENTED, fortnight)
    refused = [one for one in entries(invented) if one["kind"] == "tool" and one["code"] == "not_permitted"]
    assert refused
    assert all(one["arguments"]["client_id"] == "10999" for one in refused)


def test_a_model_change_makes_runs_dearer(fortnight: list[tuple[Happening, Answer]]) -> None:
    """While version 1.5.0 was deployed, steps were asked of the strongest model."""
    models: dict[str, Counter[str]] = {}
    for one, answer in fortnight:
        if one.architecture == "plan_execute":
            version = answer.ledger.runs[0]["version"]
            models.setdefault(version, Counter()).update(call["model"] for call in entries(answer) if call["kind"] == "llm")
    assert COST == "cost jump"
    assert len(models["1.5.0"]) < len(models["1.4.0"])
    assert {"1.4.0", "1.5.0", "1.5.1"} <= models.keys()


def test_the_nights_tidy_up(fortnight: list[tuple[Happening, Answer]]) -> None:
    """Who comes back after days is remembered: what their earlier sessions were about is found again."""
    found = [one["documents"] for _, answer in fortnight for one in entries(answer) if one.get("name") == "episodes"]
    assert any(found)
