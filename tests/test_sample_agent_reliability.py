"""What the model layer does when calls fail: wait and ask again, ask somebody else, stop asking, mend answers, and stop at the budget."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from sample_agent.model_server.faults import Fault
from sample_agent.models.breaker import Breaker, guarded
from sample_agent.models.budget import Ceilings, CountedHere, budgeted, most_tokens
from sample_agent.models.fallback import falling_back
from sample_agent.models.repair import repairing
from sample_agent.models.retry import Patience, retrying
from sample_agent.models.settings import ModelSettings
from sample_agent.models.types import (
    BreakerOpen,
    ModelReply,
    ModelRequest,
    ModelUnavailable,
    OutputInvalid,
    Text,
    TokenBudgetSpent,
    Tokens,
    said,
)
from sample_agent.observe import Event, Told, ignore
from tracer.testing import capture

from .sample_agent_models import MONDAY, bench, request

Provider = Literal["anthropic", "openai"]
Call = Callable[..., ModelReply]

ASKED = ModelRequest("executor", "rules", (said("hi"),), session="s1", model="m")


FEW, SOME = Tokens(10, 5), Tokens(100, 50)


def reply(text: str = "fine", tokens: Tokens = FEW, **changes: Any) -> ModelReply:
    return replace(ModelReply(text, (), (), tokens, "m", "anthropic", "end_turn", "id"), **changes)


def scripted(*answers: ModelReply | BaseException) -> tuple[Callable[[ModelRequest], ModelReply], list[ModelRequest]]:
    """Return a provider that answers in turn, and what it was asked."""
    asked: list[ModelRequest] = []

    def ask(question: ModelRequest) -> ModelReply:
        asked.append(question)
        answer = answers[min(len(asked), len(answers)) - 1]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return ask, asked


def down(reason: str = "529 overloaded", retry_after_s: float | None = None) -> ModelUnavailable:
    return ModelUnavailable(reason, provider="anthropic", is_transient=True, retry_after_s=retry_after_s)


def kinds(told: Sequence[Told]) -> list[str]:
    return [event.kind for event in told if isinstance(event, Event)]


# --- retry ----------------------------------------------------------------------------------------------------------


def retried(*answers: ModelReply | Exception, longest_wait_s: float = 60.0) -> tuple[list[float], list[ModelRequest], BaseException | None]:
    ask, asked = scripted(*answers)
    waits: list[float] = []
    complete = retrying(ask, Patience(4, longest_wait_s), waits.append, random.Random(1), ignore)
    try:
        complete(ASKED)
    except ModelUnavailable as error:
        return waits, asked, error
    return waits, asked, None


def test_retries_wait_one_two_and_four_seconds_and_a_little_more() -> None:
    """Four attempts in all; the jitter adds at most a quarter, so that clients do not return in step."""
    waits, asked, error = retried(down())

    assert len(asked) == 4 and isinstance(error, ModelUnavailable)
    assert all(base <= wait <= base * 1.25 for base, wait in zip((1, 2, 4), waits, strict=True))
    assert waits != [1, 2, 4]


@pytest.mark.parametrize(("retry_after_s", "least"), [(7.0, 7.0), (0.2, 1.0)])
def test_a_provider_that_says_when_is_believed(retry_after_s: float, least: float) -> None:
    """Its wish is a lower bound, as the own backoff is."""
    waits, _, error = retried(down(retry_after_s=retry_after_s), reply())

    assert error is None
    assert least <= waits[0] <= least * 1.25


def test_too_long_a_wait_is_none() -> None:
    """A provider that asks for ten minutes is down: the fallback is asked at once."""
    waits, asked, error = retried(down(retry_after_s=600.0), reply())

    assert (waits, len(asked), error is None) == ([], 1, False)


def test_what_cannot_pass_is_not_retried() -> None:
    """A refused request is refused again."""
    waits, asked, _ = retried(ModelUnavailable("400 refused", provider="anthropic"))

    assert (waits, len(asked)) == ([], 1)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(kind="rate_limit", retry_after_s=3), "429 rate limited"),
        (Fault(kind="error"), "500 failed"),
        (Fault(kind="error", status=503), "503 failed"),
        (Fault(kind="overloaded"), "529 overloaded"),
        (Fault(kind="reset"), "the connection failed"),
        (Fault(kind="truncated_body"), "answered with an unreadable body"),
        (Fault(kind="hang", seconds=5), "timed out"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
@pytest.mark.parametrize("provider", ["anthropic", "openai"])
@pytest.mark.parametrize("stream", [False, True])
def test_every_transient_failure_is_retried_and_named(fault: Fault, reason: str, provider: Provider, stream: bool) -> None:
    """Through the real clients, from the real server, whole and streamed."""
    faults = [fault.model_copy(update={"provider": provider})]
    if provider == "openai":
        faults.append(Fault(kind="invalid_request", provider="anthropic", times=None))
    with bench(faults, timeout_s=0.4 if fault.kind == "hang" else 10.0, stream=stream) as it:
        answer = it.ask("hello")

        assert answer.provider == provider
        (retry,) = it.facts("retry")
        assert (retry["attempt"], retry["of"], retry["because"]) == (1, 3, reason)
        assert it.waits[0] == pytest.approx(retry["delay_s"], abs=0.001)
        assert it.waits[0] >= (3.0 if fault.kind == "rate_limit" else 1.0)


# --- fallback -------------------------------------------------------------------------------------------------------


def test_the_fallback_is_asked_when_the_retries_are_used_up() -> None:
    """By its own model of the same strength, and the reason is told."""
    with bench([Fault(kind="error", provider="anthropic", times=None)]) as it:
        answer = it.ask("hello")

        assert (answer.provider, answer.model) == ("openai", "gpt-4o")
        assert it.facts("fallback") == [{"source": "claude-sonnet-5", "to": "gpt-4o", "because": "500 failed"}]
        assert [kind.split()[0] for kind in it.kinds()] == [*["llm", "retry"] * 3, "llm", "fallback", "llm"]


def test_without_a_fallback_the_failure_is_the_callers() -> None:
    """Nobody is left to ask."""
    with bench([Fault(kind="error", times=None)], with_fallback=False) as it, pytest.raises(ModelUnavailable, match="500 failed"):
        it.ask("hello")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (BreakerOpen("open", provider="anthropic"), BreakerOpen("open", provider="openai"), BreakerOpen),
        (down(), BreakerOpen("open", provider="openai"), ModelUnavailable),
        (BreakerOpen("open", provider="anthropic"), down(), ModelUnavailable),
        (down(), down(), ModelUnavailable),
    ],
)
def test_the_breaker_is_blamed_only_where_nobody_was_asked(first: Exception, second: Exception, expected: type[Exception]) -> None:
    """Otherwise it is the outage that ended the call."""
    complete = falling_back(scripted(first)[0], scripted(second)[0], lambda model: "other", ignore)

    with pytest.raises(ModelUnavailable) as caught:
        complete(ASKED)
    assert type(caught.value) is expected


# --- circuit breaker ------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = MONDAY

    def __call__(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def broken(clock: Clock, *answers: ModelReply | Exception) -> tuple[Callable[[], str], Breaker, list[Told], list[ModelRequest]]:
    """Return a call that says how it ended, through a breaker."""
    ask, asked = scripted(*answers)
    told: list[Told] = []
    breaker = Breaker("anthropic", ModelSettings(), clock, told.append)
    complete = guarded(ask, breaker)

    def call() -> str:
        try:
            return complete(ASKED).text
        except ModelUnavailable as error:
            return type(error).__name__

    return call, breaker, told, asked


def test_five_failures_within_a_minute_open_it() -> None:
    """The fifth failure itself is answered as open, and the provider is not asked again."""
    call, breaker, told, asked = broken(Clock(), down())

    assert [call() for _ in range(7)] == ["ModelUnavailable"] * 4 + ["BreakerOpen"] * 3
    assert (len(asked), breaker.state, kinds(told)) == (5, "open", ["breaker"])


def test_failures_older_than_a_minute_do_not_count() -> None:
    """Five failures in an hour are no outage."""
    clock = Clock()
    call, breaker, _, _ = broken(clock, down())

    for _ in range(12):
        call()
        clock.wait(16)  # never more than four within sixty seconds

    assert breaker.state == "closed"


def test_answers_in_between_do_not_make_failures_undone() -> None:
    """A provider that fails every second call is not well."""
    call, breaker, _, _ = broken(Clock(), *[answer for _ in range(5) for answer in (down(), reply())])

    for _ in range(9):
        call()

    assert breaker.state == "open"


def test_after_a_rest_one_probe_decides() -> None:
    """An answered probe closes it, a failed one opens it for another rest."""
    clock = Clock()
    call, breaker, told, _ = broken(clock, *[down()] * 5, down("500 failed"), reply())
    for _ in range(5):
        call()
    clock.wait(29)
    assert call() == "BreakerOpen"
    clock.wait(1)
    assert (call(), breaker.state) == ("BreakerOpen", "open")
    clock.wait(30)

    assert (call(), breaker.state) == ("fine", "closed")
    states = [event.facts["state"] for event in told if isinstance(event, Event)]
    assert states == ["open", "half_open", "open", "half_open", "closed"]


def test_only_one_probe_at_a_time() -> None:
    """While it is under way, everybody else is refused."""
    clock, seen = Clock(), []
    breaker = Breaker("anthropic", ModelSettings(), clock, ignore)
    for _ in range(5):
        breaker.failed(breaker.let_through(), "down")
    clock.wait(31)

    def ask(question: ModelRequest) -> ModelReply:
        seen.append(breaker.state)
        with pytest.raises(BreakerOpen):
            breaker.let_through()
        return reply()

    assert guarded(ask, breaker)(ASKED).text == "fine"
    assert (seen, breaker.state) == (["half_open"], "closed")


def test_a_probe_that_ends_for_another_reason_leaves_room_for_the_next() -> None:
    """An interrupt says nothing about the provider."""
    clock = Clock()
    breaker = Breaker("anthropic", ModelSettings(), clock, ignore)
    for _ in range(5):
        breaker.failed(breaker.let_through(), "down")
    clock.wait(31)

    with pytest.raises(KeyboardInterrupt):
        guarded(scripted(KeyboardInterrupt())[0], breaker)(ASKED)
    assert guarded(scripted(reply())[0], breaker)(ASKED).text == "fine"


def test_only_the_probes_own_answer_closes_it() -> None:
    """Calls that were under way before it opened may end while the probe is: neither their answers nor their failures are the probe's."""
    clock = Clock()
    breaker = Breaker("anthropic", ModelSettings(), clock, ignore)
    old = [breaker.let_through() for _ in range(3)]
    for _ in range(5):
        breaker.failed(breaker.let_through(), "down")
    clock.wait(31)
    probe = breaker.let_through()

    breaker.succeeded(old[0])
    assert str(breaker.state) == "half_open"
    assert breaker.failed(old[1], "down")
    breaker.abandoned(old[2])
    assert str(breaker.state) == "half_open"
    breaker.succeeded(probe)
    breaker.let_through()
    assert str(breaker.state) == "closed"


