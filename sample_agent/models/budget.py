"""The hard ceilings: what a session may use in all, and one call with its repairs. Checked before a call, against the most it can cost."""

import json
import threading
from dataclasses import dataclass
from typing import Protocol

from .settings import ModelSettings
from .types import PLAIN_ROLES, Complete, ModelReply, ModelRequest, Text, Thinking, TokenBudgetSpent, ToolOutcome, ToolRequest

CHARS_PER_TOKEN = 3
"""Fewer than the usual four: an estimate above the truth keeps the ceiling hard."""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """How much a session may use, how much of it is kept back for the closing summary, and how much one call may use with its repairs."""

    session: int
    closing: int
    call: int | None


class SessionTokens(Protocol):
    """Counts what each session has used and has under way, for all threads and processes that share the session."""

    def used(self, session: str) -> int:
        """Return the tokens that a session has used; calls under way count with the most they can cost."""

    def reserve(self, session: str, needed: int, most: int) -> None:
        """Set tokens aside for a call, or raise TokenBudgetSpent."""

    def settle(self, session: str, reserved: int, spent: int) -> None:
        """Replace what was set aside by what was really used."""


class CountedHere:
    """Counts in this process alone, as long as it lives: for what has no sessions that others could go on with."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[str, int] = {}

    def used(self, session: str) -> int:
        """As ``SessionTokens`` says."""
        return self._used.get(session, 0)

    def reserve(self, session: str, needed: int, most: int) -> None:
        """As ``SessionTokens`` says."""
        with self._lock:
            used = self._used.get(session, 0)
            if used + needed > most:
                raise TokenBudgetSpent("session", used=used, needed=needed, budget=most)
            self._used[session] = used + needed

    def settle(self, session: str, reserved: int, spent: int) -> None:
        """As ``SessionTokens`` says."""
        with self._lock:
            self._used[session] = max(0, self._used.get(session, 0) - reserved + spent)


def budgeted(ask: Complete, tokens: SessionTokens, ceilings: Ceilings, settings: ModelSettings) -> Complete:
    """Return ``ask`` within its budgets: raises TokenBudgetSpent before the call that would break one. Failed calls cost nothing."""

    def complete(request: ModelRequest) -> ModelReply:
        needed = most_tokens(request, settings.thinking_tokens)
        call = request.call_token_ceiling if request.call_token_ceiling is not None else ceilings.call
        if call is not None and needed > call:
            raise TokenBudgetSpent("call", used=0, needed=needed, budget=call)
        most = ceilings.session if request.role == "summariser" else ceilings.session - ceilings.closing
        tokens.reserve(request.session, needed, most)
        spent = 0
        try:
            reply = ask(request)
            spent = reply.tokens.total
            return reply
        finally:
            tokens.settle(request.session, needed, spent)

    return complete


def most_tokens(request: ModelRequest, thinking_tokens: int) -> int:
    """Return the most that a call can use: all that it reads, estimated high, and all that it is allowed to write."""
    chars = len(request.system) + sum(len(json.dumps(tool.parameters)) + len(tool.description) + len(tool.name) for tool in request.tools)
    chars += sum(_chars(part) for message in request.messages for part in message.parts)
    thinking = 0 if request.role in PLAIN_ROLES else thinking_tokens
    return chars // CHARS_PER_TOKEN + request.max_tokens + thinking


def _chars(part: object) -> int:
    match part:
        case Text(text) | Thinking(text):
            return len(text)
        case ToolRequest(_, name, arguments):
            return len(name) + len(json.dumps(arguments))
        case ToolOutcome(content=content):
            return len(content)
    return 0
