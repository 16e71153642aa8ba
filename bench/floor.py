"""The floor: the simplest honest span store, a real HTTP server to compare with.

One process: parse (upb), walk every attribute, JSON by orjson, ``executemany`` into SQLite, commit, answer. It keeps its
promises (stored before acknowledged, safe to send again) and does nothing else: no validation, dialects, cost, search,
access control, runs or compression. It is the ceiling of plain Python done simply, not a product.
"""

import argparse
import sqlite3
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

_SCHEMA = """
CREATE TABLE IF NOT EXISTS span (
    trace_id BLOB NOT NULL, span_id BLOB NOT NULL, parent_span_id BLOB, name TEXT NOT NULL, kind INTEGER NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, status INTEGER NOT NULL, service TEXT, agent TEXT, model TEXT,
    session_id TEXT, user_id TEXT, input_tokens INTEGER, output_tokens INTEGER, attributes TEXT NOT NULL, resource TEXT NOT NULL,
    PRIMARY KEY (trace_id, span_id));
CREATE INDEX IF NOT EXISTS span_root ON span (start_ns) WHERE parent_span_id = x'';
CREATE INDEX IF NOT EXISTS span_cost ON span (start_ns, model, input_tokens, output_tokens) WHERE parent_span_id != x'';
CREATE INDEX IF NOT EXISTS span_user ON span (user_id);
"""
_INSERT = f"INSERT OR IGNORE INTO span VALUES ({', '.join('?' * 17)})"
_TRACE = "SELECT hex(span_id), hex(parent_span_id), name, kind, start_ns, end_ns, status, attributes FROM span WHERE trace_id = ?"
_LIST = (
    "SELECT hex(trace_id), name, start_ns, end_ns, status, agent, user_id FROM span "
    "WHERE parent_span_id = x'' ORDER BY start_ns DESC LIMIT 50"
)
_COSTS = (
    "SELECT start_ns / 86400000000000 AS day, model, count(*), sum(input_tokens), sum(output_tokens) FROM span "
    "WHERE model IS NOT NULL AND parent_span_id != x'' GROUP BY day, model"
)

Row = tuple[Any, ...]


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return value.bytes_value.hex()
    return getattr(value, kind) if kind else None


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    # Text first: nearly all attributes are text, and asking which kind is set costs more than looking.
    return {pair.key: pair.value.string_value or _value(pair.value) for pair in pairs}


def rows_of(body: bytes) -> list[Row]:
    """Return the rows of a request."""
    rows: list[Row] = []
    for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        service, resource_json = resource.get("service.name"), orjson.dumps(resource)
        for scope_spans in resource_spans.scope_spans:
            rows += [_row(span, service, resource_json) for span in scope_spans.spans]
    return rows


def _row(span: Span, service: str | None, resource_json: bytes) -> Row:
    attributes = _attributes(span.attributes)
    get = attributes.get
    return (
        span.trace_id, span.span_id, span.parent_span_id, span.name, span.kind, span.start_time_unix_nano, span.end_time_unix_nano,
        span.status.code, service, get("gen_ai.agent.name"), get("gen_ai.request.model"), get("session.id"), get("user.id"),
        get("gen_ai.usage.input_tokens"), get("gen_ai.usage.output_tokens"), orjson.dumps(attributes), resource_json,
    )  # fmt: skip


class Floor:
    """The store: one writing connection behind a lock, a reading one in each thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._local = threading.local()
        self._writer = self._connect()
        self._writer.executescript(_SCHEMA)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    def write(self, rows: list[Row]) -> None:
        """Store rows; they are committed when this returns."""
        with self._lock:
            self._writer.execute("BEGIN")
            self._writer.executemany(_INSERT, rows)
            self._writer.execute("COMMIT")

    def read(self, statement: str, *values: Any) -> list[Row]:
        """Return all rows of a query."""
        if not hasattr(self._local, "connection"):
            self._local.connection = self._connect()
        found: list[Row] = self._local.connection.execute(statement, values).fetchall()
        return found


def _answer_trace(floor: Floor, path: str) -> Any:
    rows = floor.read(_TRACE, bytes.fromhex(path.rsplit("/", 1)[1]))
    return {"span_count": len(rows), "spans": [(*row[:7], orjson.Fragment(row[7])) for row in rows]}


_GET: tuple[tuple[str, Callable[[Floor, str], Any]], ...] = (
    ("/traces/", _answer_trace),
    ("/traces", lambda floor, path: floor.read(_LIST)),
    ("/costs", lambda floor, path: floor.read(_COSTS)),
    ("/readyz", lambda floor, path: {"status": "ok"}),
)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    floor: Floor

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.floor.write(rows_of(body))
        self._answer(200, b"", "application/x-protobuf")

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        for start, answer in _GET:
            if path.startswith(start):
                self._answer(200, orjson.dumps(answer(self.floor, path)), "application/json")
                return
        self._answer(404, b"{}", "application/json")

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def serve(port: int, path: Path) -> None:
    """Serve a store in a file until killed."""
    handler = type("Handler", (_Handler,), {"floor": Floor(path)})
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        server.daemon_threads = True
        server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True)
    asked = parser.parse_args()
    serve(asked.port, asked.file)
