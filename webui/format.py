"""How Clew writes numbers, times and names for people. Unknown is a dash or a word, never zero."""

import time
from html import escape

from .zones import reader_time, utc_time

UNKNOWN = "–"

_NANOS = 1_000_000_000

TERMINATION_WORDS = {
    "completed": "completed",
    "max_tokens": "output limit",
    "token_budget": "token budget",
    "cost_budget": "cost budget",
    "max_steps": "step limit",
    "timeout": "timeout",
    "circuit_breaker": "circuit breaker",
    "tool_failure": "tool failure",
    "llm_unavailable": "model unavailable",
    "validation_failed": "invalid answer",
    "guardrail": "guardrail",
    "refused": "refused",
    "escalated": "escalated",
    "cancelled": "cancelled",
    "stopped": "stopped from Clew",
    "loop": "loop",
    "error": "error",
    "lost": "lost",
    "running": "running",
}
"""What a reader sees for each termination reason."""

_TONE = {"completed": "ok", "escalated": "ok", "running": "live"} | dict.fromkeys(
    ("max_tokens", "max_steps", "guardrail", "refused", "cancelled", "stopped"), "warn"
)


def tone(termination: str) -> str:
    """Return how much attention a termination asks for: ok, live, warn or bad."""
    return _TONE.get(termination, "bad")


def termination_word(termination: str) -> str:
    """Return a termination reason in a reader's words."""
    return TERMINATION_WORDS.get(termination, termination.replace("_", " "))


def stop_words(termination: str) -> str:
    """Say that a run was stopped, and why: ``Stopped: loop``; who was stopped from Clew, is not told so twice."""
    word = termination_word(termination)
    return f"S{word[1:]}" if word.startswith("stopped") else f"Stopped: {word}"


def money(nanos: int | None) -> str:
    """Write an amount with two to four significant digits: ``$0.0042``, ``$12.40``, ``$3,184``."""
    if nanos is None:
        return UNKNOWN
    sign, amount = ("-" if nanos < 0 else ""), abs(nanos)
    if amount == 0:
        return "$0.00"
    if amount < 1_000:
        return f"{sign}< $0.000001"
    if amount >= 10_000 * _NANOS:
        return f"{sign}${amount / _NANOS:,.0f}"
    if amount >= _NANOS // 10:
        return f"{sign}${amount / _NANOS:,.2f}"
    if amount >= _NANOS // 1_000:
        return f"{sign}${amount / _NANOS:.4f}"
    return f"{sign}${amount / _NANOS:.{5 if amount >= _NANOS // 10_000 else 6}f}"


def cost(nanos: int | None, unpriced_calls: int) -> str:
    """Write what something cost, ``≥`` where some of its calls have no price, ``unpriced`` where none has."""
    if nanos is None:
        return "unpriced" if unpriced_calls else UNKNOWN
    return f"≥ {money(nanos)}" if unpriced_calls else money(nanos)


def count(number: int | None) -> str:
    """Write an integer with thousands separators."""
    return UNKNOWN if number is None else f"{number:,}"


def duration(length_ns: int | None) -> str:
    """Write a length of time in the unit that suits it."""
    if length_ns is None:
        return UNKNOWN
    seconds = length_ns / _NANOS
    if seconds < 0.001:
        return f"{length_ns / 1_000:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


class Moment(str):
    """A time in words. On a page it stands in a ``time`` element, with the instant for machines."""

    __slots__ = ("at_ns",)
    at_ns: int

    def __new__(cls, words: str, at_ns: int) -> "Moment":
        """Return the words as they are."""
        made = super().__new__(cls, words)
        made.at_ns = at_ns
        return made

    def __html__(self) -> str:
        """Return what a template shows."""
        return f'<time datetime="{iso(self.at_ns)}">{escape(self)}</time>'


def clock(at_ns: int | None, now_ns: int | None = None) -> str:
    """Write a time by the reader's clock, which is UTC unless they chose another, with its day unless it is today."""
    if at_ns is None:
        return UNKNOWN
    at = reader_time(at_ns)
    if now_ns is not None and at.date() == reader_time(now_ns).date():
        return Moment(at.strftime("%H:%M:%S"), at_ns)
    day = f"{at.day} {at.strftime('%b')}"
    if now_ns is None or at.year != reader_time(now_ns).year:
        day = f"{day} {at.year}"
    return Moment(f"{day} {at.strftime('%H:%M:%S')}", at_ns)


def iso(at_ns: int | None) -> str:
    """Write a time for a machine, in UTC to the second."""
    return "" if at_ns is None else utc_time(at_ns).strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(at_ns: int, now_ns: int) -> str:
    """Write how long ago something was."""
    length = max(now_ns - at_ns, 0)
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        if length >= 2 * unit * _NANOS:
            return f"{length // (unit * _NANOS)} {name} ago"
    return "just now"


_UNSHOWN = dict.fromkeys((*range(9), *range(14, 32), 0x7F, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
"""Control characters, and marks that turn text around."""


def clip(text: str | None, limit: int) -> str:
    """Return one line of a text, cut to a number of characters with an ellipsis, without what cannot be seen or turns text around."""
    if not text:
        return ""
    line = " ".join(text[: limit * 4].translate(_UNSHOWN).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def short_id(value: bytes) -> str:
    """Return the first digits of an id, enough to tell it apart on a page."""
    return value.hex()[:8]


def percent(part: float, whole: float) -> float:
    """Return a share in percent, 0 where there is no whole."""
    return 100 * part / whole if whole else 0.0


def plural(number: int, noun: str) -> str:
    """Write a number with its noun: ``1 step``, ``2 steps``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size(length: int) -> str:
    """Write a number of bytes or characters."""
    for unit, factor in (("MB", 1 << 20), ("KB", 1 << 10)):
        if length >= factor:
            return f"{length / factor:.1f} {unit}"
    return plural(length, "byte")


def now_ns() -> int:
    """Return the present."""
    return time.time_ns()
