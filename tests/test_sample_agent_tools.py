"""The six tools and their one door: what may pass, what a model is told when it may not, and what is recorded of it."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sample_agent.domain.confirmations import list_confirmations
from sample_agent.observe import Guarded, ToolCalled
from sample_agent.rates import RateLimiter
from sample_agent.tools.catalogue import TOOLS
from sample_agent.tools.contract import Result, ToolContext
from sample_agent.tools.registry import call_tool
from tracer.testing import capture

from .sample_agent_world import World, faults, world

THURSDAY = "2026-03-05"


@pytest.fixture
def firm(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as built:
        yield built


def own(firm: World) -> ToolContext:
    """Return the context of client 10422."""
    return firm.context(role="client", allowed_clients=frozenset({"10422"}))


# --- what a model sees --------------------------------------------------------------------------------------------------


def test_there_are_six_tools() -> None:
    """Exactly those of the case study."""
    assert set(TOOLS) == {
        "check_availability",
        "book_appointment",
        "cancel_appointment",
        "reschedule_appointment",
        "get_client_preferences",
        "send_confirmation",
    }


@pytest.mark.parametrize("name", TOOLS)
def test_every_argument_says_what_is_valid(name: str) -> None:
    """A description of some length for the tool and each argument, nothing unknown allowed, and all of it small."""
    schema = TOOLS[name].parameters
    assert len(TOOLS[name].description) > 80
    assert schema["additionalProperties"] is False
    assert [argument for argument, told in schema["properties"].items() if len(told.get("description", "")) < 20] == []
    assert len(json.dumps(schema)) < 2500


# --- finding ------------------------------------------------------------------------------------------------------------


def ask(firm: World, **arguments: Any) -> dict[str, Any]:
    values = {"client_id": "10422", "earliest": THURSDAY, "latest": THURSDAY, "duration_minutes": 30, **arguments}
    return firm.call("check_availability", **values).content


def test_free_times_come_in_pages(firm: World) -> None:
    """Eight at a time, together all there are, none twice."""
    pages = [ask(firm, page=page) for page in (1, 2, 3)]
    starts = [one["starts_at"] for page in pages for one in page["free"]]
    assert [len(page["free"]) for page in pages] == [8, 8, 1]
    assert len(set(starts)) == 17 == pages[0]["total"]
    assert (ask(firm, page=4)["free"], ask(firm, page=4)["hint"]) == ([], "There are 3 pages.")


def test_results_stay_small(firm: World) -> None:
    """Whatever is asked for, a page of free times is less than 3,000 characters."""
    assert len(json.dumps(ask(firm, latest="2026-03-18", time_zone="America/Argentina/Buenos_Aires"))) < 3000


def test_the_preferred_one_comes_first(firm: World) -> None:
    """Lily Chen wants Tom Lowe; where he is taken, Ana Hartwell is offered."""
    firm.book("10405", "P12", "2026-03-05T09:00:00+00:00")
    free = ask(firm, client_id="10440")["free"]
    assert [(one["professional_ids"], one["also_free"]) for one in free[:2]] == [(["P11"], []), (["P12"], ["P11"])]


def test_a_client_is_not_free_when_they_meet_somebody_else(firm: World) -> None:
    """Their own appointments are left out."""
    firm.book("10422", "P11", "2026-03-05T09:00:00+00:00", 60)
    assert ask(firm, professional_ids=["P12"])["free"][0]["starts_at"] == "2026-03-05T10:00:00+00:00"


def test_nothing_free_says_what_to_try(firm: World) -> None:
    """Three offices share no hour."""
    found = ask(firm, professional_ids=["P11", "P21", "P31"], latest="2026-03-18")
    assert (found["total"], found["hint"]) == (
        0,
        "Nothing is free together. Try other days, any part of the day, a shorter meeting or other professionals.",
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"latest": "2026-03-04"}, "latest is before earliest"),
        ({"latest": "2026-04-04"}, "At most 14 days"),
        ({"earliest": "2026-02-04", "latest": "2026-02-05"}, "is in the past; today is 2026-03-02"),
        ({"earliest": "2036-02-04", "latest": "2036-02-05"}, "a year ahead"),
        ({"earliest": "0001-01-01", "latest": "0001-01-01"}, "is in the past"),
        ({"earliest": "9999-12-31", "latest": "9999-12-31"}, "a year ahead"),
        ({"time_zone": "London"}, "Use an IANA name such as"),
        ({"professional_ids": ["P77"]}, "There are: P11 Ana Hartwell (London)"),
        ({"client_id": "19999"}, "Client 19999 not found. Client ids are five digits and start with 1."),
    ],
)
def test_a_search_that_cannot_be_made_says_what_can(firm: World, arguments: dict[str, Any], words: str) -> None:
    """In words that lead to a right call."""
    assert words in ask(firm, **arguments)["error"]


# --- booking, moving, cancelling, sending -------------------------------------------------------------------------------


def test_from_search_to_message(firm: World) -> None:
    """The usual way: look up, search, book what was found, move it, confirm it, cancel it."""
    client = firm.call("get_client_preferences", client="Nadia Brandt").content
    slot = ask(firm, client_id=client["client_id"], part_of_day="afternoon")["free"][0]
    made = firm.call(
        "book_appointment",
        client_id="10422",
        professional_ids=slot["professional_ids"],
        starts_at=slot["starts_at"],
        duration_minutes=30,
        purpose="tax return",
    ).content
    assert (made["starts_at"], made["professional_names"], made["status"]) == ("2026-03-05T12:00:00+00:00", ["Ana Hartwell"], "booked")
    appointment_id = made["appointment_id"]
    moved = firm.agree_and_call("reschedule_appointment", appointment_id=appointment_id, starts_at="2026-03-30T14:00:00+01:00").content
    assert (moved["moved_from"], moved["starts_at"]) == ("2026-03-05T12:00:00+00:00", "2026-03-30T14:00:00+01:00")
    sent = firm.agree_and_call("send_confirmation", appointment_id=appointment_id).content
    assert (sent["recipient"], sent["channel"]) == ("n***@example.com", "email")
    assert "Monday 30 March 2026 at 14:00 (Europe/London)" in sent["text"]
    assert firm.agree_and_call("cancel_appointment", appointment_id=appointment_id, reason="ill").content["status"] == "cancelled"
    assert firm.call("get_client_preferences", client="10422").content["upcoming"] == []


def test_upcoming_appointments_are_bounded(firm: World) -> None:
    """The next five, and how many there are."""
    for hour in range(9, 16):
        firm.book("10422", "P11", f"2026-03-05T{hour:02}:00:00+00:00")
    told = firm.call("get_client_preferences", client="10422").content
    assert ([one["appointment_id"] for one in told["upcoming"]], told["upcoming_total"]) == ([f"A2000{n}" for n in range(1, 6)], 7)


def test_times_are_told_on_the_clients_clock(firm: World) -> None:
    """Hannah Vogt lives in Berlin."""
    firm.book("10499", "P11", "2026-03-05T09:00:00+00:00")
    assert firm.call("get_client_preferences", client="10499").content["upcoming"][0]["starts_at"] == "2026-03-05T10:00:00+01:00"


def test_an_ambiguous_name_names_all_who_are_meant(firm: World) -> None:
    """The model has to ask."""
    told = firm.call("get_client_preferences", client="chen")
    assert (told.code, told.error) == (
        "ambiguous",
        "2 clients are called 'chen': 10431 Wei Chen (Asia/Singapore); 10440 Lily Chen (Europe/London). "
        "Ask which one is meant; do not guess.",
    )


def test_cancelling_twice_says_so(firm: World) -> None:
    """Before anybody is asked to agree."""
    appointment_id = firm.book("10422", "P11", "2026-03-05T09:00:00+00:00")
    firm.agree_and_call("cancel_appointment", appointment_id=appointment_id)
    again = firm.call("cancel_appointment", appointment_id=appointment_id)
    assert (again.code, again.needs_confirmation) == ("already_cancelled", None)


def test_a_conflict_names_nobody_else(firm: World) -> None:
    """Who has the time is not told."""
    firm.book("10405", "P11", "2026-03-05T09:00:00+00:00")
    arguments = {"client_id": "10422", "professional_ids": ["P11"], "starts_at": "2026-03-05T09:00:00+00:00", "duration_minutes": 30}
    told = firm.call("book_appointment", own(firm), **arguments)
    assert told.code == "conflict"
    assert "10405" not in told.text
    assert "Marsh" not in told.text


# --- arguments ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"client_id": "99999"}, "client_id: String should match pattern '^1[0-9]{4}$', got '99999'. Client id: five digits"),
        ({"client_id": 10422}, "client_id: Input should be a valid string, got 10422"),
        ({"duration_minutes": "30"}, "duration_minutes: Input should be a valid integer, got '30'. Length of the meeting: 15 to 180"),
        ({"duration_minutes": 20}, "multiple of 15"),
        ({"duration_minutes": 10**30}, "duration_minutes"),
        ({"starts_at": "2026-03-05T09:00:00"}, "starts_at: Input should have timezone info"),
        ({"starts_at": "Thursday"}, "starts_at: Input should be a valid datetime"),
        ({"starts_at": "0001-01-01T00:00:00+14:00"}, "starts_at: Value error, must be a year from 2000 to 2099"),
        ({"starts_at": 1772701200}, "starts_at"),
        ({"professional_ids": []}, "professional_ids: List should have at least 1 item"),
        ({"professional_ids": ["Ana"]}, "professional_ids: String should match pattern"),
        ({"professional_ids": "P11"}, "professional_ids: Input should be a valid array"),
        ({"sql": "SELECT 1"}, "There is no argument 'sql'. Arguments are: client_id, professional_ids, starts_at, duration_minutes"),
        ({"purpose": "x" * 121}, "purpose: String should have at most 120 characters"),
        ({"purpose": None}, "purpose: Input should be a valid string"),
    ],
)
def test_wrong_arguments_are_explained(firm: World, changes: dict[str, Any], words: str) -> None:
    """Nothing is coerced; each complaint says what would be valid, and the answer stays short."""
    arguments = {"client_id": "10422", "professional_ids": ["P11"], "starts_at": "2026-03-05T09:00:00Z", "duration_minutes": 30, **changes}
    told = firm.call("book_appointment", **arguments)
    assert told.code == "invalid_arguments"
    assert words in (told.error or "")
    assert len(told.text) < 700


def test_missing_arguments_are_named(firm: World) -> None:
    """With what they should be."""
    assert "starts_at is missing. When it starts: ISO 8601" in (firm.call("reschedule_appointment", appointment_id="A20001").error or "")


def test_arguments_that_are_no_json_are_refused(firm: World) -> None:
    """A tool call cannot crash its door."""
    circle: dict[str, Any] = {}
    circle["client"] = circle
    for arguments in ({"client": object()}, circle, {"client": float("nan")}, {"client": "\ud800"}):
        assert call_tool("get_client_preferences", arguments, firm.context()).ok is False


# --- who may ------------------------------------------------------------------------------------------------------------


def test_an_unknown_tool_is_answered_with_those_there_are(firm: World) -> None:
    """Only those of the task."""
    told = firm.call("delete_database", firm.context(allowed_tools=frozenset({"check_availability"})), table="client")
    assert (told.code, told.error) == ("unknown_tool", "There is no tool 'delete_database'. Tools of this task: check_availability.")


def test_a_tool_outside_the_task_is_not_run(firm: World) -> None:
    """Least privilege holds whatever the model asks for."""
    told = firm.call("cancel_appointment", firm.context(allowed_tools=frozenset({"check_availability"})), appointment_id="A20001")
    assert told.code == "not_permitted"


def test_others_and_nobody_look_the_same(firm: World) -> None:
    """A client of another session, one that does not exist; an appointment of theirs, one that does not exist: the same words."""
    theirs = firm.book("10405", "P12", "2026-03-05T09:00:00+00:00")
    context = own(firm)
    clients = [firm.call("get_client_preferences", context, client=one) for one in ("10405", "19999")]
    assert {one.code for one in clients} == {"not_permitted"}
    assert clients[0].text.replace("10405", "?") == clients[1].text.replace("19999", "?")
    appointments = [firm.call("cancel_appointment", context, appointment_id=one) for one in (theirs, "A29999")]
    assert {one.code for one in appointments} == {"not_found"}
    assert appointments[0].text.replace(theirs, "?") == appointments[1].text.replace("A29999", "?")
    assert firm.call("get_client_preferences", context, client="Marsh").code == "not_found"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("get_client_preferences", {"client": " 10405 "}),
        ("check_availability", {"client_id": "10405", "earliest": THURSDAY, "latest": THURSDAY, "duration_minutes": 30}),
        (
            "book_appointment",
            {"client_id": "10405", "professional_ids": ["P12"], "starts_at": "2026-03-05T11:00:00Z", "duration_minutes": 30},
        ),
        ("cancel_appointment", {"appointment_id": "A20001"}),
        ("reschedule_appointment", {"appointment_id": "A20001", "starts_at": "2026-03-06T11:00:00Z"}),
        ("send_confirmation", {"appointment_id": "A20001"}),
    ],
)
def test_no_tool_reaches_another_client(firm: World, name: str, arguments: dict[str, Any]) -> None:
    """Neither reading nor changing, even with everything agreed to."""
    firm.book("10405", "P12", "2026-03-05T09:00:00+00:00")
    before = [tuple(row) for row in firm.store.rows("SELECT * FROM appointment")]
    told = firm.call(name, replace(own(firm), confirmed=lambda key: True), **arguments)
    assert told.code in ("not_permitted", "not_found")
    assert "Marsh" not in told.text
    assert [tuple(row) for row in firm.store.rows("SELECT * FROM appointment")] == before


# --- confirmation -------------------------------------------------------------------------------------------------------


def test_what_cannot_be_undone_is_asked_first(firm: World) -> None:
    """Nothing happens before the yes; the question says what will happen; the yes holds once."""
    appointment_id = firm.book("10422", "P11", "2026-03-05T09:00:00+00:00")
    asked = firm.call("cancel_appointment", appointment_id=appointment_id)
    assert (asked.ok, asked.error, asked.code) == (False, None, "needs_confirmation")
    assert asked.needs_confirmation == (
        "Cancel appointment A20001 of Nadia Brandt on Thursday 5 March 2026 at 09:00 (Europe/London)? "
        "The time may be given to somebody else at once."
    )
    assert firm.store.rows("SELECT status FROM appointment")[0]["status"] == "booked"
    assert firm.agree_and_call("send_confirmation", appointment_id=appointment_id).code is None
    assert firm.call("send_confirmation", appointment_id=appointment_id).code == "needs_confirmation"
    assert len(list_confirmations(firm.store, appointment_id)) == 1


def test_a_yes_is_for_these_arguments_alone(firm: World) -> None:
    """Another appointment or another time needs another yes; another reason, or the same time written otherwise, does not."""
    first = firm.book("10422", "P11", "2026-03-05T09:00:00+00:00")
    second = firm.book("10422", "P11", "2026-03-05T10:00:00+00:00")
    key = firm.call("cancel_appointment", appointment_id=first, reason="ill").confirmation_key
    assert key == firm.call("cancel_appointment", appointment_id=first, reason="travelling").confirmation_key
    assert key != firm.call("cancel_appointment", appointment_id=second).confirmation_key
    times = ("2026-03-05T15:00:00Z", "2026-03-05T16:00:00+01:00", "2026-03-05T16:00:00+00:00")
    keys = [firm.call("reschedule_appointment", appointment_id=first, starts_at=one).confirmation_key for one in times]
    assert keys[0] == keys[1] != keys[2]


def test_a_late_cancellation_names_its_fee(firm: World) -> None:
    """From 24 hours before on."""
    appointment_id = firm.book("10422", "P11", "2026-03-03T08:45:00+00:00".replace("08:45", "09:00"))
    assert "fee" not in (firm.call("cancel_appointment", appointment_id=appointment_id).needs_confirmation or "fee")
    firm.wait(minutes=1)
    assert "late cancellation fee" in (firm.call("cancel_appointment", appointment_id=appointment_id).needs_confirmation or "")


def test_nobody_is_asked_about_what_cannot_be(firm: World) -> None:
    """A move into a taken time is refused before the question, and changes nothing."""
    firm.book("10405", "P11", "2026-03-05T10:00:00+00:00")
    mine = firm.book("10422", "P11", "2026-03-05T09:00:00+00:00")
    assert firm.call("reschedule_appointment", appointment_id=mine, starts_at="2026-03-05T10:00:00Z").code == "conflict"
    assert faults(firm.store) == []


# --- limits, intents, failures ------------------------------------------------------------------------------------------


def test_destructive_calls_are_limited(firm: World) -> None:
    """Six in an hour, then the model is told to hand over; what was refused keeps its yes and is not counted."""
    appointment_id = firm.book("10422", "P11", "2026-03-05T09:00:00+00:00")
    context = firm.context(admit=RateLimiter(firm.state, firm.now).admit)
    results = [firm.agree_and_call("send_confirmation", context, appointment_id=appointment_id) for _ in range(7)]
    assert [one.code for one in results] == [None] * 6 + ["rate_limited"]
    assert "possible again in about 60 minutes" in (results[-1].error or "")
    assert len(firm.agreed) == 1
    firm.wait(minutes=61)
    assert firm.call("send_confirmation", context, appointment_id=appointment_id).ok


def test_an_intent_stands_before_the_change_and_its_outcome_after(firm: World) -> None:
    """Reading tools write none; a refused change is closed as well."""
    seen: list[int] = []

    def run(context: ToolContext, arguments: Any) -> Result:
        seen.append(len(firm.context().journal.unfinished("s1")))  # type: ignore[attr-defined]
        return TOOLS["book_appointment"].run(context, arguments)

    specs = {**TOOLS, "book_appointment": replace(TOOLS["book_appointment"], run=run)}
    arguments = {"client_id": "10422", "professional_ids": ["P11"], "starts_at": "2026-03-05T09:00:00Z", "duration_minutes": 30}
    codes = [call_tool("book_appointment", arguments, firm.context(), specs=specs).code for _ in range(2)]
    assert (codes, seen) == ([None, "already_booked"], [1, 1])
    firm.call("get_client_preferences", client="10422")
    outcomes = [json.loads(row["outcome"]) for row in firm.state.rows("SELECT outcome FROM intent ORDER BY number")]
    assert [one.get("appointment_id", one.get("code")) for one in outcomes] == ["A20001", "already_booked"]


def test_a_lost_answer_is_found_again(firm: World) -> None:
    """The calendars did it and the answer was lost: the same call again is answered with what was done, not done twice."""
    answers: list[BaseException | None] = [sqlite3.OperationalError("database is locked"), None]

    def run(context: ToolContext, arguments: Any) -> Result:
        result = TOOLS["book_appointment"].run(context, arguments)
        error = answers.pop(0)
        if error is not None:
            raise error
        return result

    specs = {**TOOLS, "book_appointment": replace(TOOLS["book_appointment"], run=run)}
    arguments = {"client_id": "10422", "professional_ids": ["P11"], "starts_at": "2026-03-05T09:00:00Z", "duration_minutes": 30}
    results = [call_tool("book_appointment", arguments, firm.context(), specs=specs) for _ in range(2)]
    assert [one.code for one in results] == ["unavailable", None]
    assert "hand over to a person" in (results[0].error or "")
    assert len(firm.store.rows("SELECT * FROM appointment")) == 1
    assert firm.context().journal.unfinished("s1") == ()  # type: ignore[attr-defined]


def test_a_fault_in_a_tool_shows_nothing_of_its_insides(firm: World) -> None:
    """The model is told that it failed, the conversation goes on."""

    def run(context: ToolContext, arguments: Any) -> Result:
        raise KeyError("/srv/app/secret.py")

    told = call_tool(
        "get_client_preferences",
        {"client": "10422"},
        firm.context(),
        specs={"get_client_preferences": replace(TOOLS["get_client_preferences"], run=run)},
    )
    assert (told.code, told.error) == ("internal", "get_client_preferences failed (KeyError). Do not repeat it: hand over to a person.")


# --- what is told -------------------------------------------------------------------------------------------------------


def test_the_ledger_is_told_what_the_model_is_told(firm: World) -> None:
    """For each call one verdict and one call, with the arguments as they came and the content as it went."""
    arguments = {"client": "10422", "extra": 1}
    results = [call_tool("get_client_preferences", one, firm.context(), call_id="c1") for one in ({"client": "10422"}, arguments)]
    verdicts = [one for one in firm.told if isinstance(one, Guarded)]
    calls = [one for one in firm.told if isinstance(one, ToolCalled)]
    assert [one.verdict for one in verdicts] == ["allowed", "refused"]
    assert [(one.name, one.arguments, one.content, one.error, one.call_id) for one in calls] == [
        ("get_client_preferences", {"client": "10422"}, results[0].content, None, "c1"),
        ("get_client_preferences", arguments, results[1].content, results[1].error, "c1"),
    ]
    assert json.loads(results[0].text) == results[0].content


# --- hostile ------------------------------------------------------------------------------------------------------------

SQL = st.sampled_from(
    [
        "'; DROP TABLE appointment; --",
        "10422' OR '1'='1",
        '" OR ""="',
        "1; DELETE FROM client",
        "A20001' UNION SELECT * FROM client --",
        "%",
        "_",
        "\0",
        "10422\n10405",
    ]
)
ANYTHING = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), SQL),
        st.sampled_from(["10422", "A20001", "P11", THURSDAY]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(sorted(TOOLS)),
    values=st.lists(ANYTHING, min_size=7, max_size=7),
    left_out=st.integers(0, 127),
)
def test_no_argument_does_harm(name: str, values: list[Any], left_out: int) -> None:
    """SQL, ids in the wrong place, numbers beyond bounds, nested things: an answer comes, nothing raises, and no other table changes."""
    with world() as firm:
        firm.book("10422", "P11", "2026-03-05T09:00:00+00:00")
        before = firm.store.rows("SELECT count(*) AS n FROM client")[0]["n"]
        fields = [field for at, field in enumerate(TOOLS[name].arguments.model_fields) if not left_out >> at & 1]
        told = call_tool(name, dict(zip(fields, values, strict=False)), own(firm))
        assert told.ok or told.code
        assert len(told.text) < 4000
        assert firm.store.rows("SELECT count(*) AS n FROM client")[0]["n"] == before == 12
        assert faults(firm.store) == []
        assert firm.store.rows("SELECT status FROM appointment WHERE number = 1")[0]["status"] == "booked"


CALLS = st.one_of(
    st.tuples(
        st.just("book_appointment"),
        st.fixed_dictionaries(
            {
                "client_id": st.sampled_from(["10422", "10405", "10431"]),
                "professional_ids": st.sampled_from([["P11"], ["P12"], ["P11", "P12"], ["P11", "P11"]]),
                "starts_at": st.integers(0, 12).map(lambda quarter: f"2026-03-05T{9 + quarter // 4:02}:{quarter % 4 * 15:02}:00Z"),
                "duration_minutes": st.sampled_from([15, 30, 60]),
            }
        ),
    ),
    st.tuples(
        st.just("reschedule_appointment"),
        st.fixed_dictionaries(
            {
                "appointment_id": st.integers(1, 8).map(lambda number: f"A{20_000 + number}"),
                "starts_at": st.integers(0, 12).map(lambda quarter: f"2026-03-05T{10 + quarter // 4:02}:{quarter % 4 * 15:02}:00+01:00"),
                "duration_minutes": st.sampled_from([None, 15, 90]),
            }
        ),
    ),
    st.tuples(st.just("cancel_appointment"), st.fixed_dictionaries({"appointment_id": st.integers(1, 8).map(lambda n: f"A{20_000 + n}")})),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(CALLS, max_size=20))
def test_no_sequence_of_tool_calls_makes_meetings_meet(calls: list[tuple[str, dict[str, Any]]]) -> None:
    """All agreed to, in any order: no two meetings of anybody overlap, and what was answered is what is stored."""
    with world() as firm:
        context = firm.context(confirmed=lambda key: True)
        for name, arguments in calls:
            told = call_tool(name, arguments, context)
            assert faults(firm.store) == []
            if told.ok:
                number = int(told.content["appointment_id"][1:]) - 20_000
                row = firm.store.rows("SELECT status FROM appointment WHERE number = ?", (number,))[0]
                assert row["status"] == told.content["status"]


# --- what is recorded ---------------------------------------------------------------------------------------------------


def test_a_tool_call_is_in_the_trace(firm: World) -> None:
    """With its verdict inside it, the arguments, the result, and the error where there was one."""
    with capture() as captured:
        call_tool("get_client_preferences", {"client": "10422"}, firm.context(), call_id="c1")
        call_tool("get_client_preferences", {"client": "19999"}, firm.context())
    assert captured.outline().splitlines() == ["execute_tool get_client_preferences", "  check tool call"] * 2
    _, good, _, bad = (dict(span.attributes or {}) for span in captured.spans)
    assert (good["gen_ai.tool.name"], good["gen_ai.tool.call.id"]) == ("get_client_preferences", "c1")
    assert json.loads(str(good["gen_ai.tool.call.arguments"])) == {"client": "10422"}
    assert json.loads(str(good["gen_ai.tool.call.result"]))["name"] == "Nadia Brandt"
    assert json.loads(str(bad["gen_ai.tool.call.result"]))["code"] == "not_found"
    assert (captured.spans[3].status.description or "").startswith("Client 19999 not found")
