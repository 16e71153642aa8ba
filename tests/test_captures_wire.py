"""Every capture, sent over each of OTLP's encodings to a running Clew and asked back from its API, reads as what was driven."""

import base64
import gzip
import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from .capture_facts import facts
from .test_ingest_dialects_captures import CAPTURES, NAMES
from .test_webui_cli_up import Up, running

Sender = Callable[[Up, str, Message], None]
"""Sends a traces or logs request; raises where it is not taken whole."""

_MESSAGES: dict[str, Any] = {"traces": ExportTraceServiceRequest, "logs": ExportLogsServiceRequest}


def requests_of(name: str) -> Iterator[tuple[str, Message]]:
    """Yield a capture's requests as protobuf messages, whatever they were recorded as."""
    folder = CAPTURES / name
    for request in json.loads((folder / "requests.json").read_text()):
        signal = request["path"].rstrip("/").rsplit("/", 1)[-1]
        kind = _MESSAGES.get(signal)
        if kind is None:
            continue
        body = (folder / request["file"]).read_bytes()
        body = gzip.decompress(body) if request.get("content_encoding") == "gzip" else body
        yield f"/v1/{signal}", _from_json(body) if "json" in request["content_type"] else kind.FromString(body)


def _from_json(body: bytes) -> Message:
    """Read OTLP/JSON by protobuf's own parser, which wants ids in base64."""
    from_hex = {"traceId", "spanId", "parentSpanId"}

    def mend(value: Any) -> Any:
        if isinstance(value, list):
            return [mend(one) for one in value]
        if isinstance(value, dict):
            return {k: base64.b64encode(bytes.fromhex(v)).decode() if k in from_hex else mend(v) for k, v in value.items()}
        return value

    return ParseDict(mend(json.loads(body)), ExportTraceServiceRequest(), ignore_unknown_fields=True)


def send_protobuf(up: Up, path: str, message: Message) -> None:
    """Send over HTTP as protobuf, compressed."""
    _post(up, path, gzip.compress(message.SerializeToString()), {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"})


def send_json(up: Up, path: str, message: Message) -> None:
    """Send over HTTP as OTLP/JSON, written by protobuf's own encoder with its ids turned into hex."""
    from_base64 = {"traceId", "spanId", "parentSpanId"}

    def mend(value: Any) -> Any:
        if isinstance(value, list):
            return [mend(one) for one in value]
        if isinstance(value, dict):
            return {k: base64.b64decode(v).hex() if k in from_base64 else mend(v) for k, v in value.items()}
        return value

    body = json.dumps(mend(MessageToDict(message, use_integers_for_enums=True)))
    _post(up, path, body.encode(), {"Content-Type": "application/json"})


def send_grpc(up: Up, path: str, message: Message) -> None:
    """Send over gRPC."""
    stub = TraceServiceStub if path == "/v1/traces" else LogsServiceStub
    with grpc.insecure_channel(up.address("otlp-grpc")) as channel:
        stub(channel).Export(message, timeout=20)


def _post(up: Up, path: str, body: bytes, headers: dict[str, str]) -> None:
    with urllib.request.urlopen(urllib.request.Request(up.address("otlp-http") + path, body, headers), timeout=20) as answer:
        assert answer.status == 200


def _get(up: Up, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(up.address("web") + path, timeout=20) as answer:
        found: dict[str, Any] = json.loads(answer.read())
    return found


def trace_ids(name: str) -> list[str]:
    """Return the traces of a capture."""
    found = {}
    for path, message in requests_of(name):
        if path == "/v1/traces":
            spans = otlp_spans(message)
            found.update(dict.fromkeys(span.trace_id.hex() for span in spans))
    return list(found)


def otlp_spans(message: Any) -> Iterator[Any]:
    """Yield the spans of a request."""
    for resource in message.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans


@pytest.mark.parametrize("send", [send_protobuf, send_json, send_grpc], ids=["HTTP protobuf", "HTTP JSON", "gRPC"])
def test_captures_read_as_driven_over_every_encoding(send: Sender, tmp_path: Path) -> None:
    """All facts of all captures hold, whatever they were sent over."""
    asked, wrong = 0, []
    with running(tmp_path) as up:
        for name in NAMES:
            for path, message in requests_of(name):
                send(up, path, message)
            expect, gaps = (json.loads((CAPTURES / f"{name}.{part}.json").read_text()) for part in ("expect", "gaps"))
            traces = [_get(up, f"/api/v1/traces/{trace_id}") for trace_id in trace_ids(name)]
            for what, driven, said in facts(expect, gaps, traces):
                asked += 1
                if driven != said:
                    wrong.append(f"{name}: {what}: {driven} != {said}")
    print(f"{asked - len(wrong)} of {asked} facts")
    assert wrong == []
    assert asked > 600