def test_our_own_mistakes_do_not_open_it() -> None:
    """A provider that refuses a request is up."""
    call, breaker, _, _ = broken(Clock(), ModelUnavailable("400 refused", provider="anthropic"))

    for _ in range(9):
        call()

    assert breaker.state == "closed"


def test_an_outage_ends_in_the_breaker_and_a_probe_ends_the_outage() -> None:
    """The first call meets the outage, the next the opening breakers, the third asks nobody; after the rest the provider is back."""
    with bench([Fault(kind="overloaded", times=None, until=MONDAY + timedelta(seconds=40))]) as it:
        ends = []
        for _ in range(3):
            with pytest.raises(ModelUnavailable) as caught:
                it.ask("hello")
            ends.append(type(caught.value))
        asked = it.server.answered
        assert ends == [ModelUnavailable, BreakerOpen, BreakerOpen]
        assert (it.stack.breaker_state("anthropic"), it.stack.breaker_state("openai"), asked) == ("open", "open", 10)

        it.clock[0] += timedelta(seconds=45)
        assert it.ask("hello").provider == "anthropic"
        assert it.facts("breaker")[-1]["state"] == "closed"


# --- repair ---------------------------------------------------------------------------------------------------------


class Colour(BaseModel):
    name: str
    depth: int


