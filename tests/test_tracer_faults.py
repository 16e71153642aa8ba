"""The real pipeline, over real connections, against backends that fail in every way: nothing lost, nothing blocked, nothing in plain."""

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # it has no types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # it has no types
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from ingest.budget import Overloaded
from ingest.otlp.export import Outcome
from ingest.otlp.protobuf import decode_traces
from tracer.privacy.clean import Cleaner
from tracer.privacy.redact import Redaction
from tracer.recording.beside import Traces
from tracer.sending.courier import Clocks, Courier
from tracer.sending.deliver import make_sender
from tracer.sending.deliver_http import HttpSender
from tracer.sending.encode import Encoder
from tracer.sending.loss import Losses
from tracer.sending.pipeline import Parts, Pipeline
from tracer.sending.queue import SpanQueue
from tracer.sending.sampling import HeadSampler, Sampler
from tracer.sending.spool import Spool
from tracer.settings import Bounds, Endpoint, Sampling

from .otlp_backend import OK, Reply, attributes_of, backend, free_port, replies
from .otlp_servers import Setup, grpc_receiver, http_receiver
from .secrets_corpus import positives

GZIPPED = gzip.compress(ExportTraceServiceRequest().SerializeToString())

DEFAULTS = Bounds()


@dataclass
class Host:
    """A pipeline with its thread, as ``configure`` makes it, and a tracer in front of it."""

    url: str
    bounds: Bounds = DEFAULTS
    timeout_s: float = 10.0
    spool: Path | None = None
    protocol: Any = "http/protobuf"
    losses: Losses = field(default_factory=Losses)

    def __enter__(self) -> "Host":
        endpoint = Endpoint(self.url if self.protocol == "grpc" else f"{self.url}/v1/traces", self.protocol, {"authorization": "Bearer k"})
        bounds = self.bounds
        spool = Spool(str(self.spool), (bounds.spool_bytes, bounds.spool_age_s), self.losses) if self.spool else None
        self.courier = Courier(make_sender(endpoint), self.losses, (bounds.outbox_bytes, self.timeout_s), spool, Clocks())
        self.pipeline = Pipeline(
            Parts(
                queue=SpanQueue(bounds, self.losses),
                sampler=Sampler(Sampling()),
                encoder=Encoder(Cleaner(Redaction(["personal"]), True, 65_536, bounds.batch_bytes), bounds, self.losses),
                courier=self.courier,
                losses=self.losses,
                traces=Traces(),
                resource=Resource({}),
                scope=InstrumentationScope("clew"),
            )
        )
        provider = TracerProvider(HeadSampler(), Resource({"service.name": "host"}), shutdown_on_exit=False)
        provider.add_span_processor(self.pipeline)
        self.tracer = provider.get_tracer("host")
        return self

    def __exit__(self, *error: object) -> None:
        self.pipeline.close(5.0)

    def record(self, count: int, begin: int = 0, **attributes: Any) -> None:
        """Record spans named by number."""
        for number in range(begin, begin + count):
            self.tracer.start_span(f"s{number}", attributes=attributes).end()


def numbers(count: int) -> list[str]:
    return sorted(f"s{number}" for number in range(count))


FAULTS: dict[str, Callable[[int], Reply]] = {
    "502": replies([Reply(502)] * 3),
    "503 with Retry-After": replies([Reply(503, (("Retry-After", "1"),))] * 2),
    "504": replies([Reply(504)] * 2),
    "429 with Retry-After": replies([Reply(429, (("Retry-After", "1"),))] * 2),
    "429 with a date": replies([Reply(429, (("Retry-After", "Wed, 21 Oct 2015 07:28:10 GMT"),))] * 2),
    "reset in the middle": replies([Reply(reset=True)] * 3),
    "closed without an answer": replies([Reply(drop=True)] * 3),
    "slow": lambda number: Reply(hang_s=0.2),
    "slower than the timeout": replies([Reply(hang_s=30)]),
    "every other request fails": lambda number: OK if number % 2 else Reply(503),
    "closes each connection": lambda number: Reply(headers=(("Connection", "close"),)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_passes_loses_nothing(fault: str) -> None:
    """Every span arrives, and each batch once more at the most."""
    with backend(FAULTS[fault]) as running, Host(running.url, Bounds(batch_spans=50), timeout_s=1.0) as host:
        host.record(200)
        assert host.pipeline.flush(30)
        assert sorted(set(running.names())) == numbers(200)
        assert host.losses.total == 0
        assert all("authorization: bearer k" in head.lower() for head in running.heads)


def test_retry_after_keeps_away() -> None:
    """The second request comes after the time asked for, flush or not."""
    with backend(replies([Reply(503, (("Retry-After", "1"),))])) as running, Host(running.url) as host:
        host.record(1)
        assert host.pipeline.flush(20)
        assert running.times[1] - running.times[0] >= 1.0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 415, 500, 501, 301, 307])
