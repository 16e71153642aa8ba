"""A store filled to a size through the front door: OTLP requests of traces spread over the last 30 days."""

import time
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from .content import SPANS_PER_TRACE
from .payloads import RARE_EVERY, TRACES_PER_SERVICE, Workload, requests
from .senders import send
from .server import Server, wait_until

DAYS = 30
_HOUR_NS = 3600 * 10**9
_SENT_AT_ONCE = 12 * TRACES_PER_SERVICE
_LINKED_TIMEOUT_S = 1800.0


class WrongAnswer(Exception):
    """A read answered something else than what was stored: its speed does not matter then."""


class Stored(NamedTuple):
    """One stored trace."""

    workload: Workload
    number: int

    @property
    def trace_id(self) -> bytes:
        """The id of the trace."""
        return self.workload.trace_id(self.number)


@dataclass(frozen=True, slots=True)
class _Stage:
    workload: Workload
    numbers: range


class FilledStore:
    """A server and what its store holds. Every growth is spread over the whole 30 days, oldest first."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._stages: list[_Stage] = []
        self.fill_rate = 0.0
        """Spans a second of the last growth, from the first request until all was linked."""

    @property
    def traces(self) -> int:
        """How many traces it holds."""
        return sum(len(stage.numbers) for stage in self._stages)

    @property
    def spans(self) -> int:
        """How many spans it holds."""
        return self.traces * SPANS_PER_TRACE

    def grow(self, spans: int) -> None:
        """Add whole traces until at least so many spans are stored, and wait until all are linked."""
        missing = -(-(spans - self.spans) // (SPANS_PER_TRACE * TRACES_PER_SERVICE)) * TRACES_PER_SERVICE
        first = self.traces
        # Hours from both ends: no trace ends in the future, none is older than 30 days before the last read is done.
        step_ns = (DAYS * 24 - 8) * _HOUR_NS // missing
        now_ns = time.time_ns()
        begin_ns = now_ns - (DAYS * 24 - 6) * _HOUR_NS
        workload = Workload(seed=now_ns, first_ns=begin_ns - first * step_ns, step_ns=step_ns)
        numbers = range(first, first + missing)
        self._stages.append(_Stage(workload, numbers))
        self._send(workload, numbers)

    def _send(self, workload: Workload, numbers: range) -> None:
        started = time.perf_counter()
        generating_s = 0.0
        for at in range(numbers.start, numbers.stop, _SENT_AT_ONCE):
            before = time.perf_counter()
            ready = list(requests(workload, range(at, min(at + _SENT_AT_ONCE, numbers.stop))))
            generating_s += time.perf_counter() - before
            send(self.server.otlp_port, ready)
        linked_at = wait_until(self.server.has_linked_all, _LINKED_TIMEOUT_S)
        self.fill_rate = len(numbers) * SPANS_PER_TRACE / (linked_at - started - generating_s)

    def pick(self, rng: Random) -> Stored:
        """Return any stored trace."""
        stage = rng.choices(self._stages, [len(stage.numbers) for stage in self._stages])[0]
        return Stored(stage.workload, rng.choice(stage.numbers))

    def pick_rare(self, rng: Random) -> Stored:
        """Return a stored trace that has a word in a thought that no other has."""
        while True:
            found = self.pick(rng)
            if found.number % RARE_EVERY == 0:
                return found