GOOD = '{"name": "red", "depth": 3}'


def repaired(*texts: str, **changes: Any) -> tuple[ModelReply, list[ModelRequest]]:
    ask, asked = scripted(*[reply(text) for text in texts])
    return repairing(ask, 2, ignore)(replace(ASKED, schema=Colour, **changes)), asked


def test_a_valid_answer_is_parsed() -> None:
    """Also between fences, which models like to put around JSON."""
    assert repaired(GOOD)[0].data == Colour(name="red", depth=3)
    assert repaired(f"```json\n{GOOD}\n```")[0].data == Colour(name="red", depth=3)


def test_the_schema_is_asked_for_in_the_instructions() -> None:
    """Every provider understands words."""
    _, asked = repaired(GOOD)

    assert asked[0].system.startswith("rules\n\nAnswer with one JSON object")
    assert '"depth"' in asked[0].system


def test_what_is_wrong_is_sent_back() -> None:
    """With the wrong answer before it, so that the model sees both."""
    answer, asked = repaired('{"name": "red"}', GOOD)

    assert answer.data == Colour(name="red", depth=3)
    wrong, complaint = asked[1].messages[-2:]
    assert wrong.parts == (Text('{"name": "red"}'),)
    assert complaint.parts[0] == Text(
        "Your response had validation errors:\ndepth: Field required\n\nPlease fix and respond again with the JSON alone."
    )


