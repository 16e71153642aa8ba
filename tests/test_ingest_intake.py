"""The intake and the whole ingest process: what is answered as stored is stored."""

import asyncio
import gzip
import json
import multiprocessing
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import grpc
import pytest

from ingest.budget import Overloaded
from ingest.intake import Intake, prepare_export
from ingest.keyring import KNOWN_S, Keyring
from ingest.otlp.decoded import TooLarge, Undecodable
from ingest.otlp.encode import encode_traces_json
from ingest.otlp.export import Export, Outcome
from ingest.otlp.protobuf import decode_traces
from ingest.serve import serve
from ingest.settings import Settings
from ingest.store.access import create_key
from ingest.store.engine import Store, StoreBusy, open_store
from ingest.store.prepare import Prepared
from ingest.store.reader import read_spans
from ingest.store.writer import Writer

from .builders import TRACE_ID, span_id
from .otlp_builders import NOW, logs, pb_log, pb_span, traces

LIMIT = 1 << 20
BODY = traces(pb_span(1), pb_span(2, parent_span_id=span_id(1))).SerializeToString()


class ListWriter(Writer):
    """A writer into a list, which settles what it is given with ``error``."""

    def __init__(self, error: Exception | None = None) -> None:
        self.batches: list[Prepared] = []
        self._error = error

    def submit(self, batch: Prepared) -> "Future[None]":
        """Keep a batch."""
        self.batches.append(batch)
        future: Future[None] = Future()
        if self._error is None:
            future.set_result(None)
        else:
            future.set_exception(self._error)
        return future


def take(export: Export, writer: Writer, cores: int = 1) -> Outcome:
    """Take one request in."""
    intake = Intake(writer, LIMIT, cores)
    try:
        return asyncio.run(intake.take(export))
    finally:
        intake.close()


# --- the intake ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cores", [1, 4])
def test_a_request_is_stored_before_it_is_answered(cores: int) -> None:
    """In threads on small machines and in processes on larger ones alike."""
    writer = ListWriter()

    assert take(Export("traces", 3, gzip.compress(BODY), gzipped=True), writer, cores) == Outcome()
    (batch,) = writer.batches
    assert (batch.project_id, batch.span_count) == (3, 2)


def test_both_encodings_are_stored_alike() -> None:
    """JSON and protobuf of one request become the same rows, so that a repetition in the other encoding changes nothing."""
    as_json = json.dumps(encode_traces_json(decode_traces(BODY, NOW).spans)).encode()
    one = prepare_export(Export("traces", 1, BODY), LIMIT, NOW)
    other = prepare_export(Export("traces", 1, as_json, is_json=True), LIMIT, NOW)

    assert one.batch is not None
    assert other.batch is not None
    assert one.batch.traces == other.batch.traces


@pytest.mark.parametrize("export", [Export("traces", 1, b""), Export("logs", 1, b""), Export("traces", 1, b"{}", is_json=True)])
def test_nothing_is_not_stored(export: Export) -> None:
    """An empty request is a success that writes nothing."""
    writer = ListWriter()

    assert take(export, writer) == Outcome()
    assert writer.batches == []


def test_rejected_spans_are_counted_and_described() -> None:
    """What can never be stored is told, the rest is stored."""
    bad = [pb_span(n, trace_id=b"") for n in range(30)]
    writer = ListWriter()
    outcome = take(Export("traces", 1, traces(pb_span(1), *bad).SerializeToString()), writer)

    assert outcome.rejected == 30
    assert outcome.message.startswith("resource_spans[0].scope_spans[0].spans[1]: the trace id must have 16 bytes, it has 0. ")
    assert outcome.message.endswith(" And 10 more.")
    assert [batch.span_count for batch in writer.batches] == [1]


def test_log_records_without_a_span_are_a_success() -> None:
    """They are not kept, which is told and counts as no rejection."""
    outcome = take(Export("logs", 1, logs(pb_log(), pb_log(span_id=b"")).SerializeToString()), ListWriter())

    assert outcome == Outcome(0, "Log records that name no span are not kept: 1.")


