"""Spans become requests: each as many as its bounds allow, and none lost because of another."""

import gzip
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan

from .. import semconv
from ..quiet import report
from ..settings import Bounds
from .loss import UNENCODABLE, Losses, Share
from .queue import share_of, weigh

Clean = Callable[[ReadableSpan], ReadableSpan]
"""Returns a copy of a span in which there is nothing that must not leave, and nothing too large."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A request ready to be sent: gzipped protobuf, and whose spans it holds."""

    body: bytes
    shares: tuple[Share, ...]
    created_s: float
    """Seconds since the epoch."""

    @property
    def spans(self) -> int:
        """How many spans it holds."""
        return sum(share.spans for share in self.shares)


class Encoder:
    """Makes batches of spans. What cannot be encoded is counted as lost, alone."""

    def __init__(self, clean: Clean, bounds: Bounds, losses: Losses) -> None:
        self._clean = clean
        self._bounds = bounds
        self._losses = losses

    def encode(self, spans: Sequence[ReadableSpan], now_s: float) -> Iterator[Batch]:
        """Yield batches of all spans, in order, each within the bounds but for a single span beyond them."""
        waiting: list[ReadableSpan] = []
        size = 0
        for span in spans:
            clean = self._clean_one(span)
            if clean is None:
                continue
            weight = weigh(clean)
            if waiting and (len(waiting) >= self._bounds.batch_spans or size + weight > self._bounds.batch_bytes):
                yield from self._encode(waiting, now_s)
                waiting, size = [], 0
            waiting.append(clean)
            size += weight
        if waiting:
            yield from self._encode(waiting, now_s)

    def _clean_one(self, span: ReadableSpan) -> ReadableSpan | None:
        try:
            return self._clean(span)
        except Exception as error:  # better lost than sent as it is
            report(error)
            self._losses.note([share_of(span)], UNENCODABLE)
            return None

    def _encode(self, spans: list[ReadableSpan], now_s: float) -> Iterator[Batch]:
        try:
            content = encode_spans(spans).SerializeToString()
        except Exception as error:
            if len(spans) == 1:
                report(error)
                self._losses.note([share_of(spans[0])], UNENCODABLE)
                return
            content = None
        if content is not None and (len(content) <= self._bounds.batch_bytes or len(spans) == 1):
            yield Batch(_compress(content), _merge([share_of(span) for span in spans]), now_s)
            return
        half = len(spans) // 2
        yield from self._encode(spans[:half], now_s)
        yield from self._encode(spans[half:], now_s)


def split(batch: Batch) -> list[Batch]:
    """Return the two halves of a batch, or nothing where it is a single span."""
    request = ExportTraceServiceRequest.FromString(gzip.decompress(batch.body))
    total = sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)
    if total < 2:
        return []
    middle = total // 2
    return [_part(request, range(middle), batch.created_s), _part(request, range(middle, total), batch.created_s)]


def _part(request: ExportTraceServiceRequest, kept: range, created_s: float) -> Batch:
    part = ExportTraceServiceRequest()
    part.CopyFrom(request)
    number, shares = 0, []
    for resource in part.resource_spans:
        for scope in resource.scope_spans:
            spans = [span for position, span in enumerate(scope.spans, number) if position in kept]
            number += len(scope.spans)
            del scope.spans[:]
            scope.spans.extend(spans)
            for span in spans:
                run_ids = [pair.value.string_value for pair in span.attributes if pair.key == semconv.RUN_ID]
                shares.append(Share(int.from_bytes(span.trace_id), run_ids[0] if run_ids and len(run_ids[0]) == 16 else None, 1))
    return Batch(_compress(part.SerializeToString()), _merge(shares), created_s)


def _compress(content: bytes) -> bytes:
    # Level 6 costs twice as much time of the host's processor for a tenth fewer bytes.
    return gzip.compress(content, 3, mtime=0)


def _merge(shares: list[Share]) -> tuple[Share, ...]:
    merged: dict[int, Share] = {}
    for share in shares:
        before = merged.get(share.trace_id)
        merged[share.trace_id] = Share(share.trace_id, before.run_id or share.run_id, before.spans + 1) if before else share
    return tuple(merged.values())
