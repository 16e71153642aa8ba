"""A yes: to what was asked and to nothing else, on every architecture."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from sample_agent.consent import asks_for_message, yes_or_no
from sample_agent.domain.appointments import get_appointment
from sample_agent.settings import ARCHITECTURES, Architecture

from .sample_agent_office import Office, office

QUESTION = "Cancel appointment A20001 of Nadia Brandt on Thursday 5 March 2026 at 14:00 (Europe/London)? A late fee is charged."


@pytest.fixture(name="office")
def office_() -> Iterator[Office]:
    with office() as found:
        found.book("P11", 3, 14)
        found.book("P12", 4, 10)
        yield found


def statuses(office: Office) -> list[str]:
    return [get_appointment(office.world.domain, one).status for one in ("A20001", "A20002")]


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("yes", "yes"), ("Yes, please do.", "yes"), ("OK", "yes"), ("go ahead", "yes"), ("no", "no"), ("No, keep it.", "no"),
        ("don't", "no"), ("yes, but another day", None), ("yes, cancel the other one instead", None), ("what?", None), ("", None),
        ("noted", None), ("yesterday was fine", None), ("That's fine, thanks!", "yes"), ("Yes, cancel A20001", "yes"),
        ("yes, cancel it on Thursday at 14:00", "yes"), ("Yes, cancel A20002", None), ("Yes, at 15:00", None),
        ("Sure, is there a fee?", None), ("Yes, if it is free of charge", None), ("Yes, and the late fee is charged to whom", None),
        ("OK, thanks. And what appointments do I have?", None), ("Yes, cancel it and book Friday", None), ("No. Yes.", "no"),
    ],
)  # fmt: skip
def test_a_yes_says_nothing_else(words: str, meaning: str | None) -> None:
    """It may repeat what was asked and be polite; whatever else it says, it is about something else."""
    assert yes_or_no(words, QUESTION) == meaning


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("words", ["Yes, cancel A20002", "Sure, is there a fee?", "OK, thanks. And what appointments do I have?"])
def test_a_yes_to_something_else_cancels_nothing(office: Office, architecture: Architecture, words: str) -> None:
    """Neither what was asked about nor what is named; a plain yes in the end does what was asked last, if anything."""
    with office.agent(architecture=architecture) as agent:
        assert office.ask(agent, "Cancel my appointment A20001.").pending is not None
        second = office.ask(agent, words)
        assert statuses(office) == ["booked", "booked"]
        office.ask(agent, "Yes.")
    assert statuses(office) == ["booked", "cancelled" if second.pending is not None else "booked"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_question_is_dropped_once_another_was_answered(office: Office, architecture: Architecture) -> None:
    """What was asked two turns ago is not what a yes of now is about."""
    with office.agent(architecture=architecture) as agent:
        office.ask(agent, "Cancel my appointment A20001.")
        office.ask(agent, "What is your cancellation policy?")
        office.ask(agent, "Thanks, what are your opening hours?")
        office.ask(agent, "OK, sure.")
    assert statuses(office) == ["booked", "booked"]


def test_a_plain_yes_does_what_was_asked(office: Office) -> None:
    """Once."""
    with office.agent() as agent:
        office.ask(agent, "Cancel my appointment A20001.")
        office.ask(agent, "Yes, please cancel it.")
    assert statuses(office) == ["cancelled", "booked"]


def test_how_long_a_yes_holds_can_be_told(office: Office) -> None:
    """With half a minute, a yes after a minute is none."""
    with office.agent(agreement_s=30.0) as agent:
        office.ask(agent, "Cancel my appointment A20001.")
        office.clock.sleep(timedelta(minutes=1).total_seconds())
        office.ask(agent, "Yes.")
    assert statuses(office) == ["booked", "booked"]


@pytest.mark.parametrize(
    ("words", "asks"),
    [
        ("book it and send a confirmation by email", True), ("book it", False), ("Confirmation by sms, please.", True),
        ("Book Thursday, but do not send a confirmation", False), ("Book it; don't email me any confirmation.", False),
        ("Book it without sending a confirmation by email", False), ("No rush. Send the confirmation by email to the client.", True),
        ("This appointment matters: send a confirmation.", True),
    ],
)  # fmt: skip
def test_a_message_is_asked_for_or_not(words: str, asks: bool) -> None:
    """A confirmation that is not wanted is not asked for."""
    assert asks_for_message(words) == asks


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_unwanted_confirmation_is_not_sent(office: Office, architecture: Architecture) -> None:
    """Nor is the user asked about it."""
    with office.agent(architecture=architecture) as agent:
        answer = office.ask(agent, "Book a meeting with Tom Lowe on Wednesday at 15:00 for 30 minutes, but do not send a confirmation.")
    assert (answer.reason, answer.detail, answer.pending) == ("completed", None, None)
    assert office.world.domain.rows("SELECT * FROM confirmation") == []
