"""Which rows of a long list are mounted: both ends, what surrounds the selected one, and the stretch that was asked for."""

from collections.abc import Sequence

MOST_ROWS = 300
"""No list of a run page mounts more rows, whatever its length."""

_HEAD, _TAIL, _AROUND = 120, 70, 40
_ASKED_HEAD, _ASKED_TAIL, _PAGE = 30, 30, 150
"""Where a stretch is asked for, the ends make room for it."""


def kept_places(whole: int, at: int | None, start: int) -> Sequence[int]:
    """Return the places of a list of ``whole`` rows that are shown, in order; ``start`` is the stretch asked for, 0 for none."""
    if whole <= MOST_ROWS:
        return range(whole)
    head, tail = (_ASKED_HEAD, _ASKED_TAIL) if start > 0 else (_HEAD, _TAIL)
    kept = set(range(head)) | set(range(whole - tail, whole))
    if at is not None:
        kept |= set(range(max(at - _AROUND, 0), min(at + _AROUND, whole)))
    if start > 0:
        first = min(start, whole - 1)
        kept |= set(range(first, min(first + _PAGE, whole)))
    return sorted(kept)


def gap_words(start: int, stop: int) -> str:
    """Say what a gap between shown rows leaves out, and what following it shows."""
    return f"{stop - start:,} rows not shown: show the next {min(stop - start, _PAGE)}"
