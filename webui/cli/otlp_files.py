"""OTLP requests in files, as exporters and collectors write them."""

import gzip
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import orjson

from ingest.otlp.wire import Malformed, cut

MOST_BYTES = 1 << 30
"""What one file may hold when inflated, and one line of it."""

_TRACE_ID_BYTES, _SPAN_ID_BYTES = 16, 8
_RESOURCE, _SCOPED, _ITEMS = 1, 2, 2
_LOOKED_AT = 20
"""Items of a request, the first of which may be malformed."""


class Request(NamedTuple):
    """One request body, where it stands, and what it is: ``traces``, ``logs`` or ``other``."""

    where: str
    body: bytes
    is_json: bool
    signal: str


class BadFile(ValueError):
    """A file or a part of it that cannot be read; the text says which and why."""


def read_requests(path: Path) -> Iterator[Request]:
    """Yield the requests of a file. Raises ``BadFile``, ``OSError``; what was yielded before is good."""
    kinds = [suffix for suffix in path.suffixes if suffix != ".gz"]
    kind = kinds[-1] if kinds else ""
    if kind not in (".json", ".jsonl", ".pb"):
        raise BadFile(f"{path}: the name ends in none of .json, .jsonl, .pb (each also .gz).")
    try:
        if kind == ".pb":
            body = _read_whole(path)
            yield Request(str(path), body, is_json=False, signal=signal_of_protobuf(body))
        elif kind == ".json" and (whole := _one_document(path)) is not None:
            yield whole
        else:
            yield from _lines(path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadFile(f"{path}: the gzip data ends too early or is damaged.") from error


def _read_whole(path: Path) -> bytes:
    with _opened(path) as file:
        body: bytes = file.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        raise BadFile(f"{path}: more than {MOST_BYTES >> 20} MB.")
    return body


def _opened(path: Path) -> "gzip.GzipFile":
    return gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb")  # type: ignore[return-value]  # both read alike


def _one_document(path: Path) -> Request | None:
    """Return the file as one request, None where it is none as a whole: collectors write a request a line into ``.json`` too."""
    body = _read_whole(path)
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        if body.count(b"\n", 0, len(body.rstrip())):
            return None
        # The decoder repairs what can be repaired (NaN, lone surrogates) and says best what is wrong with the rest.
        return Request(str(path), body, is_json=True, signal=_signal_of_text(body))
    return Request(str(path), body, is_json=True, signal=signal_of_json(found))


def _lines(path: Path) -> Iterator[Request]:
    with _opened(path) as file:
        number = 0
        while line := file.readline(MOST_BYTES + 1):
            number += 1
            if len(line) > MOST_BYTES:
                raise BadFile(f"{path}: line {number} has more than {MOST_BYTES >> 20} MB.")
            if line.strip():
                yield Request(f"{path}: line {number}", line, is_json=True, signal=_signal_of_text(line))


def _signal_of_text(body: bytes) -> str:
    for name, signal in _JSON_SIGNALS.items():
        if name.encode() in body:
            return signal
    return "traces"


_JSON_SIGNALS = {"resourceSpans": "traces", "resourceLogs": "logs", "resourceMetrics": "other"}


def signal_of_json(document: object) -> str:
    """Tell what a request in OTLP/JSON is about; what says nothing counts as traces, whose decoder says what is wrong."""
    if isinstance(document, dict):
        for name, signal in _JSON_SIGNALS.items():
            if name in document:
                return signal
    return "traces"


def signal_of_protobuf(body: bytes) -> str:
    """Tell what a protobuf request is about by its items: only a span begins with two ids of their lengths.

    All requests nest alike: resources, scopes, items. What is malformed counts as traces, whose decoder says what is wrong.
    """
    try:
        found = list(dict.fromkeys(_signal_of_item(lengths) for lengths in islice(_items(body), _LOOKED_AT)))
    except Malformed:
        return "traces"
    return "traces" if not found or "traces" in found else found[0]


def _items(body: bytes) -> Iterator[dict[int, int]]:
    """Yield the lengths of each item's fields, by their numbers."""
    for _, _, start, end in _within(body, 0, len(body), _RESOURCE):
        for _, _, scope_start, scope_end in _within(body, start, end, _SCOPED):
            for _, _, item_start, item_end in _within(body, scope_start, scope_end, _ITEMS):
                yield {number: stop - first for number, _, first, stop in cut(body, item_start, item_end)}


def _within(body: bytes, start: int, end: int, number: int) -> list[tuple[int, int, int, int]]:
    return [field for field in cut(body, start, end) if field[0] == number]


def _signal_of_item(lengths: dict[int, int]) -> str:
    if lengths.get(1) == _TRACE_ID_BYTES and lengths.get(2) == _SPAN_ID_BYTES:
        return "traces"
    # Field 1 of a log record is its time, which has a fixed size and is not among these; a metric begins with its name.
    return "logs" if 1 not in lengths else "other"
