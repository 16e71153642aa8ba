"""What is changed of a span so that any store can hold it. Whatever is changed is named, in the span's ``repaired``.

NUL and halves of surrogate pairs become U+FFFD, since PostgreSQL and UTF-8 have no place for them. NaN and the infinities
stay floats: the store's encoding holds them, and the API writes them as text.
"""

from collections.abc import Sequence
from operator import attrgetter

from ingest.model import Event

from .decoded import MOST_ATTRIBUTES

LAST_NS = 2**63 - 1
"""The last time that a signed 64-bit column holds, in the year 2262."""

REPAIRED_KEY = "clewRepaired"
"""Where an exported span carries what was repaired of it. OTLP/JSON receivers ignore keys they do not know."""

_MOST_NOTES = 50
_LABEL_CHARS = 100

_by_time = attrgetter("time_ns")


def note(notes: list[str], where: str, what: str) -> None:
    """Add ``where: what`` to what was changed, once and up to a bound."""
    where = well_formed(where)
    if len(where) > _LABEL_CHARS:
        where = where[: _LABEL_CHARS - 1] + "…"
    line = f"{where}: {what}"
    if line not in notes and len(notes) < _MOST_NOTES:
        notes.append(line)


def well_formed(text: str) -> str:
    """Return a text with U+FFFD in place of NULs and of lone surrogates."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "\ufffd")


def without_nul(text: str, where: str, notes: list[str]) -> str:
    """Replace the NULs of a text that has some."""
    note(notes, where, "NUL")
    return text.replace("\0", "\ufffd")


def cut_off(items: Sequence[object], where: str, notes: list[str]) -> int:
    """Return how many items are beyond the bound, and note it."""
    dropped = len(items) - MOST_ATTRIBUTES
    if dropped <= 0:
        return 0
    note(notes, where, f"{dropped} beyond the first {MOST_ATTRIBUTES} dropped")
    return dropped


def in_range(time_ns: int, where: str, notes: list[str]) -> int:
    """Return a time that a signed 64-bit column holds; 0 where there is none."""
    if 0 <= time_ns <= LAST_NS:
        return time_ns
    note(notes, where, "beyond 64 bit" if time_ns > 0 else "negative")
    return LAST_NS if time_ns > 0 else 0


def span_times(start_ns: int, end_ns: int, now_ns: int, notes: list[str]) -> tuple[int, int]:
    """Return start and end, each in place of the other where one is missing, ``now_ns`` where both are.

    An end before the start and a wrong magnitude stay: the sender's clock is shown as it was.
    """
    if 0 < start_ns <= LAST_NS and 0 < end_ns <= LAST_NS:
        return start_ns, end_ns
    start_ns = in_range(start_ns, "start_time", notes)
    end_ns = in_range(end_ns, "end_time", notes)
    if not start_ns:
        note(notes, "start_time", "missing")
    if not end_ns:
        note(notes, "end_time", "missing")
    return start_ns or end_ns or now_ns, end_ns or start_ns or now_ns


def in_order(events: list[Event]) -> list[Event]:
    """Return events by time, those of one time in the order they came."""
    return sorted(events, key=_by_time) if len(events) > 1 else events
