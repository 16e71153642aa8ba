"""What a person wants: read from their words, filled up from what they said before."""

import re
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Literal

from . import words
from .reading import Conversation
from .when import NUMBERS, When, read_when

Act = Literal["book", "cancel", "move", "send", "look_up", "search", "ask_policy", "escalate", "harm", "other", "greet", "unclear"]

NOTHING_SAID = When()

_ORDINALS = {"first": 0, "1st": 0, "second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "4th": 3, "last": -1}


@dataclass(frozen=True)
class Wish:
    """A request in its parts; None and empty is not said. ``was`` is the time of the appointment that a move or a cancellation is about."""

    act: Act = "unclear"
    text: str = ""
    client: str | None = None
    appointment: str | None = None
    professionals: tuple[str, ...] = ()
    """Ids or names."""
    minutes: int | None = None
    when: When = NOTHING_SAID
    was: When = NOTHING_SAID
    purpose: str = ""
    reason: str = ""
    send: bool = False
    channel: str | None = None


def read_wish(text: str, today: date) -> Wish:
    """Read a request by itself."""
    act = _act(text)
    when, was = _times(text, act, today)
    with_whom = words.WITH.search(text)
    names = re.split(r",? and |, | & ", with_whom[1]) if with_whom else []
    ids = words.PROFESSIONAL_ID.findall(text)
    appointment, purpose, reason = words.APPOINTMENT_ID.search(text), words.PURPOSE.search(text), words.REASON.search(text)
    return Wish(
        act=act,
        text=text,
        client=_client(text, names),
        appointment=appointment[1] if appointment else None,
        professionals=tuple(dict.fromkeys(ids or [name for name in names if name.split()[0].lower() not in words.NO_NAMES])),
        minutes=_minutes(text),
        when=when,
        was=was,
        purpose=purpose[1].strip() if purpose and act in ("book", "unclear") else "",
        reason=reason[1].strip() if reason else "",
        send=act == "send" or bool(words.SEND_TOO.search(text) and not words.SEND_NOTHING.search(text)),
        channel=_channel(text),
    )


def _act(text: str) -> Act:
    if words.HARM.search(text):
        return "harm"
    if words.ESCALATE.search(text):
        return "escalate"
    if words.OTHER.search(text) and not words.SCHEDULING.search(text):
        return "other"
    if words.POLICY.search(text) and not words.NAMED.search(text):
        return "ask_policy"
    acts: list[Act] = list(words.ACTS)  # type: ignore[arg-type]  # its keys are acts
    first = words.FIRST_WORD.match(text)
    for act in acts:  # what a sentence begins with says what it is about
        if first and words.ACTS[act].match(first[1]):
            return act
    for act in acts:
        if words.ACTS[act].search(text):
            return act
    return "greet" if words.GREETING.match(text) else "unclear"


def _times(text: str, act: Act, today: date) -> tuple[When, When]:
    if act == "move":
        swapped = words.INSTEAD.search(text)
        if swapped:
            return read_when(swapped[1], today), read_when(swapped[2], today)
        parts = words.MOVE_TO.search(text)
        if parts is None:
            return When(), read_when(text, today)
        after = read_when(parts[2], today)
        if not after.says_day and not after.says_time:
            return When(), read_when(parts[1], today)
        return after, read_when(parts[1], today)
    when = read_when(text, today)
    return (When(), when) if act == "cancel" else (when, When())


def _client(text: str, professionals: list[str]) -> str | None:
    found = words.CLIENT_ID.search(text)
    if found:
        return found[1] or found[2]
    for name in [*words.OWNER.findall(text), *words.CLIENT_NAME.findall(text)]:
        is_name = all(word.lower() not in words.NO_NAMES for word in name.split())
        if is_name and name not in professionals:
            return str(name)
    return None


def _minutes(text: str) -> int | None:
    lower = text.lower()
    if re.search(r"\b(?:an|one|1) hour and a half\b|\b(?:one|1) and a half hours\b|\b1\.5 hours\b", lower):
        return 90
    if re.search(r"\bhalf an hour\b|\bhalf-hour\b|\bhalf hour\b", lower):
        return 30
    found = re.search(r"\b(\d{1,3})[ -]?(?:minutes?|mins?|m)\b", lower)
    if found:
        return int(found[1])
    hours = re.search(r"\b(\d|a|an|one|two|three|four)[ -](?:full )?hours?\b", lower)
    if hours:
        return 60 * (int(hours[1]) if hours[1].isdigit() else NUMBERS[hours[1]])
    return 60 if "first consultation" in lower else None


def _channel(text: str) -> str | None:
    lower = text.lower()
    if re.search(r"\b(?:by|via|per|an?) e-?mail\b", lower):
        return "email"
    return "sms" if re.search(r"\b(?:by|via|per|an?) (?:text|sms)\b|\bsms\b", lower) else None


def wish_of(conversation: Conversation, today: date) -> Wish:
    """Read what is wanted now: the last words, filled up from what was asked and offered before where they are only an answer."""
    wish = read_wish(conversation.words, today)
    if wish.act in ("harm", "escalate", "other", "ask_policy"):
        return wish
    said = [turn.text for turn in conversation.earlier if turn.role == "user"]
    told = [turn.text for turn in conversation.earlier if turn.role == "assistant"]
    before = [conversation.blocks.get("summary", ""), *said]
    wish = _chosen(wish, told[-1] if told else "", today)
    if wish.act in ("unclear", "greet"):
        asked = next((old for text in reversed(before) if (old := read_wish(text, today)).act not in ("unclear", "greet", "harm")), None)
        # A yes belongs to a question; after "Is there anything else?" it asks for nothing.
        is_answer = wish.act == "unclear" and not (words.PLAIN_YES.match(wish.text) and not (told and words.ASKS.search(told[-1])))
        if asked is not None and is_answer:
            is_taken = wish.when.at is not None and asked.act == "search" and told and "Which one shall I book?" in told[-1]
            return _own(replace(fill(wish, asked), act="book") if is_taken else fill(wish, asked), conversation)
    return _own(wish, conversation)


def fill(wish: Wish, before: Wish) -> Wish:
    """Return an answer's parts over those of the request it belongs to."""
    parts = {field.name: getattr(wish, field.name) or getattr(before, field.name) for field in fields(Wish)}
    act = before.act if wish.act in ("unclear", "greet") else wish.act
    when = merge(wish.when, before.when)
    # An answer to "which appointment?" names that one's day, not the new one.
    return replace(Wish(**parts), act=act, when=when, was=merge(wish.was, before.was), send=wish.send or before.send)


def merge(new: When, old: When) -> When:
    """Return the days and times of the newer words, the rest of the older ones."""
    days = new if new.says_day else old
    times = new if new.says_time else old
    return When(days.first, days.last, times.part, times.at, times.after, times.before, new.zone or old.zone)


def _chosen(wish: Wish, told: str, today: date) -> Wish:
    """Take up "the second one" from the times that were offered as ``1) …  2) …``."""
    offered = re.findall(r"(\d)\) ([^;\n?]+)", told)
    word = re.search(r"\b(first|second|third|fourth|last|1st|2nd|3rd|4th)\b(?! (?:available|thing|consultation))", wish.text, re.IGNORECASE)
    number = re.match(r"^\W*(?:option |number |no\.? )?([1-8])\W*$", wish.text, re.IGNORECASE)
    if not offered or not (word or number):
        return wish
    at = _ORDINALS[word[1].lower()] if word else int(number[1]) - 1 if number else 0
    if not -len(offered) <= at < len(offered):
        return wish
    picked = read_wish(offered[at][1], today)
    return replace(wish, act="unclear", client=picked.client, appointment=picked.appointment, when=picked.when)


def _own(wish: Wish, conversation: Conversation) -> Wish:
    """Put in what goes without saying: whom a client speaks for, and which appointment "it" is."""
    acting = re.match(r"client (1\d{4})$", conversation.blocks.get("acting_for", ""))
    client = wish.client or (acting[1] if acting and wish.act not in ("ask_policy", "other", "greet") else None)
    appointment = wish.appointment
    if appointment is None and wish.act in ("cancel", "move", "send") and re.search(r"\b(?:it|that|this one)\b", wish.text, re.IGNORECASE):
        appointment = last_appointment(conversation)
    return replace(wish, client=client, appointment=appointment)


def last_appointment(conversation: Conversation) -> str | None:
    """Return the id of the appointment that was spoken of last."""
    noted = [note["facts"].get("appointment_id") for note in conversation.notes if isinstance(note.get("facts"), dict)]
    texts = [conversation.blocks.get("summary", ""), *(turn.text for turn in conversation.earlier)]
    found = [*words.APPOINTMENT_ID.findall("\n".join(texts)), *(str(one) for one in noted if one)]
    return found[-1] if found else None
