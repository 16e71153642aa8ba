"""Asks another provider where the first cannot answer. Tool definitions and messages are the same for both."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tracer import record

from ..observe import Event, Observe
from .types import BreakerOpen, Complete, ModelReply, ModelRequest, ModelUnavailable

Translate = Callable[[str], str]
"""Takes the primary's model and returns the one of the same strength at the fallback."""


def falling_back(primary: Complete, secondary: Complete, translate: Translate, observe: Observe) -> Complete:
    """Return a callable that asks the secondary when the primary is unavailable. Raises BreakerOpen only where neither was asked."""

    def complete(request: ModelRequest) -> ModelReply:
        try:
            return primary(request)
        except ModelUnavailable as failure:
            model = translate(request.model)
            facts: dict[str, Any] = {"source": request.model, "to": model, "because": failure.reason}
            record("fallback", **facts)
            observe(Event("fallback", model, facts))
            return _second(secondary, replace(request, model=model), failure)

    return complete


def _second(secondary: Complete, request: ModelRequest, first: ModelUnavailable) -> ModelReply:
    try:
        return secondary(request)
    except BreakerOpen as failure:
        if isinstance(first, BreakerOpen):
            raise
        raise ModelUnavailable(f"{first.provider}: {first.reason}; {failure.provider}: {failure.reason}") from failure
    except ModelUnavailable as failure:
        raise ModelUnavailable(f"{first.provider}: {first.reason}; {failure.provider}: {failure.reason}") from failure
