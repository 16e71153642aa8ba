"""What the agent says to a model and hears back, whoever serves it: no provider's own words pass this file."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel

Role = Literal["planner", "executor", "react", "orchestrator", "specialist", "responder", "summariser", "judge"]
"""What a call is for: the router picks the model by it."""

PLAIN_ROLES: frozenset[Role] = frozenset({"responder", "summariser"})
"""Well-defined work with words, which takes neither a strong model nor thinking."""


@dataclass(frozen=True, slots=True)
class Text:
    """Words."""

    text: str


@dataclass(frozen=True, slots=True)
class Thinking:
    """A model's reasoning; the signature lets its provider take it back unchanged in the next call."""

    text: str
    signature: str = ""


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """A tool that the model asks for; nothing in it is to be trusted."""

    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What a tool answered to the request named."""

    request_id: str
    name: str
    content: str
    is_error: bool = False


Part = Text | Thinking | ToolRequest | ToolOutcome


@dataclass(frozen=True, slots=True)
class Message:
    """One turn; tool outcomes stand in the user's turns, tool requests and thinking in the assistant's."""

    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """A tool offered to the model; ``parameters`` is JSON schema. ``side_effects`` is True unless its owner vouches that it only reads."""

    name: str
    description: str
    parameters: dict[str, Any]
    side_effects: bool = True


@dataclass(frozen=True, slots=True)
class Tokens:
    """What one call used. ``input`` is everything read, cached or not; ``output`` includes ``reasoning``."""

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        """What counts against a budget: all read and all written."""
        return self.input + self.output


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One question to a model.

    ``session`` is whose token budget pays and ``user`` whose cached answers may be used ("" = nobody's: nothing is cached).
    ``schema`` is what the answer must be as JSON. ``call_token_ceiling`` bounds this call and its repairs together.
    ``semantic_text`` is the part of the last message that a cached answer may match by meaning; all else must match exactly.
    ``model`` is for the router to fill.
    """

    role: Role
    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolDefinition, ...] = ()
    max_tokens: int = 1024
    schema: type[BaseModel] | None = None
    call_token_ceiling: int | None = None
    session: str = ""
    user: str = ""
    semantic_text: str | None = None
    model: str = ""


@dataclass(frozen=True, slots=True)
class ModelReply:
    """An answer. ``data`` is the validated value where a schema was asked for; ``parts`` is the turn to send back (see ``turn_of``)."""

    text: str
    thinking: tuple[str, ...]
    tool_requests: tuple[ToolRequest, ...]
    tokens: Tokens
    model: str
    provider: str
    finish_reason: str
    response_id: str
    data: BaseModel | None = None
    from_cache: bool = False
    parts: tuple[Part, ...] = ()


Complete = Callable[[ModelRequest], ModelReply]
"""Asks a model; raises ModelUnavailable (BreakerOpen), OutputInvalid or TokenBudgetSpent, nothing else that is expected."""


class ModelUnavailable(Exception):
    """No model answered. ``is_transient`` says whether asking again may help, ``retry_after_s`` when the provider said so."""

    def __init__(self, reason: str, *, provider: str = "", is_transient: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.provider = provider
        self.is_transient = is_transient
        self.retry_after_s = retry_after_s


class BreakerOpen(ModelUnavailable):
    """The provider was not asked: it failed too often of late. Degrade, do not wait."""


class OutputInvalid(Exception):
    """The answer did not match its schema even after the repairs; ``errors`` is what was wrong with the last one."""

    def __init__(self, errors: str) -> None:
        super().__init__("the model's answer stayed invalid")
        self.errors = errors


class TokenBudgetSpent(Exception):
    """The next call would break a budget, so it was not made; ``limit`` is "session" or "call"."""

    def __init__(self, limit: Literal["session", "call"], *, used: int, needed: int, budget: int) -> None:
        super().__init__(f"the {limit}'s token budget of {budget} would be exceeded: {used} used, {needed} more needed")
        self.limit = limit
        self.used = used
        self.needed = needed
        self.budget = budget


@cache
def json_schema_of(schema: type[BaseModel]) -> dict[str, Any]:
    """Return a model's JSON schema; made once, for making it takes longer than a call to a server nearby. Not to be changed."""
    return schema.model_json_schema()


def turn_of(reply: ModelReply) -> Message:
    """Return the assistant's turn to put before the next question: thinking (with its signature), words and tool requests in order."""
    return Message("assistant", reply.parts or (Text(reply.text),))


def said(text: str) -> Message:
    """Return a user's turn of plain words."""
    return Message("user", (Text(text),))