@pytest.mark.parametrize("cores", [1, 4])
@pytest.mark.parametrize(
    ("export", "error"),
    [
        (Export("traces", 1, b"hello"), Undecodable),
        (Export("logs", 1, b"hello", is_json=True), Undecodable),
        (Export("traces", 1, b"hello", gzipped=True), Undecodable),
        (Export("traces", 1, gzip.compress(bytes(LIMIT + 1)), gzipped=True), TooLarge),
    ],
)
def test_what_cannot_be_read(cores: int, export: Export, error: type[Exception]) -> None:
    """The sentence reaches the receiver, also from another process."""
    with pytest.raises(error, match=r"\.$"):
        take(export, ListWriter(), cores)


def test_a_busy_store_is_said_to_be_busy() -> None:
    """What was not stored is not answered as stored."""
    with pytest.raises(StoreBusy):
        take(Export("traces", 1, BODY), ListWriter(StoreBusy("locked")))


def test_a_sender_that_leaves_cancels_nothing(sqlite_store: Store) -> None:
    """What the writer has, it writes, and goes on writing for others."""

    async def leave(intake: Intake) -> None:
        leaving = asyncio.create_task(intake.take(Export("traces", 1, BODY)))
        # Cancelled as soon as the writer is given the batch.
        while not submitted:
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await intake.take(Export("traces", 1, traces(pb_span(3)).SerializeToString()))

    submitted: list[Prepared] = []

    class Noting(Writer):
        def submit(self, batch: Prepared) -> "Future[None]":
            future = super().submit(batch)
            submitted.append(batch)
            return future

    writer = Noting(sqlite_store)
    intake = Intake(writer, LIMIT, 1)
    asyncio.run(leave(intake))
    intake.close()
    writer.close()

    assert stored_ids(sqlite_store) == [span_id(1), span_id(2), span_id(3)]


def stored_ids(store: Store, project_id: int = 1) -> list[bytes]:
    with store.engine.connect() as conn:
        return sorted(span.span_id for span in read_spans(conn, project_id, TRACE_ID))


def test_workers_that_die_are_replaced() -> None:
    """A worker process that ends unexpectedly costs the requests at hand a repetition, and the next ones nothing."""

    async def kill(intake: Intake) -> Outcome:
        await intake.take(Export("traces", 1, BODY))
        for child in multiprocessing.active_children():
            child.kill()
            child.join()
        with pytest.raises(Overloaded):
            await intake.take(Export("traces", 1, BODY))
        return await intake.take(Export("traces", 1, BODY))

    intake = Intake(ListWriter(), LIMIT, 4)
    assert asyncio.run(kill(intake)) == Outcome()
    intake.close()


def test_a_large_request_keeps_nobody_waiting() -> None:
    """Small requests are answered while a large one is worked on."""

    async def race(intake: Intake) -> list[str]:
        order: list[str] = []

        async def one(name: str, export: Export) -> None:
            await intake.take(export)
            order.append(name)

        large = traces(*[pb_span(n + 1, attributes={"a": "b" * 20_000}) for n in range(450)]).SerializeToString()
        packed = Export("traces", 1, gzip.compress(large, 1), gzipped=True)
        await asyncio.gather(one("large", Export("traces", 1, large)), one("packed", packed), one("small", Export("traces", 1, BODY)))
        return order

    writer = ListWriter()
    intake = Intake(writer, 64 * LIMIT, 1)
    order = asyncio.run(race(intake))
    # The two large ones wait for each other; the small one for neither, were the machine ever so busy.
    assert order.index("large") < order.index("packed")
    assert order.index("small") < order.index("packed")
    assert sorted(batch.span_count for batch in writer.batches) == [2, 450, 450]
    intake.close()


# --- keys ---------------------------------------------------------------------------------------------------------


