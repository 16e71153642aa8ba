"""Asks again after a failure that may pass: after 1, 2 and 4 seconds with jitter, or when the provider said (tenacity counts)."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from tracer import record

from ..observe import Event, Observe
from .types import Complete, ModelReply, ModelRequest, ModelUnavailable

Sleep = Callable[[float], None]
"""Waits that many seconds; a simulated clock moves on instead."""

FIRST_WAIT_S = 1.0
JITTER = 0.25
"""At most so much of a wait is added, so that many clients that failed together do not return together."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often to ask in all, and how long a wait may be before the provider counts as down."""

    attempts: int
    longest_wait_s: float


def retrying(ask: Complete, patience: Patience, sleep: Sleep, jitter: random.Random, observe: Observe) -> Complete:
    """Return ``ask`` with retries. Raises the last failure; a failure that is not transient at once."""

    def may_pass(error: BaseException) -> bool:
        return isinstance(error, ModelUnavailable) and error.is_transient and (error.retry_after_s or 0.0) <= patience.longest_wait_s

    def wait(state: RetryCallState) -> float:
        backoff_s: float = FIRST_WAIT_S * 2 ** (state.attempt_number - 1)
        asked_for_s = _failure(state).retry_after_s or 0.0
        return max(backoff_s, asked_for_s) * (1 + jitter.uniform(0, JITTER))

    def tell(state: RetryCallState) -> None:
        failure = _failure(state)
        delay_s = round(state.next_action.sleep, 3) if state.next_action else 0.0
        facts: dict[str, Any] = {
            "attempt": state.attempt_number,
            "of": patience.attempts - 1,
            "because": failure.reason,
            "delay_s": delay_s,
        }
        record("retry", **facts)
        observe(Event("retry", failure.provider, facts))

    again = Retrying(
        stop=stop_after_attempt(patience.attempts),
        wait=wait,
        retry=retry_if_exception(may_pass),
        sleep=sleep,
        before_sleep=tell,
        reraise=True,
    )

    def complete(request: ModelRequest) -> ModelReply:
        # A copy: tenacity keeps the state of the last call in the object, and two sessions may ask at once.
        return again.copy()(ask, request)

    return complete


def _failure(state: RetryCallState) -> ModelUnavailable:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, ModelUnavailable) else ModelUnavailable("failed")
