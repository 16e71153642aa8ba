"""When a trace that changed is linked again: at once, unless linking it is slow or failed."""

import pytest

from ingest.store.linker import REST_NS, Due, LinkReport, Pace

KEY = (1, b"\1" * 16)
TOOK_NS = 4 * REST_NS
NOW = 10**18
LONG_NS = 3_600 * 10**9


def paced(took_ns: int = TOOK_NS) -> Pace:
    """A pace that has seen the trace linked, just now."""
    pace = Pace()
    pace.note(LinkReport(took_ns={KEY: took_ns}), NOW)
    return pace


def is_ready(pace: Pace, after_ns: int, rested_ns: int, *, has_grown: bool = False) -> bool:
    """Whether the trace is linked so long after the last time, when nothing of it has come for ``rested_ns``."""
    now_ns = NOW + after_ns
    return pace.ready([Due(KEY, now_ns - rested_ns, has_grown)], now_ns) == [KEY]


def test_what_links_quickly_never_waits() -> None:
    """Most traces are small."""
    assert is_ready(paced(took_ns=1_000_000), 1, 0)


@pytest.mark.parametrize("has_grown", [True, False])
def test_one_that_keeps_growing_waits_twice_as_long_as_it_took(has_grown: bool) -> None:
    """So that it costs a third of the time, however long it gets."""
    pace = paced()
    assert not is_ready(pace, 2 * TOOK_NS - 1, 0, has_grown=has_grown)
    assert pace.waiting() == 1
    assert is_ready(pace, 2 * TOOK_NS, 0, has_grown=has_grown)
    assert pace.waiting() == 0


def test_one_that_rests_is_linked_sooner() -> None:
    """It may be whole: after a moment where much is new, else after as long as linking it takes."""
    assert is_ready(paced(), REST_NS, REST_NS, has_grown=True)
    assert not is_ready(paced(), REST_NS, REST_NS - 1, has_grown=True)
    assert is_ready(paced(), TOOK_NS, TOOK_NS)
    assert not is_ready(paced(), TOOK_NS, TOOK_NS - 1)


def test_one_that_failed_waits_a_minute() -> None:
    """However long it rests."""
    pace = Pace()
    pace.note(LinkReport(failed=[KEY]), NOW)
    assert not is_ready(pace, 59 * 10**9, LONG_NS, has_grown=True)
    assert is_ready(pace, 60 * 10**9, 0)
