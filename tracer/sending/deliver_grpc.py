"""OTLP over gRPC. A module of its own because gRPC takes long to import."""

import gzip
from typing import Any, cast
from urllib.parse import urlsplit

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # it has no types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # it has no types
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from ..settings import Endpoint
from .deliver import USER_AGENT, Answer

_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_LARGEST_ANSWER_BYTES = 4 << 20

_RETRIED = frozenset({
    grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.ABORTED, grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DATA_LOSS,
})  # fmt: skip

_ABSENT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
"""What the client itself says where nobody answers."""


class GrpcSender:
    """Sends requests over one channel. gRPC's own retries are off: there is one place that retries."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._metadata = tuple(endpoint.headers.items())
        self._channel: grpc.Channel | None = None

    def send(self, body: bytes, timeout_s: float) -> Answer:
        """Send a gzipped request and wait for the answer, at most so long."""
        try:
            if self._channel is None:
                self._channel = self._open()
            call: Any = self._channel.unary_unary(_METHOD)
            answer = call(gzip.decompress(body), timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            return _judge(cast(grpc.Call, error))
        except (OSError, ValueError) as error:
            self.close()
            return Answer("later", type(error).__name__, is_absent=True)
        return Answer("taken", "OK", rejected=_rejected_spans(answer))

    def interrupt(self) -> None:
        """End a request under way in another thread, and all that follow."""
        channel = self._channel
        if channel is not None:
            channel.close()

    def close(self) -> None:
        """Close the channel; the next request opens another one."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def forget(self) -> None:
        """Leave the channel to the process that this one was forked from: its threads are not here to close it."""
        self._channel = None

    def _open(self) -> grpc.Channel:
        parts = urlsplit(self._endpoint.url)
        target = f"{parts.hostname}:{parts.port or 4317}"
        options = [
            ("grpc.primary_user_agent", USER_AGENT),
            ("grpc.enable_retries", 0),
            ("grpc.max_receive_message_length", _LARGEST_ANSWER_BYTES),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 5_000),
        ]
        compression = grpc.Compression.Gzip if self._endpoint.gzip else grpc.Compression.NoCompression
        if parts.scheme == "http":
            return grpc.insecure_channel(target, options, compression)
        return grpc.secure_channel(target, self._credentials(), options, compression)

    def _credentials(self) -> grpc.ChannelCredentials:
        paths = (self._endpoint.certificate, self._endpoint.client_key, self._endpoint.client_certificate)
        return grpc.ssl_channel_credentials(*(_content_of(path) for path in paths))


def _content_of(path: str | None) -> bytes | None:
    if path is None:
        return None
    with open(path, "rb") as file:
        return file.read()


def _judge(call: grpc.Call) -> Answer:
    code = call.code()
    told = code.name
    wait_s = _retry_delay_s(call)
    if code in _RETRIED or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and wait_s is not None):
        return Answer("later", told, wait_s, is_absent=code in _ABSENT and wait_s is None)
    is_unfit = code in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INVALID_ARGUMENT)
    return Answer("unfit" if is_unfit else "refused", told)


def _retry_delay_s(call: grpc.Call) -> float | None:
    details = dict(call.trailing_metadata() or ()).get("grpc-status-details-bin")
    if not isinstance(details, bytes):
        return None
    try:
        for detail in Status.FromString(details).details:
            info = RetryInfo()
            if detail.Unpack(info):
                return max(0.0, float(info.retry_delay.seconds + info.retry_delay.nanos / 1e9))
    except DecodeError:
        return None
    return None


def _rejected_spans(answer: bytes) -> int:
    try:
        return max(0, ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans)
    except DecodeError:
        return 0
