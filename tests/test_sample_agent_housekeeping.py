"""What happens between requests: idle sessions are closed and remembered, old ones are deleted with all that hangs on them."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from sample_agent.escalation import EscalationQueue
from sample_agent.housekeeping import tidy
from sample_agent.state.store import StateStore
from tracer.testing import capture

from .sample_agent_office import Office, office

DAY_S = 86_400
TABLES = ("session", "turn", "note", "intent", "agreement", "spending", "admission", "answered")
BOOK = "Book a meeting with Ana Hartwell on Thursday at 14:00 for 30 minutes."


@pytest.fixture(name="office")
def office_() -> Iterator[Office]:
    with office() as found:
        yield found


def counts(store: StateStore, *tables: str) -> list[int]:
    return [len(store.rows(f"SELECT 1 FROM {table}")) for table in tables]


def test_idle_sessions_are_closed_as_a_run_of_its_own(office: Office) -> None:
    """The run shows each summary and each episode; where there is nothing to do there is no run."""
    with office.agent() as agent:
        office.ask(agent, BOOK)
        office.clock.sleep(31 * 60)
        office.ask(agent, "What are your opening hours?", session="in use")
        with capture() as captured:
            done = tidy(office.settings, office.world, office.hear)
            again = tidy(office.settings, office.world, office.hear)
    assert (done.closed, done.deleted, again.closed, again.ledger.runs) == (("s",), (), (), [])
    assert captured.outline() == ("invoke_agent scheduler housekeeping\n  close session\n  remember episode\n  delete old sessions\n")
    (run,) = done.ledger.runs
    assert (run["output"], [step["name"] for step in run["steps"]]) == (
        "sessions closed: 1; deleted: 0",
        ["close session", "remember episode", "delete old sessions"],
    )
    assert "A20001" in office.world.state.rows("SELECT text FROM episode")[0]["text"]


def test_a_session_that_is_found_idle_is_remembered_too(office: Office) -> None:
    """Its user returns before anybody tidied up: the new session begins with the summary, and the old one is an episode."""
    with office.agent() as agent:
        office.ask(agent, BOOK)
        office.clock.sleep(31 * 60)
        answer = office.ask(agent, "What appointments do I have?")
    names = [step.get("name") for step in answer.ledger.runs[0]["steps"]]
    assert names.index("close session") < names.index("remember episode")
    assert counts(office.world.state, "episode") == [1]
    assert [row["id"] for row in office.world.state.rows("SELECT id FROM session ORDER BY id")] == ["s", "s~2"]


def test_old_sessions_go_with_all_that_hangs_on_them(office: Office) -> None:
    """A month after they were closed, those that continue one another together; episodes and cases stay."""
    with office.agent() as agent:
        office.ask(agent, BOOK)
        office.ask(agent, "Cancel appointment A20001.")
        office.ask(agent, "Yes.")
        office.ask(agent, "What are your opening hours?", session="other")
        office.ask(agent, "I would like to speak to a human.", session="case")
        office.clock.sleep(20 * DAY_S)
        office.ask(agent, "What appointments do I have?")
    assert all(counts(office.world.state, *TABLES))
    assert tidy(office.settings, office.world).deleted == ()
    office.clock.sleep(31 * DAY_S)
    assert tidy(office.settings, office.world).deleted == ("case", "other")
    assert [row["id"] for row in office.world.state.rows("SELECT id FROM session ORDER BY id")] == ["s", "s~2"]
    office.clock.sleep(31 * DAY_S)
    assert tidy(office.settings, office.world).deleted == ("s", "s~2")
    assert counts(office.world.state, *TABLES) == [0] * len(TABLES)
    assert counts(office.world.state, "episode") == [4]
    assert len(EscalationQueue(office.world.state, office.clock.now).waiting()) == 1
    with office.agent() as agent:
        assert office.ask(agent, "What are your opening hours?").reason == "completed"


def test_how_long_sessions_are_kept_can_be_told(office: Office) -> None:
    """In seconds."""
    with office.agent() as agent:
        office.ask(agent, "What are your opening hours?")
    office.clock.sleep(2 * DAY_S)
    assert tidy(office.settings, office.world).closed == ("s",)
    office.clock.sleep(2 * DAY_S)
    assert tidy(replace(office.settings, keep_s=1.0 * DAY_S), office.world).deleted == ("s",)