def test_two_repairs_and_no_more() -> None:
    """The third wrong answer is the last."""
    ask, asked = scripted(reply("no"))
    told: list[Told] = []

    with pytest.raises(OutputInvalid) as caught:
        repairing(ask, 2, told.append)(replace(ASKED, schema=Colour))

    assert (len(asked), kinds(told)) == (3, ["repair", "repair"])
    assert "Invalid JSON" in caught.value.errors


def test_an_empty_answer_is_repaired_too() -> None:
    """There is nothing to tell the user in it."""
    ask, asked = scripted(reply("  "), reply("hello"))

    assert repairing(ask, 2, ignore)(ASKED).text == "hello"
    assert len(asked) == 2


def test_a_steps_ceiling_holds_for_its_repairs() -> None:
    """What the wrong answer used is taken off."""
    _, asked = repaired("no", GOOD, call_token_ceiling=1_000)

    assert [question.call_token_ceiling for question in asked] == [1_000, 985]


@pytest.mark.parametrize("kind", ["truncated_json", "wrong_schema", "empty"])
def test_repairs_through_the_real_client(kind: Any) -> None:
    """The server spoils one answer, the policy gives the right one when told what was wrong."""
    with bench([Fault(kind=kind)]) as it, capture() as captured:
        answer = it.ask("hello", schema=Greeting)

        assert isinstance(answer.data, Greeting)
        assert [kind.split()[0] for kind in it.kinds()] == ["llm", "repair", "llm"]
        assert it.facts("repair")[0] | {"errors": ""} == {"attempt": 1, "of": 2, "errors": ""}
    assert [span.name for span in captured.spans][1].startswith("repair")


class Greeting(BaseModel):
    outcome: str
    text: str
    because: str
    facts: dict[str, str] = {}


# --- token budget ---------------------------------------------------------------------------------------------------


def budget(used: int = 0, most_of_call: int | None = None) -> tuple[Call, CountedHere, list[ModelRequest]]:
    ask, asked = scripted(reply(tokens=SOME))
    tokens = CountedHere()
    tokens.reserve("s1", used, used)
    complete = budgeted(ask, tokens, Ceilings(session=10_000, closing=2_000, call=most_of_call), ModelSettings(thinking_tokens=0))
    return lambda **changes: complete(replace(ASKED, **{"max_tokens": 500, **changes})), tokens, asked


def test_a_session_pays_what_was_really_used() -> None:
    """Not what was set aside before the call."""
    call, tokens, _ = budget()

    call()
    call()

    assert tokens.used("s1") == 300


def test_the_call_that_would_break_the_ceiling_is_not_made() -> None:
    """The provider is not asked, and nothing stays reserved."""
    call, tokens, asked = budget(used=7_600)

    with pytest.raises(TokenBudgetSpent) as caught:
        call()

    assert (caught.value.limit, caught.value.used, asked, tokens.used("s1")) == ("session", 7_600, [], 7_600)


def test_the_closing_summary_has_its_own_reserve() -> None:
    """So that a session that spent all can still say what was done."""
    call, _, asked = budget(used=9_000)

    call(role="summariser")

    assert len(asked) == 1


def test_a_call_has_a_ceiling_of_its_own() -> None:
    """The request's, else the settings'."""
    call, _, asked = budget(most_of_call=400)

    with pytest.raises(TokenBudgetSpent, match="call"):
        call()
    call(call_token_ceiling=1_000)
    assert len(asked) == 1


def test_a_failed_call_costs_nothing() -> None:
    """What was set aside is given back."""
    tokens = CountedHere()
    complete = budgeted(scripted(down())[0], tokens, Ceilings(10_000, 0, None), ModelSettings())

    with pytest.raises(ModelUnavailable):
        complete(ASKED)
    assert tokens.used("s1") == 0


def test_sessions_do_not_share_a_budget() -> None:
    """Each has its own."""
    call, tokens, _ = budget(used=7_900)

    call(session="s2")

    assert (tokens.used("s1"), tokens.used("s2")) == (7_900, 150)


@pytest.mark.parametrize("words", [1, 100, 2_000])
def test_the_estimate_is_never_below_the_truth(words: int) -> None:
    """A hard ceiling needs an estimate from above, whatever the prompt's length."""
    with bench() as it:
        question = request("hello " * words)
        answer = it.stack(question)

        assert most_tokens(question, 0) - question.max_tokens >= answer.tokens.input * 0.95
        assert answer.tokens.total <= most_tokens(question, 1024)


def test_the_ceiling_holds_to_the_last_call() -> None:
    """A session that asks on and on ends below its budget, never above."""
    with bench(session_tokens=12_000, closing_tokens=1_000) as it:
        with pytest.raises(TokenBudgetSpent):
            for number in range(100):
                it.ask(f"hello {number} " + "word " * 500)

        assert 5_000 < it.tokens.used("s1") <= 11_000
