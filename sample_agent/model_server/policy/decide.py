"""Dispatches a conversation to the rules of its role. The policy is all that is simulated of a model: it reads, it does not understand."""

from collections.abc import Callable

from .executor import carry_out, specialise
from .planner import plan
from .reacting import orchestrate, react, respond
from .reading import Conversation, Said
from .recovering import recover
from .summarising import summarise

Rules = Callable[[Conversation, int], Said]
"""Answers a conversation; the same for the same conversation and seed."""


def _plan_or_recover(conversation: Conversation, seed: int) -> Said:
    return recover(conversation) if conversation.markers.get("task") == "recover" else plan(conversation)


def _judge(conversation: Conversation, seed: int) -> Said:
    return Said("", "I cannot judge: an answer's quality is nothing that rules can tell. Ask a real model.")


ROLES: dict[str, Rules] = {
    "planner": _plan_or_recover,
    "executor": lambda conversation, seed: carry_out(conversation),
    "specialist": lambda conversation, seed: specialise(conversation),
    "react": react,
    "orchestrator": orchestrate,
    "responder": respond,
    "summariser": lambda conversation, seed: summarise(conversation),
    "judge": _judge,
}


def decide(conversation: Conversation, seed: int) -> Said:
    """Answer a conversation; the same for the same conversation and seed."""
    rules = ROLES.get(conversation.role)
    if rules is None:
        return Said("The instructions name no role that I know, so I answer plainly.", f"You said: {conversation.words[:200]}")
    return rules(conversation, seed)
