"""The hard ceilings: what a session may use in all, what one step may use. Checked before a call, against the most that it can cost."""

import json
import threading
from dataclasses import dataclass

from .provider import PLAIN_ROLES, Complete, ModelReply, ModelRequest, Text, Thinking, TokenBudgetSpent, ToolOutcome, ToolRequest
from .settings import ModelSettings

CHARS_PER_TOKEN = 3
"""Fewer than the usual four: an estimate above the truth keeps the ceiling hard."""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """How much a session may use, how much of it is kept back for the closing summary, and how much one step may use."""

    session: int
    closing: int
    step: int | None


class SessionTokens:
    """What each session has used and has under way; shared by all threads. Restored when another process takes a session over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[str, int] = {}

    def used(self, session: str) -> int:
        """Return the tokens that a session has used; calls under way count with the most they can cost."""
        return self._used.get(session, 0)

    def restore(self, session: str, used: int) -> None:
        """Set what a session had used before this process knew it."""
        with self._lock:
            self._used[session] = used

    def forget(self, session: str) -> None:
        """Drop a session that is closed."""
        with self._lock:
            self._used.pop(session, None)

    def reserve(self, session: str, needed: int, most: int) -> None:
        """Set tokens aside for a call, or raise TokenBudgetSpent."""
        with self._lock:
            used = self._used.get(session, 0)
            if used + needed > most:
                raise TokenBudgetSpent("session", used=used, needed=needed, budget=most)
            self._used[session] = used + needed

    def settle(self, session: str, reserved: int, spent: int) -> None:
        """Replace what was set aside by what was really used."""
        with self._lock:
            self._used[session] = max(0, self._used.get(session, 0) - reserved + spent)


def budgeted(ask: Complete, tokens: SessionTokens, ceilings: Ceilings, settings: ModelSettings) -> Complete:
    """Return ``ask`` within its budgets: raises TokenBudgetSpent before the call that would break one. Failed calls cost nothing."""

    def complete(request: ModelRequest) -> ModelReply:
        needed = most_tokens(request, settings.thinking_tokens)
        step = request.step_token_ceiling if request.step_token_ceiling is not None else ceilings.step
        if step is not None and needed > step:
            raise TokenBudgetSpent("step", used=0, needed=needed, budget=step)
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
