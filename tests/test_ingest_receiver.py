"""The HTTP receiver, over real sockets: what it takes, what it refuses and how, and clients that misbehave."""

import asyncio
import gzip
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse

import pytest
from google.rpc.error_details_pb2 import BadRequest  # type: ignore[import-untyped]  # comes without types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # likewise
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from ingest.budget import Budget, Overloaded
from ingest.otlp.decoded import TooLarge, Undecodable
from ingest.otlp.export import Export, Outcome
from ingest.otlp.protobuf import decode_traces
from ingest.receiver import Limits
from ingest.store.engine import StoreBusy

from .otlp_builders import NOW, pb_span, traces
from .otlp_servers import LIMIT, Running, Setup, http_receiver, one_key

PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
BODY = traces(pb_span()).SerializeToString()


@pytest.fixture
def setup() -> Setup:
    """What stands behind the receiver."""
    return Setup()


@pytest.fixture
def running(setup: Setup) -> Iterator[Running]:
    """Run the receiver."""
    with http_receiver(setup) as served:
        yield served


class Answer:
    """An answer, read whole."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.content_type = response.headers["Content-Type"]
        self.body = response.read()

    def status_message(self) -> str:
        """Return the message of the google.rpc.Status in the body."""
        if self.content_type == "application/json":
            return str(json.loads(self.body)["message"])
        return str(Status.FromString(self.body).message)


def ask(running: Running, method: str, path: str, body: bytes | Iterator[bytes] = b"", headers: dict[str, str] = PROTOBUF) -> Answer:
    """Send one request on a connection of its own."""
    with closing(HTTPConnection("127.0.0.1", running.port, timeout=10)) as connection:
        connection.request(method, path, body, headers)
        return Answer(connection.getresponse())


def post(running: Running, path: str = "/v1/traces", body: bytes | Iterator[bytes] = BODY, headers: dict[str, str] | None = None) -> Answer:
    """Post a body as protobuf unless headers say otherwise."""
    return ask(running, "POST", path, body, PROTOBUF | (headers or {}))


def talk(running: Running, *pieces: bytes, end: bool = False) -> bytes:
    """Send bytes as they are and return everything that is answered until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=15) as connection:
        for piece in pieces:
            connection.sendall(piece)
        if end:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


# --- what is taken ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_sdks_exporter(setup: Setup, running: Running, compression: Compression) -> None:
    """Spans of the real exporter arrive, compressed or not."""
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{running.port}/v1/traces", compression=compression)
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("t").start_as_current_span("hello"):
        pass
    provider.shutdown()

    (export,) = setup.taken
    body = gzip.decompress(export.body) if export.gzipped else export.body
    assert export.gzipped is (compression is Compression.Gzip)
    assert [span.name for span in decode_traces(body, NOW).spans] == ["hello"]


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/traces/", "/x/y/v1/traces", "/", "", "/v1/traces?a=b"])
def test_paths_of_traces(setup: Setup, running: Running, path: str) -> None:
    """Prefixes and trailing slashes occur, and an address without a path means traces."""
    answer = post(running, path)

    assert (answer.status, answer.content_type, answer.body) == (200, "application/x-protobuf", b"")
    assert setup.taken == [Export("traces", 1, BODY)]


@pytest.mark.parametrize(
    ("headers", "gzipped", "is_json"),
    [
        ({"Content-Type": "application/x-protobuf; charset=utf-8"}, False, False),
        ({"Content-Type": "Application/Protobuf"}, False, False),
        ({"Content-Type": "application/vnd.google.protobuf"}, False, False),
        ({"Content-Type": "application/json;charset=utf-8"}, False, True),
        ({"Content-Encoding": "identity"}, False, False),
        ({"Content-Encoding": "none"}, False, False),
        ({"Content-Encoding": "GZIP"}, True, False),
    ],
)
def test_types_and_encodings(setup: Setup, running: Running, headers: dict[str, str], gzipped: bool, is_json: bool) -> None:
    """Parameters and case are ignored; what is not in the specification but is sent is understood."""
    answer = post(running, headers=headers)

    assert answer.status == 200
    assert answer.content_type == ("application/json" if is_json else "application/x-protobuf")
    assert setup.taken == [Export("traces", 1, BODY, gzipped, is_json)]


def test_logs(setup: Setup, running: Running) -> None:
    """Log records have a path of their own."""
    assert post(running, "/v1/logs").status == 200
    assert setup.taken[0].signal == "logs"


def test_chunked_and_empty_bodies(setup: Setup, running: Running) -> None:
    """A body may come in chunks and without a length, or be nothing."""
    assert post(running, body=iter([b"ab", b"c" * 100_000])).status == 200
    assert post(running, body=b"").status == 200
    assert [export.body for export in setup.taken] == [b"ab" + b"c" * 100_000, b""]


