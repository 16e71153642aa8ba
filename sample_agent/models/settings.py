"""What the model layer can be told; read from the environment elsewhere, once."""

from dataclasses import dataclass
from typing import Literal

CacheMode = Literal["off", "exact", "semantic"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider is. ``url`` None is its public API, which needs a key; the offline server takes any key."""

    url: str | None = None
    key: str | None = None

    @property
    def is_usable(self) -> bool:
        """Whether there is anybody to ask: an address of our own, or a key for the public one."""
        return bool(self.url or self.key)


@dataclass(frozen=True, slots=True)
class Tiers:
    """Which model does what: the strongest plans, the middle one picks tools, the small one condenses."""

    strong: str
    middle: str
    small: str


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Everything the model stack is built from. Seconds and tokens.

    The defaults are the case study's: retries, repairs, breaker, tokens of a session. Of its models Sonnet, with GPT-4o behind it, does the
    steps; routing lets a stronger one plan and a smaller one word.
    """

    primary: Endpoint = Endpoint()
    fallback: Endpoint = Endpoint()
    primary_models: Tiers = Tiers("claude-opus-5", "claude-sonnet-5", "claude-haiku-4-5")
    fallback_models: Tiers = Tiers("gpt-4o", "gpt-4o", "gpt-4o-mini")
    routing: bool = True
    """False asks the strongest model for everything."""
    timeout_s: float = 30.0
    attempts: int = 4
    """The first try and three more, 1, 2 and 4 seconds apart."""
    longest_wait_s: float = 60.0
    """A provider that asks for more patience than this counts as down."""
    repairs: int = 2
    breaker_failures: int = 5
    breaker_window_s: float = 60.0
    breaker_rest_s: float = 30.0
    session_tokens: int = 50_000
    call_tokens: int | None = 12_000
    closing_tokens: int = 2_000
    """Kept back from ``session_tokens`` for the summary that closes a session whose budget is spent."""
    thinking_tokens: int = 1024
    """Room for thinking on top of an answer, for strong and middle models that think as much as they see fit; 0 switches it off."""
    stream: bool = False
    cache: CacheMode = "semantic"
    cache_ttl_s: float = 600.0
    cache_size: int = 1_000
    similarity: float = 0.86
    """From which cosine on two texts with the same facts in them are the same question."""
