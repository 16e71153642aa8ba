"""``clew doctor``: what of a Clew works, asked from outside, and what to do about the rest."""

import argparse
import json
import logging
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from ingest.settings import Settings, SettingsError
from ingest.store.engine import StoreBusy, StoreUnfit, open_store, schema_problem
from ingest.store.schema import REVISION

from .errors import sentence
from .opening import read_settings
from .plain import plain_line

_TIMEOUT_S = 5.0
_READ_BACK_S = 5.0
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: nothing wrong, or what is and what to do."""

    what: str
    words: str
    cure: str = ""
    """Empty where all is well."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is examined: settings, and where its parts are said to be."""

    settings: Settings
    endpoint: str
    web: str
    key: str
    is_here: bool
    """False where another machine is asked, whose store cannot be looked at from here."""


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Check in order and print each finding; 1 where anything is wrong."""
    try:
        target = _target(arguments, read_settings(arguments, environ))
    except SettingsError as error:
        return _tell(Finding("settings", str(error), "Correct or unset it."))
    failed = 0
    for check in CHECKS:
        for finding in check(target):
            failed += _tell(finding)
    return 1 if failed else 0


def _tell(finding: Finding) -> int:
    mark = "wrong" if finding.cure else "ok"
    cure = f"  ->  {finding.cure}" if finding.cure else ""
    print(f"{mark:<6} {finding.what:<10} {plain_line(finding.words + cure)}", flush=True)
    return 1 if finding.cure else 0


def _target(arguments: argparse.Namespace, settings: Settings) -> Target:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return Target(
        settings,
        (arguments.endpoint or f"http://{host}:{settings.otlp_http_port}").rstrip("/").removesuffix("/v1/traces"),
        (arguments.web or settings.base_url or f"http://{host}:{settings.port}").rstrip("/"),
        arguments.key or "",
        is_here=arguments.endpoint is None,
    )


def check_settings(target: Target) -> Iterator[Finding]:
    """Tell what the settings, which were checked when they were read, come to."""
    auth = "keys are needed" if target.settings.auth else "no keys are needed, since only this machine is listened to"
    keeps = f"kept for {target.settings.retention_days:g} days" if target.settings.retention_days else "kept for ever"
    yield Finding("settings", f"{auth}; traces are {keeps}")


def check_store(target: Target) -> Iterator[Finding]:
    """Tell whether the store can be reached and has the schema of this version."""
    if not target.is_here:
        return
    try:
        store = open_store(target.settings.database_url)
        try:
            problem = schema_problem(store, REVISION)
        finally:
            store.close()
    except (StoreBusy, StoreUnfit, OSError) as error:
        problem = sentence(error)
    if problem is None:
        yield Finding("store", f"{store.dialect}, schema {REVISION}")
    else:
        yield Finding("store", problem, "Run clew migrate, or set CLEW_DATABASE_URL or CLEW_DATA_DIR to the store that is meant.")


def check_ports(target: Target) -> Iterator[Finding]:
    """Tell whether each part answers where it should."""
    for what, url, option in (("web", target.web, "--port"), ("otlp-http", target.endpoint, "--otlp-http-port")):
        status, body = _get(f"{url}/healthz", "")
        if status == 200:
            yield Finding(what, f"answers at {url}")
        elif status is None:
            yield Finding(what, f"nothing answers at {url} ({body})", "Start it with clew up, or say where it is.")
        else:
            yield Finding(what, f"something else answers at {url}", f"Give Clew another port with {option}.")
    if target.is_here:
        yield _check_grpc(target.settings)


def _check_grpc(settings: Settings) -> Finding:
    address = (settings.host.strip("[]"), settings.otlp_grpc_port)
    try:
        with socket.create_connection(address, _TIMEOUT_S):
            return Finding("otlp-grpc", f"listens at {settings.host}:{settings.otlp_grpc_port}")
    except OSError as error:
        words = f"nothing listens at {settings.host}:{settings.otlp_grpc_port} ({error.strerror or error})"
        return Finding("otlp-grpc", words, "Start it with clew up or clew ingest.")


def check_journey(target: Target) -> Iterator[Finding]:
    """Send a span as an exporter would, then read it back as a reader would; nothing where nobody would take it."""
    if _get(f"{target.endpoint}/healthz", "")[0] != 200:
        return
    span = _make_span()
    context = span.get_span_context()
    assert context is not None
    trace_id = f"{context.trace_id:032x}"
    problem = _export(span, target)
    if problem is not None:
        yield Finding("send", problem, _send_cure(target))
        return
    yield Finding("send", f"the span {trace_id} is accepted by {target.endpoint}")
    started = time.monotonic()
    status, body = _read_back(target, trace_id)
    if status == 200:
        yield Finding("read", f"{target.web}/traces/{trace_id} shows it, {time.monotonic() - started:.2f} s later")
    elif status == 401:
        yield Finding("read", "the key may not read", "Make one with clew key create, scope all or read, and give it with --key.")
    else:
        yield Finding("read", f"not readable within {_READ_BACK_S:g} s: {body}", "See that web and ingest have the same store and project.")


def _send_cure(target: Target) -> str:
    if target.settings.auth and not target.key:
        return "Make a key with clew key create and give it with --key."
    return "See that ingest runs there and that the key, if it wants one, has the scope ingest or all."


def _make_span() -> ReadableSpan:
    provider = TracerProvider(sampler=ALWAYS_ON, resource=Resource.create({"service.name": "clew-doctor"}), shutdown_on_exit=False)
    span = provider.get_tracer("clew.doctor").start_span("doctor")
    span.end()
    assert isinstance(span, ReadableSpan)
    return span


def _export(span: ReadableSpan, target: Target) -> str | None:
    """Return why a span could not be sent, None where it was accepted."""
    said: list[str] = []
    handler = _Collect(said)
    logger = logging.getLogger("opentelemetry")
    # The exporter tells its log alone why it failed.
    logger.addHandler(handler)
    logger.propagate = False
    headers = {"authorization": f"Bearer {target.key}"} if target.key else {}
    try:
        exporter = OTLPSpanExporter(endpoint=f"{target.endpoint}/v1/traces", headers=headers, timeout=_TIMEOUT_S)
        result = exporter.export([span])
        exporter.shutdown()  # type: ignore[no-untyped-call]  # the exporter's own method has no types
    except Exception as error:
        # Whatever an exporter raises, it is the finding.
        return f"the exporter failed: {type(error).__name__}: {error}"
    finally:
        logger.removeHandler(handler)
    return None if result is SpanExportResult.SUCCESS else (said[-1] if said else "the exporter failed and does not say why")


class _Collect(logging.Handler):
    """Keeps messages."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self._said.append(record.getMessage()[:500])


def _read_back(target: Target, trace_id: str) -> tuple[int | None, str]:
    deadline = time.monotonic() + _READ_BACK_S
    while True:
        status, body = _get(f"{target.web}/api/v1/traces/{trace_id}", target.key)
        if status in (200, 401) or time.monotonic() > deadline:
            return status, body
        time.sleep(_POLL_S)


def _get(url: str, key: str) -> tuple[int | None, str]:
    """Return an answer's status with the sentence in it, or None with why there is none."""
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        return error.code, _message(error.read())
    except (OSError, ValueError) as error:
        return None, str(getattr(error, "reason", error))


def _message(body: bytes) -> str:
    try:
        found: Any = json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    return str(found)


Check = Callable[[Target], Iterator[Finding]]
"""Looks at one thing and yields what it found."""

CHECKS: tuple[Check, ...] = (check_settings, check_store, check_ports, check_journey)
