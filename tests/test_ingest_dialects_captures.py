"""Recorded instrumentations read as what was driven: tokens once, tools once, failures, thoughts, sessions, users."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ingest.chain.reconstruct import TraceContext, reconstruct
from ingest.dialects.merge import merge_logs
from ingest.dialects.normalise import normalise, normalise_log
from ingest.model import LogRecord, Span, StoredSpan, Usage
from ingest.otlp import json as otlp_json
from ingest.otlp import protobuf
from webui.api_json import dump, trace_json

from .capture_facts import facts

CAPTURES = Path(__file__).parent / "fixtures" / "captures"
NAMES = sorted(path.name.removesuffix(".expect.json") for path in CAPTURES.glob("*.expect.json"))
NOW = 2_000_000_000_000_000_000


def read_capture(folder: Path) -> tuple[list[Span], list[LogRecord]]:
    """Return the spans and log records of a capture, in the order they arrived."""
    spans: list[Span] = []
    logs: list[LogRecord] = []
    for request in json.loads((folder / "requests.json").read_text()):
        body = (folder / request["file"]).read_bytes()
        if request.get("content_encoding") == "gzip":
            body = gzip.decompress(body)
        decoder = otlp_json if "json" in request["content_type"] else protobuf
        if request["path"].endswith("/traces"):
            spans += decoder.decode_traces(body, NOW).spans
        elif request["path"].endswith("/logs"):
            logs += decoder.decode_logs(body, NOW).records
    return spans, logs


def understood(spans: Sequence[Span], logs: Sequence[LogRecord]) -> dict[bytes, list[StoredSpan]]:
    """Return what the store would give back of each trace: every span once, its log records merged in."""
    traces: dict[bytes, dict[bytes, StoredSpan]] = {}
    for span in spans:
        said = sorted((log for log in logs if log.span_id == span.span_id and log.trace_id == span.trace_id), key=lambda log: log.time_ns)
        found = merge_logs(normalise(span), [normalise_log(log) for log in said])
        traces.setdefault(span.trace_id, {})[span.span_id] = StoredSpan(
            span.span_id, span.parent_span_id, span.name, span.start_ns, span.end_ns, span.status_code, found, span.scope.name,
            span.dropped_attributes, span.dropped_events, span.dropped_links,
        )  # fmt: skip
    return {trace_id: list(members.values()) for trace_id, members in traces.items()}


def no_price(provider: str | None, model: str | None, usage: Usage, at_ns: int) -> int | None:
    """Know no price."""
    return None


def answers(spans: Sequence[Span], logs: Sequence[LogRecord]) -> list[dict[str, Any]]:
    """Return the traces as the API tells them."""
    return [
        json.loads(dump(trace_json(reconstruct(members, TraceContext(trace_id, 1, 2, NOW, no_price)), "default")))
        for trace_id, members in understood(spans, logs).items()
    ]


def test_all_captures_are_here() -> None:
    """The recordings came along with the checkout."""
    assert len(NAMES) == 17


@pytest.mark.parametrize("name", NAMES)
def test_capture_reads_as_driven(name: str) -> None:
    """Every fact that a recording carries is told as it was driven."""
    expect = json.loads((CAPTURES / f"{name}.expect.json").read_text())
    gaps = json.loads((CAPTURES / f"{name}.gaps.json").read_text())

    asked = list(facts(expect, gaps, answers(*read_capture(CAPTURES / name))))

    assert [fact for fact in asked if fact[1] != fact[2]] == []
    assert len(asked) > 10


@pytest.mark.parametrize("name", NAMES)
def test_order_of_arrival_changes_nothing(name: str) -> None:
    """Log records and spans may arrive in any order."""
    spans, logs = read_capture(CAPTURES / name)
    key = str

    assert sorted(answers(spans[::-1], logs[::-1]), key=key) == sorted(answers(spans, logs), key=key)
