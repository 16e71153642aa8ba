"""Four kinds of memory: the conversation, notes, knowledge, and what happened before."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sample_agent.memory.conversation import (
    KEPT_TURNS,
    Conversation,
    Turn,
    condense,
    estimate_tokens,
    summarise_plainly,
    write_out,
)
from sample_agent.memory.embedding import embed, rank
from sample_agent.memory.episodic import MOST_EPISODES, Episodes
from sample_agent.memory.policies import POLICIES
from sample_agent.memory.scratchpad import MOST_NOTE_CHARS, MOST_NOTES, Scratchpad, fit
from sample_agent.memory.semantic import SemanticMemory, read_corpus
from sample_agent.observe import Recalled, Remembered
from tracer.testing import capture

from .sample_agent_world import World, world


@pytest.fixture
def firm(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as built:
        yield built


# --- the conversation ---------------------------------------------------------------------------------------------------


def talk(turns: int) -> Conversation:
    return Conversation("", tuple(Turn("assistant" if n % 2 else "user", f"turn {n} " + "x" * 100) for n in range(turns)))


def test_a_short_conversation_stays_as_it_is() -> None:
    """Nobody is asked to summarise it."""
    asked: list[str] = []
    conversation = talk(10)
    assert condense(conversation, 1000, lambda text: asked.append(text) or "s") is conversation  # type: ignore[func-returns-value]
    assert asked == []


def test_older_turns_become_a_summary(firm: World) -> None:
    """The last are kept word for word; what was summarised before is summarised again with them."""
    asked: list[str] = []

    def summarise(text: str) -> str:
        asked.append(text)
        return f"summary {len(asked)}"

    first = condense(talk(10), 100, summarise, firm.told.append)
    second = condense(Conversation(first.summary, (*first.turns, *talk(4).turns)), 100, summarise)
    assert first.turns == talk(10).turns[-KEPT_TURNS:]
    assert (first.summary, second.summary) == ("summary 1", "summary 2")
    assert asked[0].startswith("user: turn 0")
    assert "turn 6" not in asked[0]
    assert asked[1].startswith("Summary so far: summary 1\nuser: turn 6")
    assert firm.told == [Remembered("condense conversation", "summary 1")]


def test_a_few_long_turns_are_not_condensed() -> None:
    """What was just said stays, however long."""
    conversation = talk(KEPT_TURNS)
    assert condense(conversation, 1, summarise_plainly) is conversation


def test_without_a_model_a_summary_is_plain_and_short() -> None:
    """The beginnings of the last lines."""
    plain = summarise_plainly(write_out(talk(50)))
    assert (len(plain.splitlines()), max(len(line) for line in plain.splitlines())) == (12, 119)
    assert estimate_tokens(Conversation(plain)) < 400
    assert summarise_plainly("") == ""


# --- notes --------------------------------------------------------------------------------------------------------------


def test_notes_outlive_the_process_and_are_each_sessions_own(firm: World) -> None:
    """Another handle on the same store reads them; another session does not."""
    Scratchpad(firm.state, "s1", firm.told.append).write({"step": 1, "facts": {"starts_at": "2026-03-05T15:00:00Z"}})
    Scratchpad(firm.state, "s2").write({"step": 9})
    assert Scratchpad(firm.state, "s1").read() == ({"step": 1, "facts": {"starts_at": "2026-03-05T15:00:00Z"}},)
    assert firm.told == [Remembered("write note", '{"step": 1, "facts": {"starts_at": "2026-03-05T15:00:00Z"}}')]


def test_notes_are_bounded(firm: World) -> None:
    """The newest stay, and of each as much as a note may hold, whatever JSON makes of its letters."""
    pad = Scratchpad(firm.state, "s1")
    for number in range(MOST_NOTES + 5):
        pad.write({"step": number})
    assert [note["step"] for note in pad.read()] == list(range(5, MOST_NOTES + 5))
    note = {"step": 1, "note": "\x01" * 400, "facts": {f"{n}" + "\x02" * 39: "\x03" * 120 for n in range(8)}}
    pad.write(note)
    kept = pad.read()[-1]
    assert len(json.dumps(kept, ensure_ascii=False)) <= MOST_NOTE_CHARS
    assert kept["step"] == 1
    assert kept["note"]
    assert fit({"note": "x" * MOST_NOTE_CHARS})["note"] == "x" * (MOST_NOTE_CHARS // 2)
    assert fit(kept) == kept


# --- vectors ------------------------------------------------------------------------------------------------------------


@given(st.text(max_size=200))
def test_a_text_is_nearest_to_itself(text: str) -> None:
    """Its vector has length 1, or 0 where there is no word in it; and it is the same each time."""
    vector = embed(text)
    length = float(np.linalg.norm(vector))
    assert length == pytest.approx(1, abs=1e-5) or not vector.any()
    assert (vector == embed(text)).all()
    if vector.any():
        position, cosine = rank(vector, [embed("something else entirely"), vector])[0]
        assert (position, round(cosine, 4)) == (1, 1.0)


def test_vectors_are_the_same_in_every_process() -> None:
    """Python's own hashing is another one each time."""
    code = "from sample_agent.memory.embedding import embed; print(embed('moving an appointment').tobytes().hex()[:4000])"
    runs = [
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1] == embed("moving an appointment").tobytes().hex()[:4000] + "\n"