def test_a_client_that_waits_to_be_asked(setup: Setup, running: Running) -> None:
    """``Expect: 100-continue`` is answered before the body is sent, and the connection stays."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert setup.taken[0].body == b"abc"


def test_a_refused_client_that_waits_is_not_asked(running: Running) -> None:
    """Who waits and is refused may leave the body out, so that the connection ends."""
    answer = talk(running, b"POST /nowhere HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"connection: close" in answer


def test_an_offer_of_another_protocol_is_declined(setup: Setup, running: Running) -> None:
    """Clients that offer HTTP/2 on the way, as Java's does, are served as they are: their bodies arrive, however they are cut."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA\r\n"
    with_length = HEAD + offer + b"Content-Length: 5\r\n\r\nhello"
    in_chunks = HEAD + offer + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
    last = HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi"
    sent = with_length + in_chunks + last

    for pieces in ([sent], [sent[at : at + 7] for at in range(0, len(sent), 7)]):
        answer = talk(running, *pieces)
        assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert [export.body for export in setup.taken] == [b"hello", b"hello", b"hi"] * 2


def test_partial_success(setup: Setup, running: Running) -> None:
    """What was rejected is counted and explained, in the request's encoding and in the words of its signal."""
    setup.outcome = Outcome(3, "why")
    assert json.loads(post(running, headers=JSON).body) == {"partialSuccess": {"rejectedSpans": "3", "errorMessage": "why"}}
    some = ExportTraceServiceResponse.FromString(post(running).body).partial_success
    assert (some.rejected_spans, some.error_message) == (3, "why")
    less = ExportLogsServiceResponse.FromString(post(running, "/v1/logs").body).partial_success
    assert (less.rejected_log_records, less.error_message) == (3, "why")
    logs = json.loads(post(running, "/v1/logs", headers=JSON).body)
    assert logs == {"partialSuccess": {"rejectedLogRecords": "3", "errorMessage": "why"}}


def test_success_says_nothing(running: Running) -> None:
    """Full success leaves partial_success unset."""
    assert post(running, headers=JSON).body == b"{}"
    assert post(running).body == b""


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/v1/metrics", PROTOBUF, 404),
        ("POST", "/v1development/profiles", JSON, 404),
        ("POST", "/favicon.ico", {}, 404),
        ("GET", "/v1/traces", {}, 405),
        ("PUT", "/v1/logs", JSON, 405),
        ("POST", "/v1/traces", {"Content-Type": "text/plain"}, 415),
        ("POST", "/v1/traces", {}, 415),
        ("POST", "/v1/traces", PROTOBUF | {"Content-Encoding": "zstd"}, 415),
        ("POST", "/v1/traces", JSON | {"Content-Encoding": "deflate"}, 415),
    ],
)
def test_refusals(setup: Setup, running: Running, method: str, path: str, headers: dict[str, str], status: int) -> None:
    """A refusal is a google.rpc.Status in the encoding of the request, JSON where there is none."""
    answer = ask(running, method, path, b"abc", headers)

    assert answer.status == status
    assert answer.content_type == (
        "application/x-protobuf" if headers.get("Content-Type") == "application/x-protobuf" else "application/json"
    )
    assert answer.status_message().endswith(".")
    assert setup.taken == []


def test_a_wrong_method_names_the_right_one(running: Running) -> None:
    """405 comes with Allow."""
    assert ask(running, "GET", "/").headers["Allow"] == "POST, OPTIONS"


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (Undecodable("It is wrong."), 400, None),
        (TooLarge("It is too large."), 413, None),
        (StoreBusy("secret/path is locked"), 503, "2"),
        (Overloaded("Too much."), 503, "2"),
        (RuntimeError("secret"), 500, None),
    ],
)
@pytest.mark.parametrize("headers", [PROTOBUF, JSON])
def test_failures(setup: Setup, running: Running, error: Exception, status: int, retry_after: str | None, headers: dict[str, str]) -> None:
    """What may be sent again says when, what may not says so; nothing of the inside is told."""
    setup.outcome = error
    answer = ask(running, "POST", "/v1/traces", BODY, headers)

    assert (answer.status, answer.headers["Retry-After"]) == (status, retry_after)
    assert answer.content_type == headers["Content-Type"]
    assert "secret" not in answer.status_message()


def test_bad_data_has_details(setup: Setup, running: Running) -> None:
    """A 400 holds a BadRequest, in both encodings."""
    setup.outcome = Undecodable("It is wrong.")
    status = Status.FromString(post(running).body)
    detail = BadRequest()

    assert status.details[0].Unpack(detail)
    assert detail.field_violations[0].description == "It is wrong."
    assert json.loads(post(running, headers=JSON).body)["details"] == [
        {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "body", "description": "It is wrong."}]}
    ]


