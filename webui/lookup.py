"""Lookup: from whatever a person has in hand to the run it is about, or the reason why there is none.

Takes a trace id or its first digits, a dashed UUID, a traceparent, a span id, a session or user id, a reference value, a
pasted URL or log line with any of these in it, or, as a last resort, words to search for.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

MAX_LENGTH = 4_000
MOST_MATCHES = 50
LEAST_PREFIX = 6
_MOST_WORDS = 60
_LONGEST_VALUE = 256

Reason = Literal["never_seen", "settling", "deleted_by_retention", "not_permitted", "malformed"]
Kind = Literal["trace", "session", "user", "reference"]

_TRACEPARENT = re.compile(r"(?<![0-9a-f])[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?![0-9a-f])")
_UUID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f])")
_HEX = re.compile(r"(?<![0-9a-z])(?:0x)?([0-9a-f]{6,32})(?![0-9a-z])")
_WORD_BREAK = re.compile(r"[\s\"'`,;|()\[\]{}<>&?#]+")
_INVISIBLE = dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x00AD, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))


@dataclass(frozen=True, slots=True)
class Match:
    """A trace that answers a lookup."""

    kind: Kind
    trace_id: bytes
    agent: str | None
    started_ns: int | None
    matched: str
    """What of the input led here."""
    span_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class Miss:
    """Why a lookup found nothing."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """The answer: matches, or the reason for none."""

    matches: tuple[Match, ...] = ()
    miss: Miss | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """What the store can be asked; each returns matches, the newest first, at most a page of them."""

    by_trace: Callable[[bytes], Sequence[Match]]
    by_prefix: Callable[[str], Sequence[Match]]
    by_span: Callable[[bytes], Sequence[Match]]
    by_value: Callable[[str], Sequence[Match]]
    by_text: Callable[[str], Sequence[Match]]
    explain_trace: Callable[[bytes], Miss | None]
    """Why a trace of this id is not here, if anything is known of it."""
    unlinked: Callable[[], int]
    """How many traces have arrived and can be found by id only, as yet."""


def look_up(text: str, sources: Sources) -> Lookup:
    """Return all that matches the most exact reading of a text that matches anything."""
    if len(text) > MAX_LENGTH:
        return _missed("malformed", f"That is longer than {MAX_LENGTH:,} characters: paste the line with the id.")
    asked = _clean(text)
    if not asked:
        return _missed("malformed", "Nothing to look up: give a trace id, a session or user id, a reference or a log line.")
    for read in (_exact_ids, _values, _prefixes, _words_of_line, _free_text):
        found = _distinct(read(asked, sources))
        if found:
            return Lookup(found)
    return Lookup(miss=_explain(asked, sources))


def _clean(text: str) -> str:
    """Drop what copying adds: invisible characters, quotation marks and brackets around, sentence marks at the end."""
    visible = text.translate(_INVISIBLE).replace("\x00", "")
    return visible.strip().strip("\"'`<>()[]{}").rstrip(".,;:!").strip()


def _distinct(matches: Iterable[Match]) -> tuple[Match, ...]:
    first: dict[bytes, Match] = {}
    for match in matches:
        first.setdefault(match.trace_id, match)
        if len(first) >= MOST_MATCHES:
            break
    return tuple(first.values())


def trace_ids_in(text: str) -> list[bytes]:
    """Return the whole trace ids in a text, in order, each once."""
    low = unquote(text).lower()
    found = [match[1] for match in _TRACEPARENT.finditer(low)]
    found += [match[0].replace("-", "") for match in _UUID.finditer(low)]
    found += [match[1] for match in _HEX.finditer(low) if len(match[1]) == 32]
    squeezed = re.sub(r"[\s-]+", "", low)
    if re.fullmatch(r"(?:0x)?[0-9a-f]{32}", squeezed):
        found.append(squeezed[-32:])
    return [bytes.fromhex(one) for one in dict.fromkeys(found)]


def span_ids_in(text: str) -> list[bytes]:
    """Return the span ids in a text, in order, each once."""
    low = unquote(text).lower()
    found = [match[2] for match in _TRACEPARENT.finditer(low)]
    found += [match[1] for match in _HEX.finditer(low) if len(match[1]) == 16]
    return [bytes.fromhex(one) for one in dict.fromkeys(found)]


def _exact_ids(text: str, sources: Sources) -> Iterator[Match]:
    found = False
    for trace_id in trace_ids_in(text)[:MOST_MATCHES]:
        for match in sources.by_trace(trace_id):
            found = True
            yield match
    if not found:
        for span_id in span_ids_in(text)[:MOST_MATCHES]:
            yield from sources.by_span(span_id)


def _values(text: str, sources: Sources) -> Iterator[Match]:
    """Read the whole text as a session id, a user id or a reference value."""
    if len(text) <= _LONGEST_VALUE:
        yield from sources.by_value(text)


_SHORTENED = re.compile(r"…|\.\.\.")


def _prefix_of(text: str) -> str | None:
    """Return the first digits of an id, where a text is just that, shortened ids of our own pages included."""
    low = _SHORTENED.split(text.lower())[0].removeprefix("0x").replace("-", "").strip()
    return low if re.fullmatch(rf"[0-9a-f]{{{LEAST_PREFIX},31}}", low) else None


def _prefixes(text: str, sources: Sources) -> Iterator[Match]:
    prefix = _prefix_of(text)
    if prefix is None:
        return
    # A shortened id tells its last digits as well.
    end = _SHORTENED.split(text.lower())[-1].strip() if _SHORTENED.search(text) else ""
    found = sources.by_prefix(prefix)
    yield from [match for match in found if match.trace_id.hex().endswith(end)] or found


def _words_of_line(text: str, sources: Sources) -> Iterator[Match]:
    """Read each word of a line as a value, then those that look like the start of an id."""
    words = _line_words(text)
    if len(words) < 2:
        return
    found = False
    for word in words:
        for match in sources.by_value(word):
            found = True
            yield match
    if not found:
        for word in words:
            prefix = _prefix_of(word)
            if prefix is not None and any(digit.isdigit() for digit in prefix) and len(prefix) >= 8:
                yield from sources.by_prefix(prefix)


def _line_words(text: str) -> list[str]:
    words: dict[str, None] = {}
    for word in _WORD_BREAK.split(unquote(text)):
        for part in (word, *re.split(r"[=:/]", word)):
            kept = part.strip(".!-")
            if 3 <= len(kept) <= _LONGEST_VALUE and kept != text:
                words[kept] = None
    return list(words)[:_MOST_WORDS]


def _free_text(text: str, sources: Sources) -> Iterator[Match]:
    if trace_ids_in(text) or _prefix_of(text):
        # An id that is not here is a miss worth telling, not words that happen to stand elsewhere.
        return
    if sum(letter.isalnum() for letter in text) >= 3:
        yield from sources.by_text(text[:500])


def _explain(text: str, sources: Sources) -> Miss:
    for trace_id in trace_ids_in(text):
        known = sources.explain_trace(trace_id)
        if known is not None:
            return known
    waiting = 0 if trace_ids_in(text) else sources.unlinked()
    if waiting:
        return Miss(
            "settling",
            f"{waiting:,} traces arrived within the last seconds and can be found by trace id only as yet: try again in 2 s.",
        )
    if re.fullmatch(rf"[0-9a-fA-F]{{1,{LEAST_PREFIX - 1}}}", text):
        return Miss("malformed", f"The start of an id needs at least {LEAST_PREFIX} digits.")
    if re.fullmatch(r"[0-9a-fA-F]{33,}", text):
        return Miss("malformed", f"A trace id has 32 digits; this has {len(text)}.")
    return Miss("never_seen", "No trace, span, session, user or reference like this was ever received here.")


def _missed(reason: Reason, message: str) -> Lookup:
    return Lookup(miss=Miss(reason, message))
