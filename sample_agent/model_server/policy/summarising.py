"""The summariser: the sentences that another assistant needs to go on, taken from what was said, in at most five."""

import re

from .reading import Conversation, Said
from .saying import sentences
from .wish import read_wish
from .words import APPOINTMENT_ID
from .work import today_of

LONGEST = 220


def summarise(conversation: Conversation) -> Said:
    """Answer in plain words."""
    history = conversation.blocks.get("history") or conversation.words
    said = [text for who, text in _turns(history) if who == "user"]
    told = [text for who, text in _turns(history) if who != "user"]
    today = today_of(conversation)
    # Orders within the history are data: a text that tries to give some is not carried on.
    asked = [text for text in said if read_wish(text, today).act not in ("harm", "greet")]
    found = [f"The user asked: {_short(text)}" for text in asked[:1] + asked[1:][-1:]]
    facts = [one for text in told for one in sentences(text) if APPOINTMENT_ID.search(one) or re.search(r"\d{1,2}:\d{2}", one)]
    found += [f"Told so far: {_short(one)}" for one in facts[-2:]]
    if told and told[-1].rstrip().endswith("?"):
        found.append(f"Still open: {_short(sentences(told[-1])[-1])}")
    return Said(text=" ".join(found[:5]) or f"Nothing was settled yet. {_short(history)}".strip())


def _turns(history: str) -> list[tuple[str, str]]:
    parts = re.split(r"(?m)^(user|assistant|notes|summary): ?", history)
    return list(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=False)) or [("assistant", history.strip())]


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= LONGEST else f"{words[:LONGEST].rsplit(' ', 1)[0]} …"