def test_the_largest_body(setup: Setup, running: Running) -> None:
    """A body of just the limit is taken; one byte more is refused, with and without a declared length, and the connection stays."""
    assert post(running, body=b"a" * LIMIT).status == 200
    with closing(HTTPConnection("127.0.0.1", running.port, timeout=10)) as connection:
        for body in (b"a" * (LIMIT + 1), iter([b"a" * LIMIT, b"a" * 100_000, b"b"])):
            connection.request("POST", "/v1/traces", body, PROTOBUF)
            answer = Answer(connection.getresponse())
            assert answer.status == 413
            assert answer.status_message() == f"The body is larger than {LIMIT} bytes."
        connection.request("POST", "/v1/traces", BODY, PROTOBUF)
        assert Answer(connection.getresponse()).status == 200
    assert len(setup.taken) == 2


def test_bodies_together_are_bounded(setup: Setup, running: Running) -> None:
    """What all requests hold together has a bound; beyond it the sender comes again, and all is let go afterwards."""
    setup.budget.reserve(3 * LIMIT + LIMIT // 2)
    answer = post(running, body=b"a" * LIMIT)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert post(running, body=b"a" * 1000).status == 200
    assert setup.budget.held_bytes == 3 * LIMIT + LIMIT // 2


# --- keys and browsers --------------------------------------------------------------------------------------------


@pytest.fixture
def locked(setup: Setup) -> Setup:
    """Need a key."""
    setup.authenticate = one_key
    return setup


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer clew_good"},
        {"Authorization": "bearer  clew_good "},
        {"Authorization": "Bearer%20clew_good"},
        {"x-clew-key": "clew_good"},
    ],
)
def test_keys(locked: Setup, running: Running, headers: dict[str, str]) -> None:
    """A key comes in one of two headers, its blank percent-encoded or not, and opens its own project."""
    assert ask(running, "POST", "/v1/traces", BODY, PROTOBUF | headers).status == 200
    assert locked.taken[0].project_id == 7


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer clew_bad"}, {"Authorization": "Basic clew_good"}, {"x-clew-key": "caf\xe9"}]
)
def test_without_a_key_the_body_is_not_read(locked: Setup, running: Running, headers: dict[str, str]) -> None:
    """401 is answered though the body has not come."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{lines}Content-Length: 1000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall(head.encode("latin-1"))
        answer = connection.recv(2000)

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"www-authenticate: Bearer" in answer
    assert b"clew_bad" not in answer
    assert locked.taken == []


def test_pages_of_other_sites(setup: Setup, running: Running) -> None:
    """Without authentication only pages on this machine may send; the question beforehand is answered for them alone."""
    for origin, allowed in (("http://localhost:3000", True), ("http://127.0.0.1", True), ("https://evil.example", False), ("null", False)):
        asked = ask(running, "OPTIONS", "/v1/traces", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
        sent = ask(running, "POST", "/v1/traces", b"{}", JSON | {"Origin": origin})

        assert asked.status == 204
        assert sent.status == (200 if allowed else 403)
        for answer in (asked, sent):
            assert answer.headers["Access-Control-Allow-Origin"] == (origin if allowed else None)


def test_pages_of_other_sites_with_a_key(locked: Setup, running: Running) -> None:
    """With authentication any page that has a key may send."""
    headers = {"Origin": "https://app.example"}
    asked = ask(running, "OPTIONS", "/v1/traces", headers=headers)

    assert "x-clew-key" in asked.headers["Access-Control-Allow-Headers"]
    assert ask(running, "POST", "/v1/traces", b"{}", JSON | headers | {"x-clew-key": "clew_good"}).status == 200
    assert ask(running, "POST", "/v1/traces", b"{}", JSON | headers).status == 401


def test_health(running: Running) -> None:
    """Who watches needs no key."""
    assert ask(running, "GET", "/healthz").status == 200


# --- clients that misbehave ---------------------------------------------------------------------------------------

HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        HEAD + b"Content-Length: -3\r\n\r\nabc",
        HEAD + b"Content-Length: 99999999999999999999\r\n\r\nabc",
        HEAD + b"X: \x00\r\n\r\n",
    ],
)
def test_what_is_no_http(setup: Setup, running: Running, request_bytes: bytes) -> None:
    """Broken framing is refused once and the connection ends; nothing is taken."""
    answer = talk(running, request_bytes)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert setup.taken == []
    assert post(running).status == 200


def test_headers_without_an_end(running: Running) -> None:
    """Headers are bounded."""
    try:
        answer = talk(running, HEAD + b"X: " + b"a" * 200_000)
    except ConnectionError:
        return
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_body_that_ends_early(setup: Setup, running: Running) -> None:
    """A client that leaves before its body is whole has sent nothing; what it held is let go."""
    talk(running, HEAD + b"Content-Length: 1000\r\n\r\nabc", end=True)

    assert post(running).status == 200
    assert [export.body for export in setup.taken] == [BODY]
    assert setup.budget.held_bytes == 0


def test_a_body_that_comes_too_slowly(setup: Setup) -> None:
    """A slow body ends its connection and nobody else's."""
    setup.limits = Limits(LIMIT, body_s=0.3)
    with http_receiver(setup) as running:
        answers: list[bytes] = []
        slow = threading.Thread(target=lambda: answers.append(talk(running, HEAD + b"Content-Length: 1000\r\n\r\nabc")))
        slow.start()
        assert post(running).status == 200
        slow.join(10)

    assert answers[0].startswith(b"HTTP/1.1 503 ")
    assert b"connection: close" in answers[0]


