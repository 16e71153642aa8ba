"""What numbers, times and names look like: unknown is never zero."""

import pytest

from ingest.model import TERMINATION_REASONS
from webui import format as words


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (None, "–"), (0, "$0.00"), (1, "< $0.000001"), (12_345, "$0.000012"), (4_200_000, "$0.0042"), (123_456_789, "$0.12"),
        (12_400_000_000, "$12.40"), (3_184_200_000_000, "$3,184.20"), (31_842_000_000_000, "$31,842"), (-2_000_000_000, "-$2.00"),
    ],
)  # fmt: skip
def test_money(nanos: int | None, text: str) -> None:
    assert words.money(nanos) == text


def test_unpriced_is_a_word() -> None:
    """A cost that nobody knows is unpriced; one that is partly known is a lower bound."""
    assert words.cost(None, 3) == "unpriced"
    assert words.cost(None, 0) == "–"
    assert words.cost(2_000_000_000, 1) == "≥ $2.00"


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (None, "–"), (500, "0 µs"), (1_500_000, "2 ms"), (999_000_000, "999 ms"), (3_100_000_000, "3.10 s"), (60_100_000_000, "60.1 s"),
        (252 * 10**9, "4 min 12 s"), (7_500 * 10**9, "2 h 05 min"), (200_000 * 10**9, "2 d 7 h"),
    ],
)  # fmt: skip
def test_duration(length: int | None, text: str) -> None:
    assert words.duration(length) == text


def test_a_clip_is_one_bounded_line_that_reads_forward() -> None:
    """Line breaks, runs of spaces and marks that turn text around do not reach a row."""
    assert words.clip("a\n\n b\u202e c", 40) == "a b c"
    assert words.clip("x" * 50, 10) == "x" * 9 + "…"
    assert words.clip(None, 10) == ""


def test_times_say_their_day_unless_it_is_today() -> None:
    now = 1_795_500_000_000_000_000
    assert words.clock(now, now) == "06:00:00"
    assert words.clock(now - 86_400 * 10**9, now) == "23 Nov 06:00:00"
    assert words.clock(None) == "–"
    assert words.clock(2**64 - 1, now).endswith("2554 23:34:33")


def test_every_termination_has_a_word_and_a_tone() -> None:
    assert set(words.TERMINATION_WORDS) == set(TERMINATION_REASONS)
    assert {words.tone(reason) for reason in TERMINATION_REASONS} == {"ok", "live", "warn", "bad"}
