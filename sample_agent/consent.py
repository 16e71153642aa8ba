"""What a person's words agree to: read by rules and not by a model, since what cannot be undone hangs on it."""

import re
from typing import Literal

_YES = re.compile(r"^\W*(?:yes|yep|yeah|ok(?:ay)?|sure|please do|do it|go ahead|confirm(?:ed)?|agreed|that's fine)\b", re.IGNORECASE)
_NO = re.compile(r"^\W*(?:no|nope|don'?t|do not|stop|cancel that|never ?mind|leave it|keep it)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")

_WORDS_OF_A_YES = frozenset(
    _WORD.findall(
        "yes yep yeah ok okay sure please do it that this go ahead confirm confirmed agree agreed fine right correct exactly absolutely "
        "definitely of course thank thanks you i s m am is the my our a one appointment meeting confirmation now just sounds good great "
        "perfect cancel move reschedule send happy to with"
    )
)
"""Words that add nothing to a yes."""


def yes_or_no(text: str, question: str = "") -> Literal["yes", "no"] | None:
    """Say whether words are a plain yes or no to a question; None for anything else.

    No wins. A yes may repeat what was asked and be polite; with any other word, or a question, it is about something else.
    """
    if _NO.search(text):
        return "no"
    if not _YES.search(text) or "?" in text:
        return None
    asked, _, _ = question.partition("?")
    return "yes" if _words(text) <= _WORDS_OF_A_YES | _words(asked) else None


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))


_MESSAGE = re.compile(
    r"\b(?:send|email|e-mail|text|sms)\b[^.?!]*\bconfirmation\b|\bconfirmation\b[^.?!]*\bby (?:e-?mail|sms|text)\b", re.IGNORECASE
)
_NO_MESSAGE = re.compile(r"(?:\b(?:not|no|never|without|skip|neither|nor|cannot|dont)|n['’]t)\b[^.?!]*\bconfirmation\b", re.IGNORECASE)


def asks_for_message(text: str) -> bool:
    """Say whether the user's own words ask for a confirmation to be sent: then there is no need to ask them again.

    What is sent, and where to, is fixed; so words that an attacker puts there gain nothing but a reminder to the client.
    """
    return _MESSAGE.search(text) is not None and _NO_MESSAGE.search(text) is None
