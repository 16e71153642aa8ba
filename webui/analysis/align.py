"""Alignment of two sequences of keys: which place of the one is which of the other, by the longest common subsequence."""

from collections.abc import Hashable, Sequence

Match = tuple[int, int]
"""A place in the first sequence and its place in the second."""


def align(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[Match]:
    """Return the matched places of a longest common subsequence, in order.

    What both begin with is matched as it stands, so that the first place without a match is the first real difference. Takes
    len(a) * len(b) / 64 machine operations and as many bits: two times 1,000 take some milliseconds.
    """
    start = _common(a, b)
    rest_a, rest_b = a[start:], b[start:]
    end = _common(rest_a[::-1], rest_b[::-1])
    middle = _longest(rest_a[: len(rest_a) - end], rest_b[: len(rest_b) - end])
    tail_a, tail_b = len(a) - end, len(b) - end
    return [
        *((n, n) for n in range(start)),
        *((start + i, start + j) for i, j in middle),
        *((tail_a + n, tail_b + n) for n in range(end)),
    ]


def _common(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    shorter = min(len(a), len(b))
    return next((n for n in range(shorter) if a[n] != b[n]), shorter)


def _longest(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[Match]:
    """Return a longest common subsequence by bit vectors (Hyyrö 2004): one whole number is one row of the table."""
    rows = _rows(a, b)
    found: list[Match] = []
    i, j = len(a), len(b)
    while i and j:
        if rows[j - 1] >> (i - 1) & 1:
            i -= 1
            continue
        j -= 1
        if not j or rows[j - 1] >> (i - 1) & 1:
            i -= 1
            found.append((i, j))
    return found[::-1]


def _rows(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[int]:
    """Return the table: a bit of a row is 0 where the common subsequence grows by the element of ``a`` at its place."""
    places: dict[Hashable, int] = {}
    for n, key in enumerate(a):
        places[key] = places.get(key, 0) | 1 << n
    whole = (1 << len(a)) - 1
    row, rows = whole, []
    for key in b:
        hits = row & places.get(key, 0)
        row = ((row + hits) | (row - hits)) & whole
        rows.append(row)
    return rows
