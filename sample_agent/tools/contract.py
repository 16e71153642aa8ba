"""What a tool is, what it is given, and what comes back: the seam between the agent and everything it may do."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from ..domain.model import DomainError
from ..domain.store import DomainStore
from ..observe import Observe, ignore

ALL_CLIENTS = frozenset({"*"})
"""``allowed_clients`` of somebody who works here."""


def covers(allowed: frozenset[str], client_id: str) -> bool:
    """Say whether who may act for these clients may act for that one."""
    return allowed >= ALL_CLIENTS or client_id in allowed


class ToolError(DomainError):
    """A call that cannot be done, in words that a model can act on. Its ``code`` is what programs compare."""


class Arguments(BaseModel):
    """Base of all arguments: nothing unknown, nothing coerced, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Result(BaseModel):
    """Base of all results: flat, bounded, JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Intents(Protocol):
    """Remembers what is about to be done, so that a process that dies in the middle does it neither twice nor not at all."""

    def begin(self, session_id: str, tool: str, arguments: Mapping[str, Any]) -> str:
        """Write the intent down and return its key; the key of an intent left open for the same arguments, if there is one."""

    def finish(self, key: str, outcome: Mapping[str, Any]) -> None:
        """Write down how it ended."""


Admit = Callable[[str, str, str], float | None]
"""Takes (action, session id, user id); None lets it happen and counts it, else the seconds to wait. See ``rates.py``."""


def refuse_unconfirmed(key: str) -> bool:
    """Confirm nothing."""
    return False


def spend_nothing(key: str) -> None:
    """Remember nothing of an agreement that was used."""


def admit_all(action: str, session_id: str, user_id: str) -> float | None:
    """Limit nothing."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """On whose behalf tools are called, and what they may touch. Made by the agent, never by the model."""

    session_id: str
    user_id: str
    role: str
    """"client" or "staff"; for messages alone, rights are in the next two."""
    allowed_clients: frozenset[str]
    """Ids of the clients this session acts for, or ``ALL_CLIENTS``."""
    allowed_tools: frozenset[str]
    now: Callable[[], datetime]
    store: DomainStore
    journal: Intents
    confirmed: Callable[[str], bool] = refuse_unconfirmed
    """Whether a person agreed to exactly the action of this key (``ToolResult.confirmation_key``)."""
    spend: Callable[[str], None] = spend_nothing
    """Is told the key when such an agreement is used, so that it holds once."""
    admit: Admit = admit_all
    observe: Observe = ignore
    request_key: str = ""
    """The intent's key while a tool runs; set by the registry, what makes a repeated request harmless."""

    def may_see(self, client_id: str) -> bool:
        """Say whether this session acts for a client."""
        return covers(self.allowed_clients, client_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool: how the model sees it and what it runs. ``run`` raises ``DomainError`` on purpose and nothing else."""

    name: str
    description: str
    arguments: type[Arguments]
    result: type[Result]
    run: Callable[[ToolContext, Any], Result]
    changes: bool = False
    """Changes the calendars: an intent is written before it runs."""
    destructive: bool = False
    """Cannot be taken back: a person confirms it first, and it is rate limited."""
    question: Callable[[ToolContext, Any], str] | None = None
    """What to ask the person, for a destructive tool. Raises ``DomainError`` where there is nothing to ask about."""

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the JSON schema of the arguments, as model APIs take it."""
        return self.arguments.model_json_schema()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """How a call ended. ``content`` is what the model reads; where it is not ``ok`` it holds the error, or the question for a person."""

    ok: bool
    content: dict[str, Any]
    error: str | None = None
    """None also where a person is to be asked: nothing went wrong."""
    code: str | None = None
    """unknown_tool, not_permitted, invalid_arguments, rate_limited, needs_confirmation, unavailable, internal, or the domain's own."""
    needs_confirmation: str | None = None
    """The question for the person."""
    confirmation_key: str | None = None
    """What ``ToolContext.confirmed`` is asked with when the call comes again."""

    @property
    def text(self) -> str:
        """Return the content as JSON in one line."""
        return json.dumps(self.content, ensure_ascii=False)
