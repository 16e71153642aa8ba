"""State outside the process: sessions go from one process to the next, and a killed one leaves nothing half done."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sample_agent.domain.appointments import Booking, book
from sample_agent.domain.requests import find_outcome
from sample_agent.memory.conversation import Conversation, Turn
from sample_agent.observe import Remembered
from sample_agent.state.agreements import Agreements, Pending
from sample_agent.state.journal import Journal, recover
from sample_agent.state.sessions import Keeping, NotYourSession, Sessions, SessionTaken
from sample_agent.state.store import StateStore

from .sample_agent_world import MONDAY, World, faults, world


@pytest.fixture
def firm(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as built:
        yield built


def sessions(firm: World, owner: str) -> Sessions:
    """Return the sessions as one process sees them; a summary names what was summarised."""
    return Sessions(
        firm.state,
        Keeping(owner=owner, now=firm.now, summarise=lambda text: f"<{text}>".replace("\n", " | "), observe=firm.told.append),
    )


# --- sessions -----------------------------------------------------------------------------------------------------------


def test_a_process_goes_on_with_its_own_session_word_for_word(firm: World) -> None:
    """Even after it was started anew under the same name."""
    mine = sessions(firm, "p1")
    opened = mine.add(mine.open("s", "u"), Turn("user", "book me"), Turn("assistant", "when?"))
    again = sessions(firm, "p1").open("s", "u")
    assert (again.opened, again.version) == ("resumed", 2)
    assert again.conversation == opened.conversation == Conversation("", (Turn("user", "book me"), Turn("assistant", "when?")))


def test_another_process_takes_over_with_the_summary(firm: World) -> None:
    """It sees no raw turns, and the first can write no more."""
    first = sessions(firm, "p1")
    held = first.add(first.open("s", "u"), Turn("user", "book me"))
    taken = sessions(firm, "p2").open("s", "u")
    assert (taken.id, taken.opened, taken.conversation) == ("s", "taken_over", Conversation("<user: book me>", ()))
    for write in (lambda: first.add(held, Turn("user", "more")), lambda: first.close(held, "done")):
        with pytest.raises(SessionTaken):
            write()
    assert firm.told == [Remembered("take session over", "<user: book me>")]
    assert firm.state.rows("SELECT * FROM turn") == []


def test_a_stale_view_of_a_session_writes_nothing(firm: World) -> None:
    """Of two requests in one session at once, also in one process, the later one to write is told."""
    mine = sessions(firm, "p1")
    one, other = mine.open("s", "u"), mine.open("s", "u")
    mine.add(one, Turn("user", "first"))
    with pytest.raises(SessionTaken):
        mine.add(other, Turn("user", "second"))
    assert [row["text"] for row in firm.state.rows("SELECT text FROM turn")] == ["first"]


def test_an_idle_session_is_closed_and_continued(firm: World) -> None:
    """After more than thirty minutes a new session begins with the summary of the old, whichever process opens it; and so on."""
    mine = sessions(firm, "p1")
    mine.add(mine.open("s", "u"), Turn("user", "book me"))
    firm.wait(minutes=30)
    assert mine.open("s", "u").opened == "resumed"
    firm.wait(seconds=1)
    second = mine.open("s", "u")
    assert (second.id, second.continues, second.opened, second.conversation) == ("s~2", "s", "continued", Conversation("<user: book me>"))
    mine.add(second, Turn("user", "Friday"))
    firm.wait(minutes=31)
    third = sessions(firm, "p2").open("s", "u")
    assert (third.id, third.continues) == ("s~3", "s~2")
    assert third.conversation.summary == "<Summary so far: <user: book me> | user: Friday>"
    assert [row["closed_because"] for row in firm.state.rows("SELECT * FROM session ORDER BY id")] == ["idle", "idle", None]


def test_idle_sessions_are_swept(firm: World) -> None:
    """All of them, once; those in use stay."""
    mine = sessions(firm, "p1")
    mine.add(mine.open("old", "u"), Turn("user", "hello"))
    mine.open("empty", "u2")
    firm.wait(minutes=20)
    mine.open("new", "u3")
    firm.wait(minutes=11)
    assert sorted(sessions(firm, "p2").close_idle()) == ["empty", "old"]
    assert mine.close_idle() == ()
    assert firm.state.rows("SELECT * FROM turn") == []


def test_a_session_that_was_closed_is_continued(firm: World) -> None:
    """Its summary is what the next one knows."""
    mine = sessions(firm, "p1")
    held = mine.add(mine.open("s", "u"), Turn("user", "bye"))
    assert mine.close(held, "completed") == "<user: bye>"
    assert mine.open("s", "u").conversation == Conversation("<user: bye>")


@pytest.mark.parametrize("session_id", ["s", "s~2"])
def test_a_session_is_its_users_alone(firm: World, session_id: str) -> None:
    """Neither it nor what continues it is opened for another user, nor can a name be taken in advance."""
    mine = sessions(firm, "p1")
    with pytest.raises(NotYourSession):
        mine.open("other~2", "u")
    mine.close(mine.open("s", "u"), "done")
    mine.open("s", "u")
    with pytest.raises(NotYourSession):
        sessions(firm, "p2").open(session_id, "thief")


def test_a_grown_session_is_condensed_in_the_store_as_well(firm: World) -> None:
    """What is read back is what was returned."""
    mine = sessions(firm, "p1")
    held = mine.add(mine.open("s", "u"), *(Turn("user", f"{number} " + "x" * 100) for number in range(9)))
    shorter = mine.condense(held, 100)
    assert len(shorter.conversation.turns) == 4
    assert mine.open("s", "u").conversation == shorter.conversation
    assert mine.condense(shorter, 10_000) is shorter
    assert mine.add(shorter, Turn("user", "more")).version == 4


def test_of_two_takers_both_end_with_one_owner(firm: World) -> None:
    """Six processes open one session at the same moment: all get it in turn or are told, one owns it in the end, nothing is lost."""
    first = sessions(firm, "p0")
    first.add(first.open("s", "u"), Turn("user", "remember me"))
    together = threading.Barrier(6)
    results: list[str] = []

    def take(owner: str) -> None:
        with closing(StateStore(firm.state.path)) as own:
            taker = Sessions(own, Keeping(owner=owner, now=firm.now, summarise=lambda text: f"<{text}>"))
            together.wait()
            try:
                results.append(taker.open("s", "u").conversation.summary)
            except SessionTaken:
                results.append("taken")

    threads = [threading.Thread(target=take, args=(f"p{number}",)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    assert [one for one in results if one != "taken" and "remember me" not in one] == []
    assert firm.state.rows("SELECT owner FROM session")[0]["owner"] != "p0"


# --- agreements ---------------------------------------------------------------------------------------------------------

CANCEL = Pending("cancel:1", "cancel_appointment", {"appointment_id": "A20001"}, "Cancel A20001?")


def test_a_yes_is_kept_until_it_is_used(firm: World) -> None:
    """Asked, agreed, used, in different processes; then there is nothing left to agree to."""
    Agreements(firm.state, "s", firm.now).ask(CANCEL)
    assert Agreements(firm.state, "s", firm.now).pending() == CANCEL
    assert not Agreements(firm.state, "s", firm.now).is_granted(CANCEL.key)
    Agreements(firm.state, "s", firm.now).answer(CANCEL, agreed=True)
    assert Agreements(firm.state, "s", firm.now).is_granted(CANCEL.key)
    assert not Agreements(firm.state, "other", firm.now).is_granted(CANCEL.key)
    Agreements(firm.state, "s", firm.now).spend(CANCEL.key)
    assert not Agreements(firm.state, "s", firm.now).is_granted(CANCEL.key)
    Agreements(firm.state, "s", firm.now).answer(CANCEL, agreed=True)
    assert not Agreements(firm.state, "s", firm.now).is_granted(CANCEL.key)


def test_a_no_is_a_no(firm: World) -> None:
    """And ends the question."""
    agreements = Agreements(firm.state, "s", firm.now)
    agreements.ask(CANCEL)
    agreements.answer(CANCEL, agreed=False)
    assert (agreements.pending(), agreements.is_granted(CANCEL.key)) == (None, False)


def test_a_yes_means_the_last_question(firm: World) -> None:
    """An older one without an answer is dropped."""
    agreements = Agreements(firm.state, "s", firm.now)
    agreements.ask(CANCEL)
    send = Pending("send:1", "send_confirmation", {}, "Send?")
    agreements.ask(send)
    agreements.answer(CANCEL, agreed=True)
    agreements.answer(send, agreed=True)
    assert (agreements.is_granted("send:1"), agreements.is_granted(CANCEL.key)) == (True, False)


def test_questions_and_answers_grow_old(firm: World) -> None:
    """After a quarter of an hour a yes to the question, and a yes that was given, mean nothing."""
    agreements = Agreements(firm.state, "s", firm.now)
    agreements.ask(CANCEL)
    agreements.grant("move:1")
    firm.wait(minutes=15)
    assert (agreements.pending(), agreements.is_granted("move:1")) == (CANCEL, True)
    firm.wait(seconds=1)
    assert (agreements.pending(), agreements.is_granted("move:1")) == (None, False)


KILLS = 10

# --- intents ------------------------------------------------------------------------------------------------------------


def test_an_open_intent_keeps_its_key(firm: World) -> None:
    """The same call again has the same key as long as the outcome is unknown; then, and for anything else, a new one."""
    journal = Journal(firm.state)
    first = journal.begin("s", "book_appointment", {"a": 1, "b": 2})
    assert journal.begin("s", "book_appointment", {"b": 2, "a": 1}) == first
    assert len({first, journal.begin("s", "book_appointment", {"a": 2}), journal.begin("t", "book_appointment", {"a": 1, "b": 2})}) == 3
    journal.finish(first, {"ok": True})
    journal.finish(first, {"ok": False})
    assert json.loads(firm.state.rows("SELECT outcome FROM intent WHERE key = ?", (first,))[0]["outcome"]) == {"ok": True}
    assert journal.begin("s", "book_appointment", {"a": 1, "b": 2}) != first


def test_recovery_asks_the_calendars(firm: World) -> None:
    """Of two open intents one was done: each is closed as what it was, and told."""
    journal = Journal(firm.state)
    done, not_done = (journal.begin("s", "book_appointment", {"hour": hour}) for hour in (9, 10))
    book(firm.store, Booking("10422", ("P11",), MONDAY.replace(day=3), 30), key=done, now=MONDAY)
    recoveries = recover(journal, firm.store, "s", firm.told.append)
    assert [(one.intent.arguments["hour"], one.was_done) for one in recoveries] == [(9, True), (10, False)]
    assert (journal.unfinished("s"), recover(journal, firm.store, "s")) == ((), ())
    assert find_outcome(firm.store, not_done) is None
    assert [told.text for told in firm.told if isinstance(told, Remembered)] == [
        "book_appointment was done before the last process ended",
        "book_appointment was not done before the last process ended",
    ]


AGENT = """
import os, signal, sys
from datetime import UTC, datetime, timedelta
from sample_agent.domain.store import DomainStore
from sample_agent.state.journal import Journal, recover
from sample_agent.state.store import StateStore
from sample_agent.tools.catalogue import TOOLS
from sample_agent.tools.contract import ALL_CLIENTS, ToolContext
from sample_agent.tools.registry import call_tool

