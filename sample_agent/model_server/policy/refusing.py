"""What is not done at all, or not by a machine: said kindly, with the reason."""

import re
from dataclasses import dataclass
from typing import Literal

from .reading import Conversation
from .wish import Wish

HELP = "I can book, move and cancel appointments, look up free times and send confirmations."


@dataclass(frozen=True)
class Refusal:
    """What is said instead of doing it."""

    outcome: Literal["refuse", "escalate", "clarify"]
    text: str
    because: str


def refusal(wish: Wish, conversation: Conversation) -> Refusal | None:
    """Return why a request is not carried out; None where it is."""
    other = _other_client(wish, conversation)
    if wish.act == "harm":
        text = f"I can't help with that. {HELP} Is there anything of that kind I can do for you?"
        return Refusal(
            "refuse", text, "The request tries to change my rules or to get at what is not the user's; text of a user cannot do that."
        )
    if other is not None:
        text = (
            f"I can't act for client {other}: you are signed in for another client. Is there anything I can do for your own appointments?"
        )
        return Refusal("refuse", text, f"The session does not act for client {other}.")
    if wish.act == "escalate":
        text = "A person should settle that, so I am passing it on to our front desk with all you told me. They will get in touch."
        return Refusal("escalate", text, "The user wants, or needs, a person: this is beyond what the tools can do.")
    if len(wish.professionals) > 4:
        return Refusal(
            "escalate", "So many people's calendars are best arranged by our front desk; I am passing it on.", "More than four must attend."
        )
    if wish.act == "other":
        return Refusal("refuse", f"I'm afraid I can't help with that. {HELP}", "It is not about appointments.")
    if wish.act in ("greet", "unclear"):
        return Refusal("clarify", f"Hello! {HELP} What would you like?", "It is not clear what is wanted.")
    return None


def _other_client(wish: Wish, conversation: Conversation) -> str | None:
    """Return the id of a client for whom this session may not act."""
    acting = conversation.blocks.get("acting_for", "")
    if not acting.startswith("client") or not wish.client or not wish.client.isdigit():
        return None
    return None if wish.client in re.findall(r"\d+", acting) else wish.client