def test_what_does_not_pass_is_counted_and_not_retried(status: int) -> None:
    """Redirects included: a key does not go where an answer points to."""
    redirect = (("Location", "http://127.0.0.1:1/v1/traces"),)
    with backend(replies([Reply(status, redirect)])) as running, Host(running.url) as host:
        host.record(1)
        assert host.pipeline.flush(10)
        assert len(running.heads) <= 2
        assert host.losses.by_reason == {"refused": 1}


def test_a_backend_that_is_not_there_yet() -> None:
    """Refused connections, then a backend on the same port."""
    port = free_port()
    with Host(f"http://127.0.0.1:{port}") as host:
        host.record(20)
        assert not host.pipeline.flush(0.5)
        with backend(port=port) as running:
            assert host.pipeline.flush(40)
            assert sorted(running.names()) == numbers(20)
    assert host.losses.total == 0


def test_a_backend_that_restarts() -> None:
    """The kept connection is dead; the request goes over a new one."""
    port = free_port()
    with Host(f"http://127.0.0.1:{port}") as host:
        names: list[str] = []
        for number in range(3):
            with backend(port=port) as running:
                host.record(1, number)
                assert host.pipeline.flush(40)
                names += running.names()
        assert sorted(set(names)) == numbers(3)


def test_an_endless_answer_is_cut() -> None:
    """Four MiB are read, no more, and the next request works."""
    with backend(lambda number: Reply(endless=True) if number == 0 else OK) as running:
        sender = HttpSender(Endpoint(f"{running.url}/v1/traces"))
        assert [sender.send(GZIPPED, 10.0).verdict for _ in range(2)] == ["taken", "taken"]
        sender.close()


def test_an_answer_that_drips_is_not_waited_for() -> None:
    """The time is for the whole request, not for each of its bytes."""
    served = threading.Event()

    def drip(connection: Any) -> None:
        connection.recv(1 << 16)
        while not served.wait(0.05):
            try:
                connection.sendall(b"H")
            except OSError:
                return

    with _server(drip) as port:
        sender = HttpSender(Endpoint(f"http://127.0.0.1:{port}/v1/traces"))
        began = time.monotonic()
        answer = sender.send(GZIPPED, 0.5)
        assert (answer.verdict, answer.told) == ("later", "timed out")
        assert time.monotonic() - began < 5
        served.set()
        sender.close()


@pytest.mark.parametrize(
    "answer",
    [b"", b"garbage\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"\0" * 100,
     b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500 + b"\r\n"],
)  # fmt: skip
def test_an_answer_that_is_none(answer: bytes) -> None:
    """Whatever speaks there, nothing is raised."""

    def speak(connection: Any) -> None:
        connection.recv(1 << 16)
        connection.sendall(answer)

    with _server(speak) as port:
        sender = HttpSender(Endpoint(f"http://127.0.0.1:{port}/v1/traces"))
        assert sender.send(GZIPPED, 2.0).verdict in ("later", "taken")
        sender.close()


@contextmanager
def _server(speak: Callable[[Any], None]) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    stopping = threading.Event()

    def accept() -> None:
        while not stopping.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(5)
                speak(connection)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stopping.set()
        thread.join(10)
        listener.close()


def test_a_partial_success_is_read() -> None:
    """And counted."""
    body = ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(rejected_spans=3, error_message="no")).SerializeToString()
    with backend(replies([Reply(body=body)])) as running, Host(running.url) as host:
        host.record(10)
        assert host.pipeline.flush(10)
        assert host.losses.by_reason == {"refused": 3}
        assert len(running.raw) == 1


def test_an_oversized_span_takes_nobody_with_it() -> None:
    """It goes alone and cut to its bound; what the backend still refuses is lost alone."""

    def script(number: int) -> Reply:
        return OK

    with backend(script) as running, Host(running.url, Bounds(batch_bytes=200_000)) as host:
        host.record(5)
        host.tracer.start_span("huge", attributes={f"v{number}": "x" * 60_000 for number in range(60)}).end()
        host.record(5, 5)
        assert host.pipeline.flush(20)
        assert sorted(running.names()) == sorted([*numbers(10), "huge"])
        [huge] = [span for span in running.spans if span.name == "huge"]
        assert attributes_of(huge)["clew.content.truncated"] is True
        assert len(huge.SerializeToString()) < 250_000