def test_nothing_is_near_nothing() -> None:
    """No vectors, no ranks; a text without words is near none."""
    assert rank(embed("x"), []) == []
    assert rank(embed("!?"), [embed("word")]) == [(0, 0.0)]


# --- knowledge ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "policy"),
    [
        ("How much do I pay if I cancel an appointment late?", "policy-cancellation"),
        ("is there a fee for cancelling less than 24 hours before", "policy-cancellation"),
        ("when do you open in New York?", "policy-hours"),
        ("are you open on Saturday or other public holidays", "policy-hours"),
        ("how long is a first consultation", "policy-length"),
        ("can several professionals meet me together across offices", "policy-several"),
        ("can you send the confirmation to another address", "policy-confirmation"),
        ("what can you tell me about appointments of another client", "policy-privacy"),
        ("how far ahead can I book", "policy-advance"),
        ("can you give me tax advice", "policy-advice"),
        ("moving my appointment: does that cost anything", "policy-rescheduling"),
        ("this is urgent, my deadline is today", "policy-urgent"),
    ],
)
def test_questions_find_their_policy(question: str, policy: str) -> None:
    """First, in other words than the policy's."""
    hits = SemanticMemory(lambda: POLICIES).search(question, lambda client_id: False)
    assert hits[0].document.id == policy
    assert len(hits) <= 3


def test_a_clients_preferences_are_found_by_those_who_may(firm: World) -> None:
    """Nadia Brandt's by her session, not by another's."""
    memory = SemanticMemory(lambda: read_corpus(firm.store), firm.told.append)
    question = "step-free access for Nadia Brandt in the afternoon"
    assert memory.search(question, lambda client_id: client_id == "10422")[0].document.id == "client-10422"
    others = memory.search(question, lambda client_id: client_id == "10405")
    assert [hit for hit in others if hit.document.client_id not in (None, "10405")] == []
    assert isinstance(firm.told[0], Recalled)
    assert firm.told[0].documents[0] == "client-10422"


def test_nothing_near_finds_nothing() -> None:
    """A question of something else has no answer here."""
    assert SemanticMemory(lambda: POLICIES).search("zebra xylophone", lambda client_id: True) == ()


# --- what happened before -----------------------------------------------------------------------------------------------


def test_episodes_are_found_by_meaning_in_a_later_session(firm: World) -> None:
    """The nearest first, and nobody else's."""
    episodes = Episodes(firm.state, firm.now, firm.told.append)
    episodes.remember("u1", "s1", "Moved A20017 with Ana Hartwell from Thursday to Friday because the client was travelling")
    episodes.remember("u1", "s2", "Asked about step-free access in the London office; the lift is at the back")
    episodes.remember("u2", "s3", "Moved an appointment with Ana Hartwell for somebody else who was travelling")
    found = Episodes(firm.state, firm.now).recall("u1", "I am travelling again and need to move an appointment with Ana")
    assert [(one.id, one.session_id) for one in found] == [("E1", "s1")]
    assert found[0].score > 0.3
    assert Episodes(firm.state, firm.now).recall("u3", "Ana Hartwell") == ()


def test_episodes_are_bounded(firm: World) -> None:
    """Of each user the newest are kept, each cut."""
    episodes = Episodes(firm.state, firm.now)
    for number in range(MOST_EPISODES + 3):
        episodes.remember("u1", f"s{number}", f"word{number} " + "y" * 2000)
    episodes.remember("u2", "t", "another")
    rows = firm.state.rows("SELECT min(number) AS first, count(*) AS n, max(length(text)) AS longest FROM episode WHERE user_id = 'u1'")
    assert tuple(rows[0]) == (4, MOST_EPISODES, 1000)


# --- what is recorded ---------------------------------------------------------------------------------------------------


def test_memory_is_in_the_trace(firm: World) -> None:
    """Lookups as retrievals with their documents, writes as steps of memory."""
    with capture() as captured:
        SemanticMemory(lambda: POLICIES).search("opening hours", lambda client_id: False, most=1)
        Episodes(firm.state, firm.now).remember("u1", "s1", "an episode")
        Scratchpad(firm.state, "s1").write({"step": 1})
        condense(talk(9), 1, lambda text: "short")
    kinds = [dict(span.attributes or {}).get("clew.step.kind") for span in captured.spans]
    assert kinds == ["retrieval", "memory", "memory", "memory"]
    assert "policy-hours" in str(dict(captured.spans[0].attributes or {}))
