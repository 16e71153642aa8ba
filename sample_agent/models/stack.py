"""All layers in one callable, in the order in which they must stand.

From the caller inwards:

- ``routed``: names the model, which everything below keys on.
- ``cached``: a hit must cost neither tokens nor a call, and only validated answers may be kept, so it stands outside repair.
- ``repairing``: every repair is one more call that the budget must allow.
- ``budgeted``: refuses the call that would break a ceiling; failed attempts cost no tokens, so retries stand inside.
- ``counted``: counts each real answer's saving, also of answers that were sent back for repair.
- ``falling_back``: asks the second provider once the first one's retries are used up or its breaker is open.
- ``retrying``: for each provider; it must not wait for a provider whose breaker has just opened.
- ``guarded``: a breaker for each provider counts attempts, so that an outage is noticed within one request. The caller hears
  BreakerOpen, and degrades to "please call our office", only where both are open.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from anthropic import Anthropic
from openai import OpenAI

from ..memory.embedding import embed
from ..observe import Observe
from .anthropic import anthropic_client, anthropic_provider
from .breaker import Breaker, State, guarded
from .budget import Ceilings, CountedHere, SessionTokens, budgeted
from .cache import AnswerCache, cached
from .fallback import falling_back
from .openai import openai_client, openai_provider
from .repair import repairing
from .retry import Patience, Sleep, retrying
from .router import Savings, SavingsBook, counted, routed, translate
from .settings import ModelSettings
from .types import Complete, ModelReply, ModelRequest

Protect = Callable[[Complete, str], Complete]


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the stack finds around it: time, chance, who is told, and where tokens are counted."""

    now: Callable[[], datetime]
    sleep: Sleep
    jitter: random.Random
    observe: Observe
    tokens: SessionTokens = field(default_factory=CountedHere)


@dataclass(frozen=True, slots=True)
class Shared:
    """What all sessions of the process have in common."""

    book: SavingsBook = field(default_factory=SavingsBook)
    breakers: dict[str, Breaker] = field(default_factory=dict)
    clients: list[Anthropic | OpenAI] = field(default_factory=list)


class ModelStack:
    """Asks models as ``Complete`` promises. One for the process: breakers, cache and token counts are shared by all sessions."""

    def __init__(self, complete: Complete, shared: Shared) -> None:
        self._complete = complete
        self._shared = shared

    def __call__(self, request: ModelRequest) -> ModelReply:
        """Ask a model; see ``Complete``."""
        return self._complete(request)

    @property
    def savings(self) -> Savings:
        """What routing saved so far, over all real calls."""
        return self._shared.book.savings

    def breaker_state(self, provider: str) -> State:
        """Return where a provider's breaker stands."""
        return self._shared.breakers[provider].state

    def close(self) -> None:
        """Close the connections; the stack can be used no more."""
        for client in self._shared.clients:
            client.close()

    def __enter__(self) -> "ModelStack":
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def build_stack(settings: ModelSettings, around: Around) -> ModelStack:
    """Build the model stack of this process."""
    shared = Shared()

    def protected(ask: Complete, provider: str) -> Complete:
        breaker = shared.breakers[provider] = Breaker(provider, settings, around.now, around.observe)
        patience = Patience(settings.attempts, settings.longest_wait_s)
        return retrying(guarded(ask, breaker), patience, around.sleep, around.jitter, around.observe)

    ask = counted(_providers(settings, protected, shared, around.observe), shared.book, settings)
    ceilings = Ceilings(settings.session_tokens, settings.closing_tokens, settings.call_tokens)
    ask = repairing(budgeted(ask, around.tokens, ceilings, settings), settings.repairs, around.observe)
    if settings.cache != "off":
        ask = cached(ask, AnswerCache(settings, embed, around.now), around.observe)
    return ModelStack(routed(ask, settings), shared)


def _providers(settings: ModelSettings, protected: Protect, shared: Shared, observe: Observe) -> Complete:
    client = anthropic_client(settings)
    shared.clients.append(client)
    primary = protected(anthropic_provider(client, settings, observe), "anthropic")
    if not settings.fallback.is_usable:
        return primary
    other = openai_client(settings)
    shared.clients.append(other)
    secondary = protected(openai_provider(other, settings, observe), "openai")
    return falling_back(primary, secondary, partial(translate, settings), observe)
