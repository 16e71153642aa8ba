"""From an ended span to a delivered one: the host's threads put spans into a queue, one thread of ours does all the rest."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Span

from .. import semconv
from ..quiet import report
from ..recording.beside import Traces, stamp
from ..recording.reported import count_reported, open_runs
from .courier import Courier
from .encode import Encoder
from .loss import Losses, point_span
from .queue import SpanQueue, attributes_of
from .sampling import Sampler

_GATHER_S = 1.0
"""How long a span waits for others to go with it, and thus how much a killed process loses."""

_LAST_S = 1.0
"""How long the thread may take to end once it was interrupted."""

_SUPPRESS = ("suppress_instrumentation", getattr(otel_context, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation"))
"""Names under which instrumentations look whether to let a request be: ours are none of the host's."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a pipeline is made of."""

    queue: SpanQueue
    sampler: Sampler
    encoder: Encoder
    courier: Courier
    losses: Losses
    traces: Traces
    resource: Resource
    scope: InstrumentationScope
    hurry_spans: int = 512
    epoch_s: Callable[[], float] = time.time


class Ticket:
    """A wish that everything recorded so far be delivered."""

    def __init__(self, deadline_s: float, is_last: bool) -> None:
        self.deadline_s = deadline_s
        self.is_last = is_last
        """Whether the process ends: it is not held up by a backend that is not there."""
        self.done = threading.Event()
        self.is_delivered = False

    def settle(self, is_delivered: bool) -> None:
        """Answer it."""
        self.is_delivered = is_delivered
        self.done.set()


