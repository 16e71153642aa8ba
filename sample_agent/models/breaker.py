"""Stops asking a provider that failed five times within a minute, and lets one probe through after a rest.

Home-made: the kept libraries (pybreaker, circuitbreaker, purgatory) count failures in a row, which a single answer resets,
know no window, and read the machine's clock, where this agent's clock is given to it.
"""

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

from tracer import record

from ..observe import Event, Observe
from .provider import BreakerOpen, Complete, ModelReply, ModelRequest, ModelUnavailable
from .settings import ModelSettings

State = Literal["closed", "open", "half_open"]
Now = Callable[[], datetime]


class Breaker:
    """The circuit breaker of one provider, shared by all sessions of the process. Every change of state is recorded when it happens."""

    def __init__(self, provider: str, settings: ModelSettings, now: Now, observe: Observe) -> None:
        self._provider = provider
        self._most = settings.breaker_failures
        self._window = timedelta(seconds=settings.breaker_window_s)
        self._rest = timedelta(seconds=settings.breaker_rest_s)
        self._now = now
        self._observe = observe
        self._lock = threading.Lock()
        self._failed_at: deque[datetime] = deque()
        self._opened_at: datetime | None = None
        self._is_probing = False

    @property
    def state(self) -> State:
        """Where it stands: half open while a probe is under way."""
        if self._opened_at is None:
            return "closed"
        return "half_open" if self._is_probing else "open"

    def admit(self) -> None:
        """Let a call through, as the one probe after the rest; else raise BreakerOpen."""
        with self._lock:
            if self._opened_at is None:
                return
            rested = self._now() - self._opened_at
            if self._is_probing or rested < self._rest:
                raise self.refusal()
            self._is_probing = True
        self._tell("half_open", f"{rested.total_seconds():.0f} s after it opened, one call may try")

    def succeeded(self) -> None:
        """Count an answer: a probe's closes the breaker, any forgets nothing else (five failures a minute are five failures)."""
        with self._lock:
            if not self._is_probing:
                return
            self._opened_at, self._is_probing = None, False
            self._failed_at.clear()
        self._tell("closed", "the probe was answered")

    def failed(self, because: str) -> bool:
        """Count a failure and return whether the breaker is open now: the fifth in the window opens it, and a probe's does again."""
        now = self._now()
        with self._lock:
            self._failed_at.append(now)
            while now - self._failed_at[0] > self._window:
                self._failed_at.popleft()
            was_probe, self._is_probing = self._is_probing, False
            if self._opened_at is not None and not was_probe:
                return True
            if not was_probe and len(self._failed_at) < self._most:
                return False
            self._opened_at = now
        counted = "the probe failed" if was_probe else f"{self._most} failures in {self._window.total_seconds():.0f} s"
        self._tell("open", f"{counted}: {because}")
        return True

    def abandoned(self) -> None:
        """Forget a probe that ended without saying anything about the provider."""
        with self._lock:
            self._is_probing = False

    def refusal(self) -> BreakerOpen:
        """Return what to raise instead of calling."""
        return BreakerOpen("the circuit breaker is open", provider=self._provider)

    def _tell(self, state: State, because: str) -> None:
        reason = f"{self._provider}: {because}"
        record("breaker", state=state, because=reason)
        self._observe(Event("breaker", self._provider, {"state": state, "because": reason}))


def guarded(ask: Complete, breaker: Breaker) -> Complete:
    """Return ``ask`` behind a breaker. The failure that opens it is raised as BreakerOpen: there is no sense in waiting for a retry."""

    def complete(request: ModelRequest) -> ModelReply:
        breaker.admit()
        try:
            reply = ask(request)
        except ModelUnavailable as failure:
            if not failure.is_transient:  # it answered: the mistake is ours
                breaker.succeeded()
                raise
            if breaker.failed(failure.reason):
                raise breaker.refusal() from failure
            raise
        except BaseException:
            breaker.abandoned()
            raise
        breaker.succeeded()
        return reply

    return complete
