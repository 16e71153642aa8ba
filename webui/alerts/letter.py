"""A message as a value: what a mail says, before it is written as text and as HTML. Every string in it may come from a trace."""

import unicodedata

import msgspec

from webui.format import clip

MOST_SUBJECT = 120

SEVERITY_WORDS = {"critical": "critical", "warning": "warning", "info": "info"}


class Piece(msgspec.Struct, frozen=True):
    """A bit of a paragraph: plain words, data in mono, or a link."""

    text: str
    href: str = ""
    is_data: bool = False
    is_bad: bool = False


class Line(msgspec.Struct, frozen=True):
    """One labelled line: what it is about, and its pieces. ``bars`` are drawn before it: shares of the highest."""

    label: str
    pieces: tuple[Piece, ...]
    bars: tuple[float, ...] = ()
    bars_note: str = ""


class RunLine(msgspec.Struct, frozen=True):
    """A run that contributes: what was asked, what it cost, where the guilty step is."""

    title: str
    amount: str
    note: str
    name: str
    href: str
    step: str = ""
    """What of it the link leads to; empty where it leads to the whole."""


class Deed(msgspec.Struct, frozen=True):
    """A button: what it does, and the page that asks once more."""

    words: str
    href: str
    look: str
    """stop, main or plain"""


class Letter(msgspec.Struct, frozen=True):
    """Everything that a mail says. The HTML part and the text part have the same content."""

    severity: str
    subject: str
    meta: str
    headline: str
    headline_bad: str
    """The end of the headline that says what it costs; may be empty."""
    deeds: tuple[Deed, ...] = ()
    deeds_note: str = ""
    lines: tuple[Line, ...] = ()
    runs_title: str = ""
    runs: tuple[RunLine, ...] = ()
    others_title: str = ""
    others: tuple[RunLine, ...] = ()
    ends: tuple[Piece, ...] = ()
    foot: tuple[Piece, ...] = ()


def header_words(text: str, limit: int) -> str:
    """Return text fit for a header: one line, nothing that cannot be seen or turns text around, at most ``limit`` characters.

    ``EmailMessage`` raises on a line break in a header: a name with one in it would stop the alert about it.
    """
    cleaned = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text[: limit * 4])
    # What looks like an encoded word would be decoded by whoever reads the header, line breaks and all.
    return clip(cleaned.replace("=?", "= ?"), limit)


def subject_line(severity: str, words: str, *, over: bool = False) -> str:
    """Return a subject of at most 120 characters."""
    mark = "resolved" if over else SEVERITY_WORDS.get(severity, "alert")
    return header_words(f"[{mark}] {words}", MOST_SUBJECT)