def test_recording_never_waits_for_a_backend_that_hangs() -> None:
    """Ten thousand spans into a backend that answers nobody: the host's thread is not held up, and the queue stays bounded."""
    bounds = Bounds(queue_spans=2_000, queue_bytes=4 << 20)
    with backend(lambda number: Reply(hang_s=60)) as running, Host(running.url, bounds, timeout_s=30.0) as host:
        host.record(1)
        assert running.wait_for(lambda one: len(one.heads) == 1)
        host.record(10_000, text="x" * 500)
        assert len(running.heads) == 1, "all of it was recorded during the one request"
        queue = host.pipeline._parts.queue
        assert len(queue) <= 2_000 and queue.bytes <= 4 << 20
        assert host.losses.by_reason["queue_full"] >= 8_000
        running.stopping.set()


# --- nothing in plain ---------------------------------------------------------------------------------------------


def _secrets() -> list[bytes]:
    secrets = [secret for one in positives() for secret in one.secrets]
    return [line.encode() for secret in secrets for line in secret.split("\n") if not line.startswith("-----")]


def _record_secrets(host: Host) -> None:
    for one in positives():
        span = host.tracer.start_span(f"call {one.text}"[:1_000], attributes={"plain": one.text, "json": json.dumps({"a": [one.text]})})
        span.add_event("event", {"exception.message": one.text})
        span.end()


def test_nothing_plain_is_on_the_wire() -> None:
    """The bytes as they came, inflated: no secret of the corpus is among them."""
    with backend() as running, Host(running.url) as host:
        _record_secrets(host)
        assert host.pipeline.flush(60)
        wire = b"".join(gzip.decompress(body) for body in running.raw)
    assert len(running.spans) == len(positives())
    assert [secret for secret in _secrets() if secret in wire] == []


def test_nothing_plain_is_in_the_spool(tmp_path: Path) -> None:
    """What waits on disk is what would have been sent."""
    with Host(f"http://127.0.0.1:{free_port()}", spool=tmp_path) as host:
        _record_secrets(host)
        host.pipeline.flush(3)
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    with Host("http://127.0.0.1:1", spool=tmp_path) as other:
        spool = other.courier._spool
        assert spool is not None
        bodies = []
        while (batch := spool.first(time.time())) is not None:
            bodies.append(gzip.decompress(batch.body))
            spool.drop_first()
    plain = content + b"".join(bodies)
    assert sum(len(body) for body in bodies) > 50_000
    assert [secret for secret in _secrets() if secret in plain] == []


# --- gRPC ---------------------------------------------------------------------------------------------------------


GrpcScript = Callable[[int], tuple[grpc.StatusCode, float | None] | None]
"""Takes the number of a request and returns what it is refused with and the delay told; None takes it."""