store, state = DomainStore(sys.argv[1]), StateStore(sys.argv[2])
context = ToolContext(
    session_id="s", user_id="u", role="staff", allowed_clients=ALL_CLIENTS, allowed_tools=frozenset(TOOLS),
    now=lambda: datetime(2026, 3, 2, 9, tzinfo=UTC), store=store, journal=Journal(state), confirmed=lambda key: True,
)
lines = 0

def count(frame, event, argument):
    global lines
    if "sample_agent" not in frame.f_code.co_filename:
        return None
    lines += event == "line"
    if lines == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return count

def book(number):
    start = datetime(2026, 3, 3, 9, tzinfo=UTC) + timedelta(days=7 * (number // 30), minutes=15 * (number % 30))
    arguments = {"client_id": "10422", "professional_ids": ["P11"], "starts_at": start.isoformat(), "duration_minutes": 15}
    result = call_tool("book_appointment", {**arguments, "purpose": str(number)}, context)
    return result.content.get("appointment_id", result.code)

recovered = [int(one.was_done) for one in recover(Journal(state), store, "s")]
kill_at = -1
for number in sys.argv[3].split():
    print(recovered, book(int(number)), flush=True)
kill_at, number = int(sys.argv[4]), int(sys.argv[5])
sys.settrace(count)
said = book(number)
sys.settrace(None)
print(said, lines, flush=True)
"""


def run_agent(firm: World, before: str, kill_at: int, number: int) -> tuple[int, list[str]]:
    """Let a process recover, book what was asked before and once more, and die at a line of that; return its end and what it said."""
    command = [sys.executable, "-c", AGENT, firm.store.path, firm.state.path, before, str(kill_at), str(number)]
    ended = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False, timeout=60)
    assert ended.stderr == ""
    return ended.returncode, ended.stdout.splitlines()


def test_killed_at_any_line_of_a_booking_it_resumes_without_booking_twice(firm: World) -> None:
    """The next process learns from the calendars whether it was done, is asked the same again, and in the end each was booked once.

    The lines are spread over the whole call.
    """
    _, (said,) = run_agent(firm, "", -1, 0)
    appointment_id, total = said.split()
    assert (appointment_id, int(total) > 100) == ("A20001", True)
    outcomes = set()
    for number in range(1, KILLS + 1):
        before = "" if number == 1 else str(number - 1)
        status, lines = run_agent(firm, before, int(total) * number // (KILLS + 1), number)
        assert status == -signal.SIGKILL
        outcomes.update(lines)
    run_agent(firm, str(KILLS), -1, KILLS + 1)
    stored = [int(row["purpose"]) for row in firm.store.rows("SELECT purpose FROM appointment")]
    assert sorted(stored) == list(range(KILLS + 2))
    # Killed before the intent, after it, and after the booking.
    assert {line.split("]")[0] for line in outcomes} == {"[", "[0", "[1"}
    assert {line.split("] ")[1] for line in outcomes if line.startswith("[1]")} == {"already_booked"}
    assert faults(firm.store) == []
    assert firm.state.rows("SELECT * FROM intent WHERE outcome IS NULL") == []
