"""Picks the model by what a call is for, and counts what that saves against asking the strongest for everything."""

import threading
from dataclasses import dataclass, replace

from .prices import usd_of
from .settings import ModelSettings, Tiers
from .types import PLAIN_ROLES, Complete, ModelReply, ModelRequest, Role

STRONG: frozenset[Role] = frozenset({"planner", "orchestrator", "judge"})
"""Few calls on which all others hang. The plain roles go to the small model; all else fills tools, whose schemas do half of the work."""


@dataclass(frozen=True, slots=True)
class Savings:
    """What the calls cost, and what they had cost at the strongest model with the same tokens. Cached answers are not in it."""

    spent_usd: float = 0.0
    strongest_usd: float = 0.0
    unpriced_calls: int = 0

    @property
    def share(self) -> float | None:
        """The part saved, 0 to 1; None where nothing was priced."""
        return 1 - self.spent_usd / self.strongest_usd if self.strongest_usd else None


class SavingsBook:
    """Adds up savings over all sessions of the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._savings = Savings()

    @property
    def savings(self) -> Savings:
        """What was saved so far."""
        return self._savings

    def add(self, reply: ModelReply, strongest: str) -> None:
        """Count one real call."""
        spent = usd_of(reply.tokens, reply.model, reply.provider)
        most = usd_of(reply.tokens, strongest, reply.provider)
        with self._lock:
            so_far = self._savings
            if spent is None or most is None:
                self._savings = replace(so_far, unpriced_calls=so_far.unpriced_calls + 1)
            else:
                self._savings = replace(so_far, spent_usd=so_far.spent_usd + spent, strongest_usd=so_far.strongest_usd + most)


def model_for(role: Role, tiers: Tiers, routing: bool) -> str:
    """Return the model for a role; the strongest for all where routing is off."""
    if not routing or role in STRONG:
        return tiers.strong
    return tiers.small if role in PLAIN_ROLES else tiers.middle


def routed(ask: Complete, settings: ModelSettings) -> Complete:
    """Return ``ask`` with the model filled in; a request that names one keeps it."""

    def complete(request: ModelRequest) -> ModelReply:
        return ask(replace(request, model=request.model or model_for(request.role, settings.primary_models, settings.routing)))

    return complete


def counted(ask: Complete, book: SavingsBook, settings: ModelSettings) -> Complete:
    """Return ``ask`` with each real answer's saving counted; an answer of the fallback is compared with the fallback's strongest."""
    strongest = {"anthropic": settings.primary_models.strong, "openai": settings.fallback_models.strong}

    def complete(request: ModelRequest) -> ModelReply:
        reply = ask(request)
        book.add(reply, strongest.get(reply.provider, request.model))
        return reply

    return complete


def translate(settings: ModelSettings, model: str) -> str:
    """Return the fallback's model of the same strength as one of the primary's."""
    ours, theirs = settings.primary_models, settings.fallback_models
    return {ours.small: theirs.small, ours.middle: theirs.middle}.get(model, theirs.strong)