@dataclass
class GrpcBackend:
    """A gRPC backend that does what a script says: aborts with what the script returns, or takes the request."""

    script: GrpcScript
    requests: list[ExportTraceServiceRequest] = field(default_factory=list)
    metadata: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    port: int = 0

    def export(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Answer a request."""
        number = len(self.times)
        self.times.append(time.monotonic())
        self.metadata.append(dict(context.invocation_metadata()))
        refusal = self.script(number)
        if refusal is not None:
            code, delay_s = refusal
            if delay_s is not None:
                status = Status(code=code.value[0])
                status.details.add().Pack(RetryInfo(retry_delay=Duration(nanos=int(delay_s * 1e9) % 10**9, seconds=int(delay_s))))
                context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            context.abort(code, "no")
        self.requests.append(ExportTraceServiceRequest.FromString(request))
        return b""

    def names(self) -> list[str]:
        """Return the names of the spans taken."""
        return [span.name for one in self.requests for entry in one.resource_spans for scope in entry.scope_spans for span in scope.spans]


@contextmanager
def grpc_backend(script: GrpcScript = lambda number: None, port: int = 0) -> Iterator[GrpcBackend]:
    """Run a gRPC backend, and stop it at the end."""
    running = GrpcBackend(script)
    server = grpc.server(futures.ThreadPoolExecutor(4))
    handlers: Any = {"Export": grpc.unary_unary_rpc_method_handler(running.export)}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("opentelemetry.proto.collector.trace.v1.TraceService", handlers),)
    )
    running.port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield running
    finally:
        server.stop(None).wait(10)


def grpc_host(port: int, **options: Any) -> Host:
    """Make a host that sends over gRPC."""
    return Host(f"http://127.0.0.1:{port}", protocol="grpc", **options)


@pytest.mark.parametrize(
    "script",
    [
        lambda number: None,
        lambda number: (grpc.StatusCode.UNAVAILABLE, None) if number < 2 else None,
        lambda number: (grpc.StatusCode.RESOURCE_EXHAUSTED, 0.2) if number < 2 else None,
        lambda number: (grpc.StatusCode.ABORTED, None) if number < 1 else None,
    ],
    ids=["well", "unavailable", "exhausted with a delay", "aborted"],
)
def test_grpc_what_passes_loses_nothing(script: Any) -> None:
    """Every span arrives, with the key as metadata."""
    with grpc_backend(script) as running, grpc_host(running.port, bounds=Bounds(batch_spans=50)) as host:
        host.record(120)
        assert host.pipeline.flush(30)
        assert sorted(running.names()) == numbers(120)
        assert running.metadata[0]["authorization"] == "Bearer k"
        assert host.losses.total == 0


def test_grpc_retry_info_keeps_away() -> None:
    """The delay that the server asks for is waited for."""
    script: GrpcScript = lambda number: (grpc.StatusCode.UNAVAILABLE, 1.0) if number == 0 else None  # noqa: E731  # as the others
    with grpc_backend(script) as running, grpc_host(running.port) as host:
        host.record(1)
        assert host.pipeline.flush(20)
        assert running.times[1] - running.times[0] >= 1.0


@pytest.mark.parametrize("name", ["UNAUTHENTICATED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNKNOWN"])
def test_grpc_what_does_not_pass_is_counted(name: str) -> None:
    """And not retried."""
    code = grpc.StatusCode[name]
    script: GrpcScript = lambda number: (code, None) if number == 0 else None  # noqa: E731  # as the others
    with grpc_backend(script) as running, grpc_host(running.port) as host:
        host.record(1)
        assert host.pipeline.flush(20)
        assert host.losses.by_reason == {"refused": 1}
        assert len(running.times) == 1


def test_grpc_a_backend_that_is_not_there_yet() -> None:
    """Refused connections, then a backend on the same port."""
    port = free_port()
    with grpc_host(port, timeout_s=2.0) as host:
        host.record(5)
        assert not host.pipeline.flush(0.5)
        with grpc_backend(port=port) as running:
            assert host.pipeline.flush(40)
            assert sorted(running.names()) == numbers(5)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_our_own_receivers_take_it(protocol: str) -> None:
    """Busy at first, over either protocol."""
    setup = Setup(outcome=Overloaded("Busy."))
    receive = grpc_receiver if protocol == "grpc" else http_receiver
    with receive(setup) as running, Host(f"http://127.0.0.1:{running.port}", protocol=protocol) as host:
        host.record(30)
        assert not host.pipeline.flush(0.5)
        setup.outcome = Outcome()
        assert host.pipeline.flush(30)
        taken = setup.taken[-1]
    body = gzip.decompress(taken.body) if taken.gzipped else taken.body
    assert sorted(span.name for span in decode_traces(body, 0).spans) == numbers(30)


# --- kill -9 ------------------------------------------------------------------------------------------------------

_HOST = """
import sys, time
from tracer.recording import active
from tracer.configure import configure
spool = sys.argv[2] if len(sys.argv) > 2 else None
configure(endpoint=sys.argv[1], spool=spool)
number = 0
while True:
    active.current().tracer.start_span(f"s{number}").end()
    print(number, time.monotonic(), flush=True)
    number += 1
    time.sleep(0.005)
"""


def _kill_after(seconds_of_work: int, *arguments: str) -> list[tuple[int, float]]:
    """Run a host that records 200 spans a second, kill it, and return the numbers and times of what it recorded."""
    child = subprocess.Popen([sys.executable, "-c", _HOST, *arguments], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(seconds_of_work * 100)]
    os.kill(child.pid, signal.SIGKILL)
    lines += child.communicate()[0].splitlines()
    return [(int(number), float(at_s)) for number, at_s in (line.split() for line in lines if len(line.split()) == 2)]


def test_kill_9_loses_only_what_was_not_flushed() -> None:
    """The window is what was recorded since the last request, and that is sent about every second."""
    with backend() as running:
        recorded = _kill_after(4, running.url)
        arrived = set(running.names())
        last_request_s = running.times[-1]
    lost = [(number, at_s) for number, at_s in recorded if f"s{number}" not in arrived]
    # A second to gather, and what the machine makes of it.
    assert all(at_s > last_request_s - 1.0 for _, at_s in lost)
    assert len(lost) < len(recorded)
    waits = [after - before for before, after in zip(running.times, running.times[1:], strict=False)]
    assert sorted(waits)[len(waits) // 2] < 3.0


def test_kill_9_with_a_spool_while_the_backend_is_away(tmp_path: Path) -> None:
    """What was looked at is on disk, and the next process delivers it."""
    recorded = _kill_after(4, f"http://127.0.0.1:{free_port()}", str(tmp_path))
    with backend() as running:
        with Host(running.url, spool=tmp_path) as host:
            assert host.pipeline.flush(20)
        arrived = {int(name[1:]) for name in running.names()}
    assert arrived == set(range(len(arrived)))
    assert len(arrived) > len(recorded) // 3