class Pipeline(SpanProcessor):
    """The processor of our own provider, and the thread behind it. Nothing of it raises into the host, and nothing blocks but ``flush``."""

    def __init__(self, parts: Parts, now_s: Callable[[], float] = time.monotonic) -> None:
        self._parts = parts
        self._now_s = now_s
        self._put = parts.queue.put
        self._is_closed = False
        self._renew()

    @property
    def losses(self) -> Losses:
        """What was lost."""
        return self._parts.losses

    @property
    def resource(self) -> Resource:
        """The sender of what it sends itself."""
        return self._parts.resource

    def renew_after_fork(self) -> None:
        """Begin anew in a child process: the thread, the connection and all that waits are the parent's."""
        parts = self._parts
        parts.losses.renew()
        parts.queue.renew()
        parts.sampler.renew()
        parts.courier.renew_after_fork()
        self._renew()

    def _renew(self) -> None:
        self._thread: threading.Thread | None = None
        # Reentrant: the garbage collector may close a generator, and so end a span, in a thread that is inside.
        self._starting = threading.RLock()
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._tickets: list[Ticket] = []

    # --- the host's threads -------------------------------------------------------------------------------------------

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        """Name the run on a span of another library that we were given the provider for."""
        try:
            # Our own recorders have named the run already.
            if semconv.STEP_KIND not in attributes_of(span):
                stamp(span, parent_context, self._parts.traces)
        except Exception as error:
            report(error)

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span over."""
        if self._is_closed:
            return
        try:
            if open_runs and semconv.STEP_KIND not in attributes_of(span):
                count_reported(span)
            waiting = self._put(span)
            if waiting == 1 or self._thread is None:
                self._waken()
            elif waiting == self._parts.hurry_spans:
                self._hurry.set()
        except Exception as error:
            report(error)

    def announce(self, span: Span, attributes: Mapping[str, Any]) -> None:
        """Send a child of a span that is still open, without length and at once."""
        try:
            context = span.get_span_context()
            if context.is_valid:
                parent = f"{context.span_id:016x}"
                name = f"clew {attributes.get(semconv.ANNOUNCE, 'announcement')}"
                origin = (self._parts.resource, self._parts.scope)
                self._parts.queue.put_first(point_span(name, context.trace_id, parent, dict(attributes), origin))
                self._hurry.set()
                self._waken()
        except Exception as error:
            report(error)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Deliver what was recorded, as far as the time allows."""
        return self.flush(timeout_millis / 1000)

    def flush(self, timeout_s: float, is_last: bool = False) -> bool:
        """Wait until everything recorded so far is the backend's; False where it is not in this time."""
        if threading.current_thread() is self._thread:
            return False
        ticket = Ticket(self._now_s() + timeout_s, is_last)
        self._tickets.append(ticket)
        self._hurry.set()
        if self._waken():
            return ticket.done.wait(timeout_s) and ticket.is_delivered
        # No thread can be started while the interpreter ends: then this one does it.
        self._turn_until(ticket)
        return ticket.is_delivered

    def shutdown(self) -> None:
        """End it, with a last attempt to deliver; what was not goes into the spool, if there is one."""
        self.close(5.0)

    def close(self, timeout_s: float) -> None:
        """End it within so long, sooner where the backend is known to be away."""
        if self._is_closed:
            return
        is_delivered = self.flush(timeout_s, is_last=True)
        self._is_closed = True
        if not is_delivered:
            self._parts.courier.interrupt()
        thread = self._thread
        self._hurry.set()
        self._wake.set()
        if thread is not None:
            thread.join(_LAST_S)
        if thread is None or not thread.is_alive():
            self._parts.courier.close()

    def _waken(self) -> bool:
        """Wake the thread, or start it; False where it cannot be started."""
        self._wake.set()
        thread = self._thread
        if thread is not None and thread.is_alive():
            return True
        with self._starting:
            if self._is_closed:
                return False
            if self._thread is None or not self._thread.is_alive():
                try:
                    started = threading.Thread(target=self._work, name="clew-pipeline", daemon=True)
                    started.start()
                except RuntimeError:
                    return False
                self._thread = started
        return True

    # --- our thread ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        for name in _SUPPRESS:
            otel_context.attach(otel_context.set_value(name, True))
        wait_s: float | None = 0.0
        while not self._is_closed:
            self._wake.wait(wait_s)
            self._wake.clear()
            if len(self._parts.queue) and not self._tickets:
                self._hurry.wait(_GATHER_S)
            self._hurry.clear()
            try:
                wait_s = self.turn()
            except Exception as error:  # whatever it is, the next spans are tried again
                report(error)
                wait_s = _GATHER_S

    def _turn_until(self, ticket: Ticket) -> None:
        while not ticket.done.is_set():
            wait_s = self.turn()
            if not ticket.done.is_set():
                time.sleep(min(wait_s if wait_s is not None else 0.05, 0.25))

    def turn(self) -> float | None:
        """Do what there is to do, and return how long there is nothing; None until something comes."""
        parts, tickets = self._parts, list(self._tickets)
        urgent, spans = parts.queue.take()
        now_s = parts.epoch_s()
        for batch in parts.encoder.encode([span for span in urgent if parts.sampler.is_wanted(span)], now_s):
            parts.courier.post(batch, is_urgent=True)
        for batch in parts.encoder.encode(parts.sampler.choose(spans, self._now_s()), now_s):
            parts.courier.post(batch)
        has_delivered = parts.courier.run(bool(tickets))
        if has_delivered and parts.losses.has_untold:
            for batch in parts.encoder.encode(parts.losses.take_reports(parts.resource, parts.scope), now_s):
                parts.courier.post(batch, is_urgent=True)
        self._settle(tickets)
        waits = [parts.courier.wait_s(bool(self._tickets)), parts.sampler.wait_s(self._now_s())]
        return min((wait for wait in waits if wait is not None), default=None)

    def _settle(self, tickets: list[Ticket]) -> None:
        courier = self._parts.courier
        for ticket in tickets:
            if courier.is_idle or self._now_s() >= ticket.deadline_s or (ticket.is_last and courier.is_absent):
                ticket.settle(courier.is_idle)
                self._tickets.remove(ticket)
