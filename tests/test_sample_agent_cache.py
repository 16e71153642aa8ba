"""The answer cache: when a question is the same, when it means the same, and whose answers it may serve."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sample_agent.models.likeness import facts_in
from sample_agent.models.types import Text, Tokens
from tracer.testing import capture

from .sample_agent_models import BOOK, LOOK_UP, Bench, bench, request

POLICY = "How much does it cost to cancel an appointment late?"


def ask(it: Bench, text: str, **changes: Any) -> str:
    """Ask with the text as what may match by meaning, and return how it was answered: model, exact or semantic."""
    before = len(it.facts("cache"))
    question = replace(request(text), semantic_text=text)
    it.stack(replace(question, **changes))
    hits = it.facts("cache")[before:]
    return str(hits[0]["name"]) if hits else "model"


def test_the_same_question_is_answered_once() -> None:
    """The second time it costs no tokens, and what it saved is told and recorded."""
    with bench(cache="semantic") as it, capture() as captured:
        first = it.stack(request(POLICY))
        second = it.stack(request(POLICY))

        assert (first.from_cache, second.from_cache) == (False, True)
        assert second.text == first.text and second.tokens == Tokens(0, 0)
        assert it.tokens.used("s1") == first.tokens.total
        (hit,) = it.facts("cache")
        assert hit["hit"] is True and hit["name"] == "exact" and hit["saved_usd"] > 0
    assert len(captured.spans) == 2


@pytest.mark.parametrize(
    ("second", "how"),
    [
        ("How much does it cost to cancel an appointment late, please?", "semantic"),
        ("How much would it cost to cancel my appointment late?", "semantic"),
        ("What are your opening hours in Singapore?", "model"),
        # As like as two peas, and yet the opposite or another matter:
        ("How much does it cost to book an appointment late?", "model"),
        ("How much does it not cost to cancel an appointment late?", "model"),
        ("How much does it cost to cancel an appointment late on Friday?", "model"),
    ],
)
def test_a_question_that_means_the_same(second: str, how: str) -> None:
    """Like in vector and equal in facts; one of them alone is not enough."""
    with bench(cache="semantic") as it:
        ask(it, POLICY)

        assert ask(it, second) == how


@pytest.mark.parametrize(
    "pair",
    [
        ("book 30 minutes on Thursday afternoon", "book 30 minutes on Tuesday afternoon"),
        ("book client 10422 for 30 minutes", "book client 10440 for 30 minutes"),
        ("cancel my appointment A20017", "cancel my appointment A20018"),
        ("meet Ana Hartwell at 14:00", "meet Tom Lowe at 14:00"),
        ("move it to 14:00", "move it to 14:30"),
        ("please cancel it", "please don't cancel it"),
    ],
)
def test_facts_keep_like_questions_apart(pair: tuple[str, str]) -> None:
    """However near their vectors are."""
    assert facts_in(pair[0]) != facts_in(pair[1])


def test_synonyms_are_the_same_fact() -> None:
    """What people call it does not matter."""
    assert facts_in("Please schedule 30 minutes") == facts_in("could you book 30 mins, i.e. 30 minutes") - {"mins"}


@pytest.mark.parametrize(
    "changes",
    [
        {"user": "u2"},
        {"user": ""},
        {"system": "Role: react\nother rules"},
        {"role": "planner"},
        {"max_tokens": 100},
        {"tools": (replace(LOOK_UP, side_effects=False),)},
    ],
    ids=["another user", "nobody", "other rules", "another role", "another length", "other tools"],
)
def test_anything_else_that_differs_is_another_question(changes: dict[str, Any]) -> None:
    """Above all, nobody is served another user's answer."""
    with bench(cache="semantic") as it:
        ask(it, POLICY)

        assert ask(it, POLICY, **changes) == "model"


def test_nothing_is_kept_where_a_tool_could_act() -> None:
    """A tool request is a decision about the world as it was; only where all tools merely read it may be served again, and exactly."""
    reading = replace(LOOK_UP, side_effects=False)
    with bench(cache="semantic") as it:
        assert [ask(it, "what appointments do I have?", tools=(LOOK_UP, BOOK)) for _ in range(2)] == ["model", "model"]
        assert [ask(it, "what appointments do I have?", tools=(reading,)) for _ in range(2)] == ["model", "exact"]
        assert ask(it, "which appointments do I have?", tools=(reading,)) == "model"


def test_only_the_text_itself_may_match_by_meaning() -> None:
    """What stands around it in the prompt must be equal: another day, another client, other notes."""
    with bench(cache="semantic") as it:
        ask(it, POLICY)
        other = request(POLICY)
        message = replace(other.messages[0], parts=(Text(f"<notes>[]</notes>{POLICY} please"),))

        assert ask(it, f"{POLICY} please", messages=(message,)) == "model"


def test_an_answer_grows_old() -> None:
    """After ten minutes the model is asked again."""
    with bench(cache="semantic") as it:
        ask(it, POLICY)
        it.clock[0] += timedelta(minutes=9)
        assert ask(it, POLICY) == "exact"
        it.clock[0] += timedelta(minutes=2)

        assert ask(it, POLICY) == "model"


def test_the_least_recently_used_goes_first() -> None:
    """The cache is bounded."""
    with bench(cache="exact", cache_size=2) as it:
        for text in ("hello one", "hello two", "hello one", "hello three"):
            ask(it, text)

        assert [ask(it, text) for text in ("hello one", "hello two")] == ["exact", "model"]


@pytest.mark.parametrize(
    ("mode", "same", "like"), [("off", "model", "model"), ("exact", "exact", "model"), ("semantic", "exact", "semantic")]
)
def test_modes(mode: str, same: str, like: str) -> None:
    """Off, exact, or by meaning as well."""
    with bench(cache=mode) as it:
        ask(it, POLICY)

        assert (ask(it, POLICY), ask(it, f"{POLICY} Please.")) == (same, like)
