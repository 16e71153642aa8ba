"""A pipeline without its thread, in front of a backend made of a function, with a clock that is moved by hand."""

import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from tracer.privacy.clean import Cleaner
from tracer.privacy.redact import Redaction
from tracer.recording.beside import Traces
from tracer.sending.courier import Clocks, Courier
from tracer.sending.deliver import Answer
from tracer.sending.encode import Encoder
from tracer.sending.loss import Losses
from tracer.sending.pipeline import Parts, Pipeline
from tracer.sending.queue import SpanQueue
from tracer.sending.sampling import Sampler
from tracer.sending.spool import Spool
from tracer.settings import Bounds, Sampling

TAKEN = Answer("taken", "200")
AWAY = Answer("later", "connection refused")
BOUNDS, ALL = Bounds(), Sampling()
EPOCH_S = 1_700_000_000.0


def spans_in(body: bytes) -> list[Span]:
    """Return the spans of a request as it is sent."""
    request = ExportTraceServiceRequest.FromString(gzip.decompress(body))
    return [span for entry in request.resource_spans for scope in entry.scope_spans for span in scope.spans]


@dataclass
class Rig:
    """``answer`` takes the number of a request and its spans; ``at_s`` is the clock."""

    answer: Callable[[int, list[Span]], Answer] = lambda number, spans: TAKEN
    bounds: Bounds = BOUNDS
    sampling: Sampling = ALL
    spool: Path | None = None
    at_s: float = 0.0
    requests: list[tuple[float, list[Span]]] = field(default_factory=list)
    taken: list[Span] = field(default_factory=list)
    forgotten: int = 0

    def __post_init__(self) -> None:
        """Put it together."""
        clocks = Clocks(lambda: self.at_s, lambda: EPOCH_S + self.at_s)
        self.losses = Losses()
        bounds, spool = self.bounds, None
        if self.spool is not None:
            spool = Spool(str(self.spool), (bounds.spool_bytes, bounds.spool_age_s), self.losses, clocks.epoch_s)
        self.courier = Courier(self, self.losses, (bounds.outbox_bytes, 10.0), spool, clocks)
        self.parts = Parts(
            queue=SpanQueue(bounds, self.losses),
            sampler=Sampler(self.sampling),
            encoder=Encoder(Cleaner(Redaction(["secrets"]), True, 65_536, bounds.batch_bytes), bounds, self.losses),
            courier=self.courier,
            losses=self.losses,
            traces=Traces(),
            resource=Resource({"service.name": "rig"}),
            scope=InstrumentationScope("clew"),
            epoch_s=clocks.epoch_s,
        )
        self.pipeline = Pipeline(self.parts, lambda: self.at_s)

    def send(self, body: bytes, timeout_s: float) -> Answer:
        """Stand for the sender."""
        spans = spans_in(body)
        answer = self.answer(len(self.requests), spans)
        self.requests.append((self.at_s, spans))
        if answer.verdict == "taken":
            self.taken += spans
        return answer

    def close(self) -> None:
        """Stand for the sender."""

    def interrupt(self) -> None:
        """Stand for the sender."""

    def forget(self) -> None:
        """Stand for the sender."""
        self.forgotten += 1

    def put(self, spans: Sequence[ReadableSpan]) -> None:
        """Record spans."""
        for span in spans:
            self.parts.queue.put(span)

    def turn_until(self, at_s: float, each: Callable[[], Any] = lambda: None) -> None:
        """Let time pass, looking as often as the pipeline asks to and every second."""
        while self.at_s < at_s:
            wait_s = self.pipeline.turn()
            self.at_s += min(1.0 if wait_s is None else max(wait_s, 0.01), 1.0)
            each()

    def names(self) -> list[str]:
        """Return the names of the spans taken."""
        return [span.name for span in self.taken]