def test_connections_without_a_request_end(setup: Setup) -> None:
    """Who says nothing, half a request or never ends a body that was refused is cut off."""
    setup.limits = Limits(LIMIT, head_s=0.2, drain_s=0.2)
    with http_receiver(setup) as running:
        for sent in (b"", HEAD, b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc"):
            try:
                answer = talk(running, sent)
            except ConnectionResetError:
                answer = b""
            assert answer == b"" or answer.startswith(b"HTTP/1.1 404 ")
        assert post(running).status == 200


def test_a_slow_body_is_no_slow_head(setup: Setup) -> None:
    """A body may take longer than headers, on the second request of a connection too."""
    setup.limits = Limits(LIMIT, head_s=0.2, drain_s=0.2)

    def slowly() -> Iterator[bytes]:
        yield b"abc"
        threading.Event().wait(0.4)
        yield b"def"

    with http_receiver(setup) as running, closing(HTTPConnection("127.0.0.1", running.port, timeout=10)) as connection:
        for _ in range(2):
            connection.request("POST", "/v1/traces", slowly(), PROTOBUF)
            assert Answer(connection.getresponse()).status == 200


def test_many_idle_connections_hurt_nobody(setup: Setup, running: Running) -> None:
    """A hundred and fifty clients that send half a request, and as many that send nothing, do not keep others out."""
    idle = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(300)]
    for connection in idle[::2]:
        connection.sendall(HEAD)
    assert post(running).status == 200
    for connection in idle:
        connection.close()


def test_pipelined_requests(setup: Setup, running: Running) -> None:
    """Requests sent without waiting are answered in order."""
    one = HEAD + b"Content-Length: 3\r\n\r\nabc"
    answer = talk(running, one + one + HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nde")

    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert [export.body for export in setup.taken] == [b"abc", b"abc", b"de"]


# --- stopping -----------------------------------------------------------------------------------------------------


def test_what_was_accepted_is_finished(setup: Setup) -> None:
    """A request at hand is answered when the server stops; a body that never ends is told to come again."""
    going, may_end = threading.Event(), threading.Event()

    async def wait() -> None:
        going.set()
        await asyncio.to_thread(may_end.wait, 10)

    setup.wait = wait
    with http_receiver(setup) as running:
        statuses: list[int] = []
        sender = threading.Thread(target=lambda: statuses.append(post(running).status))
        sender.start()
        assert going.wait(10)
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as unfinished:
            unfinished.sendall(HEAD + b"Content-Length: 1000\r\n\r\nabc")
            # Asked on another connection, so that the unfinished one is surely being read.
            assert ask(running, "GET", "/healthz").status == 200
            running.stop()
            assert unfinished.recv(1000).startswith(b"HTTP/1.1 503 ")
        may_end.set()
        sender.join(10)
        assert running.ended.wait(10)

    assert statuses == [200]


def test_a_kept_connection_is_told_to_come_again(setup: Setup) -> None:
    """Once the server stops, the next request on a connection is answered 503, or the connection is closed."""
    going, may_end = threading.Event(), threading.Event()

    async def wait() -> None:
        going.set()
        await asyncio.to_thread(may_end.wait, 10)

    setup.wait = wait
    one = HEAD + b"Content-Length: 3\r\n\r\nabc"
    with http_receiver(setup) as running, socket.create_connection(("127.0.0.1", running.port), timeout=10) as kept:
        kept.sendall(one + one)
        assert going.wait(10)
        running.stop()
        may_end.set()
        answer = b""
        while piece := kept.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert len(setup.taken) == 1


def test_a_budget_holds_what_it_says() -> None:
    """A hold lets go of all it holds, also when it ends with an error."""
    budget = Budget(10)
    with pytest.raises(Overloaded), budget.hold() as held:
        held.grow(8)
        held.grow(3)
    assert budget.held_bytes == 0
