"""Asking a person before what cannot be taken back: a yes is for one action with these very arguments."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from .contract import Arguments, ToolContext, ToolError, ToolSpec


class NeedsConfirmation(ToolError):
    """A person must agree first. ``message`` is the question, ``key`` what the yes will be kept under."""

    def __init__(self, question: str, key: str) -> None:
        super().__init__("needs_confirmation", question)
        self.key = key


def check_confirmed(context: ToolContext, spec: ToolSpec, arguments: Arguments) -> None:
    """Raise ``NeedsConfirmation`` unless a person agreed to exactly this; ``DomainError`` where it could not be done anyway."""
    question = spec.question(context, arguments) if spec.question else f"Do {spec.name}?"
    key = key_of(spec, arguments)
    if not context.confirmed(key):
        raise NeedsConfirmation(question, key)


def key_of(spec: ToolSpec, arguments: Arguments) -> str:
    """Return what an agreement is kept under: the same for the same action, whatever reason is given and however the time is written."""
    values = {name: _plain(value) for name, value in arguments.model_dump(exclude={"reason"}).items()}
    return f"{spec.name}:{hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]}"


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
