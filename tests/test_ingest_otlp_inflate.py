"""gzip bodies: whole, in members, broken, and larger inside than allowed."""

import gzip
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.otlp.decoded import TooLarge, Undecodable
from ingest.otlp.inflate import inflate

LIMIT = 1 << 20


@given(st.lists(st.binary(max_size=300), max_size=4), st.integers(0, 20))
def test_members_are_joined(parts: list[bytes], padding: int) -> None:
    """A body of several members, padded with zeros or not, is what they hold in turn."""
    body = b"".join(map(gzip.compress, parts))

    assert inflate(body + (bytes(padding) if parts else b""), LIMIT) == b"".join(parts)


def test_the_limit_is_exact() -> None:
    """So many bytes are inflated and not one more, over all members."""
    assert len(inflate(gzip.compress(b"a" * LIMIT), LIMIT)) == LIMIT
    for body in (gzip.compress(b"a" * (LIMIT + 1)), gzip.compress(b"a" * LIMIT) + gzip.compress(b"b")):
        with pytest.raises(TooLarge, match=f"larger than {LIMIT} bytes"):
            inflate(body, LIMIT)


def test_a_bomb_is_not_inflated() -> None:
    """What is beyond the limit is never made."""
    bomb = gzip.compress(bytes(64 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            inflate(bomb, LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 8 * LIMIT
    finally:
        tracemalloc.stop()


def test_a_body_of_very_many_members_is_refused() -> None:
    """Empty members cost time and no bytes, so that their number is bounded too."""
    with pytest.raises(TooLarge, match="more than 10000 members"):
        inflate(gzip.compress(b"") * 10_001, LIMIT)


GOOD = gzip.compress(b"hello" * 100, mtime=0)
"""Without the time: the names of tests are made of it, and must not differ between processes."""


@pytest.mark.parametrize(
    "body", [b"hello", GOOD[:-1], GOOD[:15], GOOD[:-8] + b"12345678", GOOD + b"x", GOOD + bytes(3) + b"x", b"\x1f\x8b"]
)
def test_what_is_no_gzip(body: bytes) -> None:
    """A body that claims gzip and is not is bad data."""
    with pytest.raises(Undecodable, match=r"gzip.*\.$"):
        inflate(body, LIMIT)
