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
from .settings import ModelSettings
from .types import BreakerOpen, Complete, ModelReply, ModelRequest, ModelUnavailable

State = Literal["closed", "open", "half_open"]
Now = Callable[[], datetime]
Ticket = int
"""A call that was let through."""


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
        self._calls = 0
        self._probe: Ticket | None = None

    @property
    def state(self) -> State:
        """Where it stands: half open while a probe is under way."""
        if self._opened_at is None:
            return "closed"
        return "half_open" if self._probe is not None else "open"

    def let_through(self) -> Ticket:
        """Let a call through, as the one probe after the rest; else raise BreakerOpen. What comes of it is told with its ticket."""
        with self._lock:
            self._calls += 1
            if self._opened_at is None:
                return self._calls
            rested = self._now() - self._opened_at
            if self._probe is not None or rested < self._rest:
                raise self.refusal()
            ticket = self._probe = self._calls
        self._tell("half_open", f"{rested.total_seconds():.0f} s after it opened, one call may try")
        return ticket

    def succeeded(self, ticket: Ticket) -> None:
        """Count an answer: the probe's closes the breaker. One to a call that was under way before closes nothing, for it may be old."""
        with self._lock:
            if ticket != self._probe:
                return
            self._opened_at, self._probe = None, None
            self._failed_at.clear()
        self._tell("closed", "the probe was answered")

    def failed(self, ticket: Ticket, because: str) -> bool:
        """Count a failure and return whether the breaker is open now: the fifth in the window opens it, and a probe's does again."""
        now = self._now()
        with self._lock:
            self._failed_at.append(now)
            while now - self._failed_at[0] > self._window:
                self._failed_at.popleft()
            was_probe = ticket == self._probe
            self._probe = None if was_probe else self._probe
            if self._opened_at is not None and not was_probe:
                return True
            if not was_probe and len(self._failed_at) < self._most:
                return False
            self._opened_at = now
        counted = "the probe failed" if was_probe else f"{self._most} failures in {self._window.total_seconds():.0f} s"
        self._tell("open", f"{counted}: {because}")
        return True

    def abandoned(self, ticket: Ticket) -> None:
        """Forget a call that ended without saying anything about the provider: where it was the probe, another may be."""
        with self._lock:
            self._probe = None if ticket == self._probe else self._probe

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
        ticket = breaker.let_through()
        try:
            reply = ask(request)
        except ModelUnavailable as failure:
            if not failure.is_transient:  # it answered: the mistake is ours
                breaker.succeeded(ticket)
                raise
            if breaker.failed(ticket, failure.reason):
                raise breaker.refusal() from failure
            raise
        except BaseException:
            breaker.abandoned(ticket)
            raise
        breaker.succeeded(ticket)
        return reply

    return complete
