"""Lookup: from whatever a person has in hand to the run, or the reason for none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.lookup import Lookup, Match, Miss, Sources, look_up

ID = "9c41e7d20b5f4a8e8d13c6a07be2f915"
OTHER = "9c41e7ffffffffffffffffffffffffff"
SPAN = "00f067aa0ba902b7"
UUID = "9c41e7d2-0b5f-4a8e-8d13-c6a07be2f915"
GONE = "0" * 31 + "1"

VALUES = {"anna@northgate.example": "user", "sess-7f3c": "session", "CASE-20418": "reference", "order 12345": "reference"}


def match(trace_id: str, kind: str = "trace", matched: str = "") -> Match:
    return Match(kind, bytes.fromhex(trace_id), "scheduler", 1, matched, None)  # type: ignore[arg-type]


def sources(unlinked: int = 0) -> Sources:
    return Sources(
        by_trace=lambda key: [match(key.hex(), matched="trace id")] if key.hex() in (ID, OTHER) else [],
        by_prefix=lambda start: [match(one, matched=f"prefix {start}") for one in (ID, OTHER) if one.startswith(start)],
        by_span=lambda key: [match(ID, matched="span id")] if key.hex() == SPAN else [],
        by_value=lambda value: [match(ID, VALUES[value], value)] if value in VALUES else [],
        by_text=lambda words: [match(ID, matched="text")] if "wrong customer" in words else [],
        explain_trace=lambda key: Miss("deleted_by_retention", "gone") if key.hex() == GONE else None,
        unlinked=lambda: unlinked,
    )


@pytest.mark.parametrize(
    ("asked", "matched"),
    [
        (ID, "trace id"),
        (ID.upper(), "trace id"),
        (f"  {ID}\n", "trace id"),
        (f'"{ID}",', "trace id"),
        (f"0x{ID}", "trace id"),
        (UUID, "trace id"),
        ("9c41e7d2 0b5f4a8e 8d13c6a0 7be2f915", "trace id"),
        (f"00-{ID}-{SPAN}-01", "trace id"),
        (f"http://127.0.0.1:7070/traces/{ID}?step={SPAN}", "trace id"),
        (f"https://other.example/trace%3D{ID}%26x", "trace id"),
        (f"2026-05-12 07:41 ERROR [desk,{ID},{SPAN}] tool failed", "trace id"),
        (f"trace_id={ID} level=error", "trace id"),
        (f"\u200b{ID}\u202c", "trace id"),
        ("9c41e7d20b", "prefix 9c41e7d20b"),
        ("9C41E7D2-0b5f", "prefix 9c41e7d20b5f"),
        ("9c41e7d20b5f…f915", "prefix 9c41e7d20b5f"),
        (SPAN, "span id"),
        (f"span {SPAN} failed", "span id"),
        ("anna@northgate.example", "anna@northgate.example"),
        ("<anna@northgate.example>", "anna@northgate.example"),
        ("sess-7f3c", "sess-7f3c"),
        ("order 12345", "order 12345"),
        ("the customer of CASE-20418 is angry", "CASE-20418"),
        ("session=sess-7f3c user=x", "sess-7f3c"),
        ("https://desk.example/tickets/CASE-20418?tab=1", "CASE-20418"),
        ("log: run 9c41e7d20b5f done", "prefix 9c41e7d20b5f"),
        ("it cancelled the wrong customer", "text"),
    ],
)  # fmt: skip
def test_found(asked: str, matched: str) -> None:
    found = look_up(asked, sources())
    assert found.miss is None
    assert found.matches[0].trace_id.hex() == ID
    assert found.matches[0].matched == matched


def test_the_end_of_a_shortened_id_counts() -> None:
    """Of two that begin alike, the one that ends so."""
    assert [one.trace_id.hex() for one in look_up(f"9c41e7…{ID[-4:]}", sources()).matches] == [ID]


def test_an_ambiguous_prefix_lists_all() -> None:
    assert [one.trace_id.hex() for one in look_up("9c41e7", sources()).matches] == [ID, OTHER]


def test_a_line_with_two_ids_lists_both() -> None:
    assert len(look_up(f"{ID} retried as {OTHER}", sources()).matches) == 2


def test_a_trace_is_listed_once() -> None:
    assert len(look_up(f"{ID} {ID} {UUID}", sources()).matches) == 1


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("", "malformed"),
        ("   ", "malformed"),
        ('""', "malformed"),
        ("x" * 5_000, "malformed"),
        ("abc", "malformed"),
        ("a" * 40, "malformed"),
        ("f" * 32, "never_seen"),
        ("deadbeef", "never_seen"),
        ("nobody@nowhere.example", "never_seen"),
        (GONE, "deleted_by_retention"),
    ],
)
def test_a_miss_has_a_reason(asked: str, reason: str) -> None:
    found = look_up(asked, sources())
    assert found.matches == ()
    assert found.miss is not None
    assert found.miss.reason == reason
    assert found.miss.message


def test_a_value_that_may_not_be_listed_yet_is_settling() -> None:
    """Trace ids are readable at once, so that only other values can still be settling."""
    missed = look_up("new-customer", sources(unlinked=3)).miss
    assert missed is not None
    assert missed.reason == "settling"
    assert look_up("f" * 32, sources(unlinked=3)).miss == Miss("never_seen", look_up("f" * 32, sources()).miss.message)  # type: ignore[union-attr]


@given(st.text(max_size=300))
def test_any_text_is_answered(text: str) -> None:
    found = look_up(text, sources())
    assert isinstance(found, Lookup)
    assert bool(found.matches) != (found.miss is not None)
