"""What an OTLP sender is told: success, success in part, or a status that says whether to send again.

HTTP and gRPC say the same, so that a refusal names both codes.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, RetryInfo  # type: ignore[import-untyped]  # comes without types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # likewise
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsPartialSuccess, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTracePartialSuccess, ExportTraceServiceResponse

from ingest.budget import Overloaded
from ingest.store.engine import StoreBusy

from .decoded import TooLarge, Undecodable
from .export import Outcome, Signal

log = logging.getLogger(__name__)

RETRY_S = 2
"""When to send again: long enough to recover, and exporters give up after ten seconds."""

_MESSAGE_CHARS = 8_000
_TYPE_URL = "type.googleapis.com/"


@dataclass(eq=False)
class Refusal(Exception):
    """A request that is not taken in. Never changed, but not frozen: Python itself writes an exception's traceback."""

    http_status: int
    code: int
    """The number of a google.rpc.Code, which is gRPC's status code too."""
    message: str
    headers: Mapping[str, str]
    """Headers of the HTTP answer beside its own."""


def bad_request(message: str) -> Refusal:
    """Refuse what can never be read."""
    return Refusal(400, 3, message, {})


def too_large(message: str) -> Refusal:
    """Refuse what is beyond a bound, however often it is sent."""
    return Refusal(413, 8, message, {})


def unauthenticated() -> Refusal:
    """Refuse who shows no key, or one that opens nothing."""
    return Refusal(
        401, 16, "This needs a key that may send: Authorization: Bearer KEY, or x-clew-key: KEY.", {"www-authenticate": "Bearer"}
    )


def unavailable(message: str) -> Refusal:
    """Refuse what may be sent again."""
    return Refusal(503, 14, message, {"retry-after": str(RETRY_S)})


def refusal_of(error: Exception) -> Refusal:
    """Return what to tell the sender of a request that failed; what nobody expected is logged."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, Undecodable):
        return bad_request(str(error))
    if isinstance(error, TooLarge):
        return too_large(str(error))
    if isinstance(error, Overloaded):
        return unavailable(str(error))
    if isinstance(error, StoreBusy):
        # Its text may name files and hosts.
        log.warning("a request could not be stored: %s", error)
        return unavailable("The store cannot be written now; send this again in a moment.")
    log.error("a request failed", exc_info=error)
    return Refusal(500, 13, "Something is wrong here; the log says what.", {})


def status_of(refusal: Refusal) -> Status:
    """Return a refusal as a google.rpc.Status, with details where the protocol wants them."""
    status = Status(code=refusal.code, message=refusal.message)
    if refusal.code == 3:
        violation = BadRequest.FieldViolation(field="body", description=refusal.message)
        status.details.append(_packed(BadRequest(field_violations=[violation])))
    elif "retry-after" in refusal.headers:
        status.details.append(_packed(RetryInfo(retry_delay=Duration(seconds=RETRY_S))))
    return status


def _packed(detail: BadRequest | RetryInfo) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed


def encode_refusal(refusal: Refusal, is_json: bool) -> bytes:
    """Encode a refusal like the request."""
    if not is_json:
        return bytes(status_of(refusal).SerializeToString())
    return orjson.dumps({"code": refusal.code, "message": refusal.message, "details": _json_details(refusal)})


def _json_details(refusal: Refusal) -> list[dict[str, Any]]:
    if refusal.code == 3:
        violation = {"field": "body", "description": refusal.message}
        return [{"@type": f"{_TYPE_URL}google.rpc.BadRequest", "fieldViolations": [violation]}]
    if "retry-after" in refusal.headers:
        return [{"@type": f"{_TYPE_URL}google.rpc.RetryInfo", "retryDelay": f"{RETRY_S}s"}]
    return []


_REJECTED = {"traces": "rejectedSpans", "logs": "rejectedLogRecords"}


def encode_success(signal: Signal, outcome: Outcome, is_json: bool) -> bytes:
    """Encode what became of a request that was taken in; nothing is said where all is well."""
    message = outcome.message[:_MESSAGE_CHARS]
    if is_json:
        if not outcome.rejected and not message:
            return b"{}"
        return orjson.dumps({"partialSuccess": {_REJECTED[signal]: str(outcome.rejected), "errorMessage": message}})
    if not outcome.rejected and not message:
        return b""
    if signal == "traces":
        some = ExportTracePartialSuccess(rejected_spans=outcome.rejected, error_message=message)
        return ExportTraceServiceResponse(partial_success=some).SerializeToString()
    less = ExportLogsPartialSuccess(rejected_log_records=outcome.rejected, error_message=message)
    return ExportLogsServiceResponse(partial_success=less).SerializeToString()


def key_in(headers: Mapping[str, str]) -> str:
    """Return the key that headers or gRPC metadata (names in lower case) carry, empty for none."""
    own = headers.get("x-clew-key", "")
    if own:
        return own.strip()
    # Some senders leave the blank percent-encoded, as their environment variable has it.
    scheme, _, key = headers.get("authorization", "").replace("%20", " ", 1).partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
