"""Brings batches to the backend in order, waits as it is told to while the backend is away, and keeps what waits within bounds."""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from .deliver import Answer, Sender
from .encode import Batch, split
from .identify import jitter
from .loss import OUTBOX_FULL, REFUSED, SHUTDOWN, Losses, Share
from .spool import Spool

_log = logging.getLogger("clew")

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_EAGER_WAIT_S = 0.25
_LONGEST_ASKED_S = 600.0
"""A backend may ask for patience, but not for silence for ever."""
_MOST_ABSENCES = 3
_MOST_URGENT = 64
_MOST_AT_ONCE = 8
"""So many batches at a time; then what was recorded meanwhile is looked at."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """What time it is: ``now_s`` for waiting, ``epoch_s`` for dates."""

    now_s: Callable[[], float] = time.monotonic
    epoch_s: Callable[[], float] = time.time


class Courier:
    """Used by one thread. Batches wait in memory, or in the spool where there is one; the oldest give way when there is no room."""

    def __init__(self, sender: Sender, losses: Losses, limits: tuple[int, float], spool: Spool | None, clocks: Clocks) -> None:
        self._sender = sender
        self._losses = losses
        self._most_bytes, self._timeout_s = limits
        self._spool = spool
        self._clocks = clocks
        self._renew()

    def renew_after_fork(self) -> None:
        """Begin anew in a child process: the connection and what waits are the parent's."""
        self._sender.forget()
        if self._spool is not None:
            self._spool.renew()
        self._renew()

    def _renew(self) -> None:
        self._batches: deque[Batch] = deque()
        self._urgent: deque[Batch] = deque(maxlen=_MOST_URGENT)
        self._bytes = 0
        self._failures = 0
        self._absences = 0
        self._retry_s = 0.0
        self._is_asked = False
        self._failed_s = 0.0
        self._away_since_s = 0.0
        self._refusals: set[str] = set()
        self._is_spools_turn = False

    @property
    def is_away(self) -> bool:
        """Tell whether the last attempt failed."""
        return self._failures > 0

    @property
    def is_absent(self) -> bool:
        """Tell whether nobody answered, several times in a row."""
        return self._absences >= _MOST_ABSENCES

    @property
    def waiting_bytes(self) -> int:
        """What waits in memory."""
        return self._bytes

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing waits, in memory or in the spool."""
        return not (self._batches or self._urgent or (self._spool is not None and self._spool.has_any))

    def post(self, batch: Batch, is_urgent: bool = False) -> None:
        """Take a batch over. Urgent ones go first and are nobody's loss: what is said of open work is said again, or by its end."""
        if is_urgent:
            self._urgent.append(replace(batch, shares=()))
        elif not (self.is_away and self._put_away(batch)):
            self._batches.append(batch)
            self._bytes += len(batch.body)
            while self._bytes > self._most_bytes and self._batches:
                self._losses.note(self._take_first().shares, OUTBOX_FULL)

    def wait_s(self, is_eager: bool) -> float | None:
        """Return how long there is nothing to do; None until something is posted."""
        if self.is_idle:
            return None
        if not self.is_away:
            return 0.0
        return max(0.0, self._due_s(is_eager) - self._clocks.now_s())

    def run(self, is_eager: bool) -> bool:
        """Deliver what is due, some of it at most, and tell whether something was. Eagerly, it waits only as long as it was asked to."""
        delivered = False
        for _ in range(_MOST_AT_ONCE):
            if self.is_away and self._clocks.now_s() < self._due_s(is_eager):
                break
            source, batch = self._next()
            if batch is None:
                break
            answer = self._sender.send(batch.body, self._timeout_s)
            if answer.verdict == "later":
                self._fail(answer)
                break
            self._succeed()
            delivered = delivered or answer.verdict == "taken"
            source()
            self._settle(batch, answer)
        return delivered

    def interrupt(self) -> None:
        """End a request under way: called by another thread."""
        self._sender.interrupt()

    def close(self) -> None:
        """Put what waits into the spool, and close the connection."""
        while self._batches and self._put_away(self._batches[0]):
            self._take_first()
        for batch in self._batches:
            self._losses.note(batch.shares, SHUTDOWN)
        if self._spool is not None:
            self._spool.close()
        self._sender.close()

    def _due_s(self, is_eager: bool) -> float:
        return min(self._retry_s, self._failed_s + _EAGER_WAIT_S) if is_eager and not self._is_asked else self._retry_s

    def _next(self) -> tuple[Callable[[], object], Batch | None]:
        """Return what is to be sent next, and what takes it from where it waits."""
        if self._urgent:
            return self._urgent.popleft, self._urgent[0]
        # Turn by turn: what is new should not wait for an hour of what is old.
        self._is_spools_turn = not self._is_spools_turn
        spooled = self._spool.first(self._clocks.epoch_s()) if self._spool and (self._is_spools_turn or not self._batches) else None
        if self._spool is not None and spooled is not None:
            return self._spool.drop_first, spooled
        return (self._take_first, self._batches[0]) if self._batches else (lambda: None, None)

    def _take_first(self) -> Batch:
        batch = self._batches.popleft()
        self._bytes -= len(batch.body)
        return batch

    def _settle(self, batch: Batch, answer: Answer) -> None:
        if answer.verdict == "taken":
            if answer.rejected:
                _log.warning("the backend did not take %d of %d spans", answer.rejected, batch.spans)
                self._losses.note([_rejected(batch, answer.rejected)], REFUSED)
            return
        parts = split(batch) if answer.verdict == "unfit" else []
        for part in reversed(parts):
            self._batches.appendleft(part)
            self._bytes += len(part.body)
        if not parts:
            self._losses.note(batch.shares, REFUSED)
            self._warn_refused(answer)

    def _warn_refused(self, answer: Answer) -> None:
        if answer.told not in self._refusals:
            self._refusals.add(answer.told)
            _log.warning("the backend refused spans (%s); the like is counted and not told again", answer.told)

    def _fail(self, answer: Answer) -> None:
        now_s = self._failed_s = self._clocks.now_s()
        self._failures += 1
        self._absences = self._absences + 1 if answer.is_absent else 0
        wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(self._failures - 1, 10)) * jitter(0.8, 1.2)
        self._is_asked = answer.wait_s is not None
        if answer.wait_s is not None:
            wait_s = min(max(answer.wait_s, 0.05), _LONGEST_ASKED_S) * jitter(1.0, 1.1)
        self._retry_s = now_s + wait_s
        if self._failures == 1:
            self._away_since_s = now_s
            _log.warning("the backend is away (%s); spans wait and are sent when it is back", answer.told)
        while self._batches and self._put_away(self._batches[0]):
            self._take_first()

    def _succeed(self) -> None:
        if self._failures:
            _log.info("the backend is back after %.0f s", self._clocks.now_s() - self._away_since_s)
        self._failures = self._absences = 0

    def _put_away(self, batch: Batch) -> bool:
        """Write a batch into the spool; False where there is none, or it cannot be written to."""
        return self._spool is not None and self._spool.append(batch)


def _rejected(batch: Batch, spans: int) -> Share:
    """Return what was not taken of a batch; of which trace is only known where there is one."""
    only = batch.shares[0] if len(batch.shares) == 1 else Share(0, None, 0)
    return Share(only.trace_id, only.run_id, spans)
