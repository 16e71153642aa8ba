"""A clock that moves only when something happens: two weeks pass in seconds, and the same things take the same time every time."""

import threading
from datetime import UTC, datetime, timedelta

from .observe import Event, Told, ToolCalled

_TICK_NS = 1_000
"""Each look at the clock is this much later, so that no two things happen at the same time."""

_FIRST_TOKEN_S, _PER_TOKEN_S, _PER_READ_TOKEN_S = 0.35, 0.012, 0.00002
_TOOL_S, _FAILED_CALL_S, _OTHER_S = 0.035, 0.8, 0.004


class SimulatedClock:
    """Tells time to everything in a simulation: the agent, its stores, the model server, and the tracer's spans."""

    def __init__(self, start: datetime) -> None:
        self._lock = threading.Lock()
        self._ns = int(start.timestamp()) * 1_000_000_000

    def now_ns(self) -> int:
        """Return nanoseconds since the epoch, never the same twice."""
        with self._lock:
            self._ns += _TICK_NS
            return self._ns

    def now(self) -> datetime:
        """Return the time, to the microsecond."""
        seconds, ns = divmod(self._ns, 1_000_000_000)
        return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=ns // 1000)

    def sleep(self, seconds: float) -> None:
        """Move on instead of waiting."""
        with self._lock:
            self._ns += max(0, round(seconds * 1_000_000_000))

    def move_to(self, when: datetime) -> None:
        """Move on to a time; into the past it does not go."""
        self.sleep((when - self.now()).total_seconds())

    def hear(self, told: Told) -> None:
        """Move on by what this usually takes. It is told within the span of what happened."""
        self.sleep(_seconds_of(told))


def _seconds_of(told: Told) -> float:
    if isinstance(told, ToolCalled):
        return _TOOL_S
    if not isinstance(told, Event) or told.kind != "llm":
        return _OTHER_S
    if told.facts["error"] is not None:
        return _FAILED_CALL_S
    return _FIRST_TOKEN_S + _PER_TOKEN_S * float(told.facts["output_tokens"]) + _PER_READ_TOKEN_S * float(told.facts["input_tokens"])
