"""The load generator: threads that send ready requests over kept-alive connections, and record every answer's time."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from .client import Answer, Connection
from .payloads import Request

SENDERS = 4
_MOST_RETRIES = 200


class SendingFailed(Exception):
    """A server refused what it should have taken."""


@dataclass(slots=True)
class Sent:
    """What sending came to."""

    spans: int = 0
    ack_ms: list[float] = field(default_factory=list)
    """From the first byte of a request to its success, the retries before it included."""
    retries: int = 0
    """Answers of 503: the store was busy and said when to come again."""
    started: float = 0.0
    """On the clock of ``time.perf_counter``."""
    took_s: float = 0.0
    """From the first byte to the last answer."""

    @property
    def acked_per_s(self) -> float:
        """Return the acknowledged spans a second."""
        return self.spans / self.took_s


class _Sender(threading.Thread):
    """Sends its share of the requests, one after another."""

    def __init__(self, port: int, requests: Sequence[Request], start: threading.Barrier) -> None:
        super().__init__(daemon=True)
        self._connection = Connection(port)
        self._requests = requests
        self._start = start
        self.ack_ms: list[float] = []
        self.retries = 0
        self.failure: Exception | None = None

    def run(self) -> None:
        self._start.wait()
        try:
            for request in self._requests:
                self._send(request)
        except Exception as error:
            # Kept for the thread that waits: it raises it.
            self.failure = error
        finally:
            self._connection.close()

    def _send(self, request: Request) -> None:
        started = time.perf_counter()
        for _ in range(_MOST_RETRIES):
            answer = self._connection.post("/v1/traces", request.body, request.content_type)
            if answer.status != 503:
                break
            self.retries += 1
            time.sleep(min(float(answer.retry_after or 1), 5.0))
        _check(answer, request)
        self.ack_ms.append((time.perf_counter() - started) * 1000)


def _check(answer: Answer, request: Request) -> None:
    if answer.status != 200:
        raise SendingFailed(f"answered {answer.status}: {answer.body[:300]!r}")
    if answer.body and "json" not in request.content_type:
        rejected = ExportTraceServiceResponse.FromString(answer.body).partial_success
        if rejected.rejected_spans:
            raise SendingFailed(f"rejected {rejected.rejected_spans} spans: {rejected.error_message[:300]}")
    if b"rejectedSpans" in answer.body:
        raise SendingFailed(f"answered {answer.body[:300]!r}")


def send(port: int, requests: Sequence[Request], senders: int = SENDERS) -> Sent:
    """Send all requests, dealt out to so many senders. Raises ``SendingFailed`` where one is not taken."""
    start = threading.Barrier(senders + 1)
    threads = [_Sender(port, requests[place::senders], start) for place in range(senders)]
    for thread in threads:
        thread.start()
    start.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    took_s = time.perf_counter() - started
    for thread in threads:
        if thread.failure is not None:
            raise thread.failure
    return Sent(
        spans=sum(request.spans for request in requests),
        ack_ms=[ack for thread in threads for ack in thread.ack_ms],
        retries=sum(thread.retries for thread in threads),
        started=started,
        took_s=took_s,
    )
