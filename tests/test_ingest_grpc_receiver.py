"""The gRPC receiver, through real channels: the same answers as over HTTP, in gRPC's words."""

import asyncio
import gzip
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, RetryInfo  # type: ignore[import-untyped]  # comes without types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # likewise
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from ingest.budget import Overloaded
from ingest.grpc_receiver import GrpcReceiver
from ingest.otlp.decoded import TooLarge, Undecodable
from ingest.otlp.export import Export, Outcome
from ingest.otlp.inflate import inflate
from ingest.otlp.protobuf import decode_traces
from ingest.store.engine import StoreBusy

from .otlp_builders import NOW, logs, pb_log, pb_span, traces
from .otlp_servers import LIMIT, Running, Setup, grpc_receiver, one_key

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
BODY = traces(pb_span()).SerializeToString()


@pytest.fixture
def setup() -> Setup:
    """What stands behind the receiver."""
    return Setup()


@pytest.fixture
def running(setup: Setup) -> Iterator[Running]:
    """Run the receiver."""
    with grpc_receiver(setup) as served:
        yield served


def method_of(channel: grpc.Channel, method: str) -> "grpc.UnaryUnaryMultiCallable[bytes, bytes]":
    """Return a method that takes and gives bytes."""
    return channel.unary_unary(method, bytes, bytes)


def call(running: Running, method: str = TRACES, body: bytes = BODY, **options: Any) -> bytes:
    """Send one message and return the answer; raises ``grpc.RpcError``."""
    with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:
        return method_of(channel, method)(body, timeout=10, **options)


def refused(running: Running, method: str = TRACES, body: bytes = BODY, **options: Any) -> tuple[grpc.StatusCode, Any]:
    """Send one message that must be refused; return the code and the google.rpc.Status."""
    with pytest.raises(grpc.RpcError) as caught:
        call(running, method, body, **options)
    error: Any = caught.value
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    return error.code(), None if details is None else Status.FromString(details)


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_the_sdks_exporter(setup: Setup, running: Running, compression: grpc.Compression) -> None:
    """Spans of the real exporter arrive, compressed or not."""
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{running.port}", insecure=True, compression=compression)
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("t").start_as_current_span("hello") as span:
        # Small messages are not worth compressing to gRPC.
        span.set_attribute("text", "again and again " * 1000)
    provider.shutdown()

    (export,) = setup.taken
    assert export.gzipped is (compression is grpc.Compression.Gzip)
    body = inflate(export.body, LIMIT) if export.gzipped else export.body
    assert [span.name for span in decode_traces(body, NOW).spans] == ["hello"]


def test_traces_and_logs(setup: Setup, running: Running) -> None:
    """Each service is its own signal; success says nothing."""
    said = logs(pb_log()).SerializeToString()

    assert call(running) == b""
    assert call(running, LOGS, said) == b""
    assert call(running, TRACES, b"") == b""
    assert setup.taken == [Export("traces", 1, BODY), Export("logs", 1, said), Export("traces", 1, b"")]


def test_metrics_are_unimplemented(running: Running) -> None:
    """What is not taken is said so."""
    assert refused(running, "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export")[0] is grpc.StatusCode.UNIMPLEMENTED


def test_partial_success(setup: Setup, running: Running) -> None:
    """What was rejected is counted and explained."""
    setup.outcome = Outcome(3, "why")

    some = ExportTraceServiceResponse.FromString(call(running)).partial_success
    assert (some.rejected_spans, some.error_message) == (3, "why")
    less = ExportLogsServiceResponse.FromString(call(running, LOGS)).partial_success
    assert (less.rejected_log_records, less.error_message) == (3, "why")


@pytest.mark.parametrize("error", [StoreBusy("secret/path is locked"), Overloaded("Too much.")])
def test_what_may_be_sent_again_says_when(setup: Setup, running: Running, error: Exception) -> None:
    """UNAVAILABLE comes with RetryInfo."""
    setup.outcome = error
    code, status = refused(running)
    detail = RetryInfo()

    assert code is grpc.StatusCode.UNAVAILABLE
    assert status.code == 14
    assert status.details[0].Unpack(detail)
    assert detail.retry_delay.seconds == 2
    assert "secret" not in status.message


