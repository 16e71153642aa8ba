"""What the agent can be told. Everything is given; nothing here or below reads the environment."""

from dataclasses import dataclass, field
from typing import Literal

from .models.settings import ModelSettings
from .rates import RATES, Rate
from .state.agreements import GOOD_FOR_S
from .state.sessions import IDLE_TTL_S

Architecture = Literal["plan_execute", "react", "multi_agent"]
ARCHITECTURES: tuple[Architecture, ...] = ("plan_execute", "react", "multi_agent")

FIRM = "Hartwell & Lowe"
OFFICE_PHONE = "+44 20 7946 0100"
DEGRADED = f"I'm sorry, our scheduling assistant is not available right now. Please call our office on {OFFICE_PHONE}: we will arrange it."
"""The answer that needs no model: what the breaker and an outage degrade to."""

REFUSAL = "I can't help with that. I can find, book, move or cancel an appointment for you."
"""The answer to a request of which nothing is left once attacks are taken out."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Where one run ends whatever it is doing. Tokens are limited in ``ModelSettings``, requests and actions by ``rates``."""

    usd: float = 1.0
    steps: int = 80
    """Everything that Clew counts as a step: calls, tools, choices, guards."""
    seconds: float = 180.0
    turns: int = 12
    """How often a reason-and-act loop asks its model, the last time for the answer: a specialist's as well as the single agent's."""
    tool_rounds: int = 4
    """How often one step of a plan may go to its tools; then it must say how it ended."""
    attempts: int = 2
    """How often one step of a plan is tried."""
    replans: int = 2
    repeats: int = 3
    """The same tool with the same arguments so many times in a run is a loop."""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Everything the agent is built from; the defaults are the case study's where it names any."""

    name: str = "scheduler"
    version: str = "1.0.0"
    environment: str = "demo"
    architecture: Architecture = "plan_execute"
    stateful: bool = True
    """False forgets everything between requests: what is needed comes with each of them."""
    models: ModelSettings = field(default_factory=ModelSettings)
    limits: RunLimits = RunLimits()
    rates: tuple[Rate, ...] = RATES
    agreement_s: float = GOOD_FOR_S
    """How long a question waits for a yes, and a yes for its use."""
    canary: str = "HL-CANARY-7f3a91"
    """Stands in every system prompt and nowhere else: where it shows up, a prompt leaked."""
    idle_ttl_s: float = IDLE_TTL_S
    keep_s: float = 30 * 86_400.0
    """How long a session is kept after it was closed."""
    conversation_tokens: int = 2_000
    """What a conversation may hold before its older turns are condensed."""
    seed: int = 7
