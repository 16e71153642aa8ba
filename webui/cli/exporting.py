"""``clew export``: a trace written to stdout."""

import argparse
import sys
import time
from collections.abc import Mapping

from ingest.otlp.encode import encode_logs_json, encode_traces_json
from webui.api_json import dump
from webui.reads import Reads

from .errors import CliError
from .lookup import find_one, opened_reads
from .opening import read_settings
from .report import report_html


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Write a trace as OTLP/JSON, a request a line, which imports as the very same trace, or as a report."""
    settings = read_settings(arguments, environ)
    with opened_reads(settings, arguments.project) as reads:
        written = _FORMATS[arguments.format](reads, find_one(reads, arguments.trace))
    sys.stdout.buffer.write(written)
    return 0


def _otlp_json(reads: Reads, trace_id: bytes) -> bytes:
    spans = reads.spans(trace_id)
    if not spans:
        raise CliError("Only log records of this trace are stored; there is no span to export.")
    records = reads.records(trace_id)
    requests = [encode_traces_json(spans), *([encode_logs_json(records)] if records else [])]
    return b"".join(dump(request) + b"\n" for request in requests)


def _bundle(reads: Reads, trace_id: bytes) -> bytes:
    trace = reads.trace(trace_id)
    if trace is None:
        raise CliError("Only log records of this trace are stored; there is nothing to report.")
    return report_html(trace, time.time_ns()).encode("utf-8", "replace")


_FORMATS = {"otlp-json": _otlp_json, "bundle": _bundle}
