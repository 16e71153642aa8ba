"""The web application over a store, for tests of the API and of pages."""

import json
from dataclasses import replace
from typing import Any

from flask.testing import FlaskClient
from msgspec import structs
from werkzeug.test import TestResponse

from ingest.model import Span
from ingest.settings import Settings, load_settings
from ingest.store.engine import Store
from webui.app import create_app

from .builders import TRACE_ID
from .wire import agent_span, in_trace, link_all, llm_span, run_spans, store_spans, tool_span

ID = TRACE_ID.hex()
MISSING = "f" * 32
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"' javascript:alert(3) \u202eevil\x07"


def settings_of(store_url: str, **changes: Any) -> Settings:
    """Return the settings of a web process over a store."""
    return replace(load_settings({"CLEW_DATABASE_URL": store_url}), **changes)


def client_of(store: Store, store_url: str, **changes: Any) -> FlaskClient:
    """Return a client of the application over a store."""
    return create_app(settings_of(store_url, **changes), store).test_client()


def fill(store: Store, spans: list[Span] | None = None) -> None:
    """Store spans, those of one run unless told otherwise, and link them."""
    store_spans(store, run_spans() if spans is None else spans)
    link_all(store)


def many_runs(count: int = 7) -> list[Span]:
    """Build runs of one session with different lengths."""
    return [span for number in range(count) for span in in_trace(run_spans(calls=1 + number % 3), bytes([number + 1]) * 16)]


def body(answer: TestResponse) -> Any:
    """Return the JSON of an answer."""
    return json.loads(answer.data)


def hostile_spans() -> list[Any]:
    """Build a run in which every word is an attack."""
    named = {"session.id": EVIL, "user.id": "=cmd|' /C calc'!A0", "clew.reference.<b>order</b>": EVIL, "gen_ai.agent.version": EVIL}
    arguments = json.dumps({EVIL: EVIL})
    return [
        agent_span(1, EVIL, attributes=named, status_code=2, status_message=EVIL),
        llm_span(2, 1, attributes={"gen_ai.request.model": EVIL, "gen_ai.response.model": EVIL}),
        tool_span(3, EVIL, 1, at=2, status_code=2, status_message=EVIL, attributes={"gen_ai.tool.call.arguments": arguments, EVIL: EVIL}),
        llm_span(4, 1, at=3),
    ]  # fmt: skip


def later(span: Span, later_ns: int) -> Span:
    """Return a span as it would be so much later."""
    return structs.replace(span, start_ns=span.start_ns + later_ns, end_ns=span.end_ns + later_ns)