def test_bad_data(setup: Setup, running: Running) -> None:
    """INVALID_ARGUMENT comes with BadRequest."""
    setup.outcome = Undecodable("It is wrong.")
    code, status = refused(running)
    detail = BadRequest()

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert status.details[0].Unpack(detail)
    assert detail.field_violations[0].description == "It is wrong."


@pytest.mark.parametrize(
    ("error", "code"), [(TooLarge("It is too large."), grpc.StatusCode.RESOURCE_EXHAUSTED), (RuntimeError("x"), grpc.StatusCode.INTERNAL)]
)
def test_what_may_not_be_sent_again_does_not_say_when(setup: Setup, running: Running, error: Exception, code: grpc.StatusCode) -> None:
    """RESOURCE_EXHAUSTED is final without RetryInfo."""
    setup.outcome = error
    found, status = refused(running)

    assert found is code
    assert list(status.details) == []


def test_the_largest_message(setup: Setup, running: Running) -> None:
    """A message of just the limit is taken, one byte more is refused for good."""
    assert call(running, body=b"a" * LIMIT) == b""
    code, status = refused(running, body=b"a" * (LIMIT + 1))

    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert status is None or list(status.details) == []


def test_a_bomb_arrives_as_it_is(setup: Setup, running: Running) -> None:
    """Nothing is inflated by gRPC: a small message that holds far more than is allowed is handed on small."""
    bomb = b"a" * (64 * LIMIT)
    with grpc.insecure_channel(f"127.0.0.1:{running.port}", options=[("grpc.max_send_message_length", -1)]) as channel:
        method_of(channel, TRACES)(bomb, timeout=30, compression=grpc.Compression.Gzip)

    (export,) = setup.taken
    assert export.gzipped
    assert len(export.body) < LIMIT // 10
    with pytest.raises(TooLarge):
        inflate(export.body, LIMIT)


def test_messages_together_are_bounded(setup: Setup, running: Running) -> None:
    """HTTP and gRPC have one budget."""
    setup.budget.reserve(4 * LIMIT - 10)

    assert refused(running)[0] is grpc.StatusCode.UNAVAILABLE
    assert setup.taken == []


@pytest.mark.parametrize("metadata", [(("authorization", "Bearer clew_good"),), (("x-clew-key", "clew_good"), ("odd-bin", b"\xff"))])
def test_keys(setup: Setup, metadata: Any) -> None:
    """A key comes in the metadata and opens its own project."""
    setup.authenticate = one_key
    with grpc_receiver(setup) as running:
        call(running, metadata=metadata)
    assert setup.taken[0].project_id == 7


def test_without_a_key_the_message_is_not_read(setup: Setup) -> None:
    """UNAUTHENTICATED is answered before anything was sent."""
    setup.authenticate = one_key
    with grpc_receiver(setup) as running, grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:

        def never() -> Iterator[bytes]:
            waiting = threading.Event()
            waiting.wait(10)
            yield b""

        with pytest.raises(grpc.RpcError) as caught:
            channel.stream_unary(TRACES, bytes, bytes)(never(), timeout=5, metadata=(("authorization", "Bearer clew_bad"),))
        error: Any = caught.value
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert setup.taken == []


def test_gzip_of_other_senders(setup: Setup, running: Running) -> None:
    """A message that its sender compressed itself is told by its first bytes."""
    call(running, body=gzip.compress(BODY))

    assert setup.taken[0].gzipped


def test_deflate_is_refused(setup: Setup, running: Running) -> None:
    """Compression other than gzip is not understood, and its sender is told so."""
    assert refused(running, body=b"a" * 10_000, compression=grpc.Compression.Deflate)[0] is grpc.StatusCode.UNIMPLEMENTED
    assert setup.taken == []


def test_a_port_in_use_is_said_in_one_sentence(setup: Setup, running: Running) -> None:
    """A second receiver on one port does not start."""
    second = GrpcReceiver(setup.take, None, setup.budget, setup.limits)

    async def bind() -> None:
        second.serve("127.0.0.1", running.port)

    with pytest.raises(OSError, match=f"^Cannot listen on 127.0.0.1 port {running.port}: Address already in use.$"):
        asyncio.run(bind())