def test_a_key_is_asked_for_once_in_a_while() -> None:
    """A good key is remembered for a moment, so that a revoked one stops within it; a bad one is asked for every time."""
    good = {"a": 1}
    asked: list[str] = []
    now = [100.0]

    def lookup(key: str) -> int | None:
        asked.append(key)
        return good.get(key)

    keyring = Keyring(lookup, lambda: now[0])

    def ask(key: str) -> int | None:
        return asyncio.run(keyring.authenticate(key))

    assert [ask("a"), ask("a"), ask("b"), ask("b"), ask("")] == [1, 1, None, None, None]
    assert asked == ["a", "b", "b"]
    good.clear()
    now[0] += KNOWN_S - 0.1
    assert ask("a") == 1
    now[0] += 0.2
    assert ask("a") is None


# --- the process --------------------------------------------------------------------------------------------------

_PROGRAM = """
import sys
from pathlib import Path
from ingest.serve import serve
from ingest.settings import Settings
settings = Settings(Path("."), sys.argv[1], otlp_http_port=0, otlp_grpc_port=0, auth=sys.argv[2] == "on")
serve(settings, lambda part, address: print(part, address, flush=True))
"""


class Process:
    """The ingest process, with a store, on free ports."""

    def __init__(self, url: str, auth: str = "off") -> None:
        command = [sys.executable, "-c", _PROGRAM, url, auth]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
        assert self._process.stdout is not None
        self.http_port = int(self._process.stdout.readline().removeprefix("otlp-http http://127.0.0.1:"))
        self.grpc_port = int(self._process.stdout.readline().removeprefix("otlp-grpc 127.0.0.1:"))

    def post(self, body: bytes, **headers: str) -> int:
        """Post traces and return the status."""
        connection = HTTPConnection("127.0.0.1", self.http_port, timeout=20)
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf", **headers})
        status = connection.getresponse().status
        connection.close()
        return status

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Stop it; return its exit code and how long it took."""
        begun = time.monotonic()
        self._process.send_signal(number)
        code = self._process.wait(20)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code, time.monotonic() - begun


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Start processes, of which none is left behind."""
    started: list[Process] = []

    def begin(*arguments: str) -> Process:
        started.append(Process(*arguments))
        return started[-1]

    yield begin
    for process in started:
        process.stop(signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_answered_is_stored(start: Callable[..., Process], store_url: str, number: int) -> None:
    """Spans that came over HTTP and gRPC are in the store once the process has ended, which it does by itself and soon."""
    process = start(store_url)
    assert process.post(BODY) == 200
    with grpc.insecure_channel(f"127.0.0.1:{process.grpc_port}") as channel:
        export: Any = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export", bytes, bytes)
        assert export(traces(pb_span(3)).SerializeToString(), timeout=20) == b""
        with socket.create_connection(("127.0.0.1", process.http_port)):
            code, seconds = process.stop(number)

    assert code == 0
    assert seconds < 10
    store = open_store(store_url)
    assert stored_ids(store) == [span_id(1), span_id(2), span_id(3)]
    store.close()


def test_keys_open_projects(start: Callable[..., Process], sqlite_url: str, sqlite_store: Store) -> None:
    """With authentication on, a key that may send is needed."""
    sender, reader = create_key(sqlite_store, "default", "a", "ingest"), create_key(sqlite_store, "default", "b", "read")
    process = start(sqlite_url, "on")

    assert process.post(BODY) == 401
    assert process.post(BODY, Authorization=f"Bearer {reader}") == 401
    assert process.post(BODY, Authorization=f"Bearer {sender}") == 200
    assert stored_ids(sqlite_store) == [span_id(1), span_id(2)]


@pytest.mark.parametrize("part", ["otlp_http_port", "otlp_grpc_port"])
def test_a_port_in_use_is_one_sentence(sqlite_url: str, part: str) -> None:
    """What cannot be listened on is said before anything begins."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = {"otlp_http_port": 0, "otlp_grpc_port": 0} | {part: port}
        before = threading.active_count()
        with pytest.raises(OSError, match=f"^Cannot listen on 127.0.0.1 port {port}: Address already in use.$"):
            serve(Settings(Path("."), sqlite_url, **ports), lambda part, address: None)
        assert threading.active_count() == before
