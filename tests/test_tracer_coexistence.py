"""With everybody else on: the host's spans arrive where they did, as many as before, and ours are whole, whatever the order of set-up."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from .model_server import model_server
from .otlp_backend import attributes_of, backend

ROOT = Path(__file__).parent.parent

ORDERS = (
    "clew provider sentry_sdk models web",
    "provider clew sentry_sdk models web",
    "provider sentry_sdk models web clew",
    "models web clew provider sentry_sdk",
    "sentry_sdk web models provider clew",
    "web sentry_sdk clew models provider",
)
"""Ours first, second, last, before the provider, after it; the instrumentations before and after both."""


@pytest.fixture(scope="module")
def hosts() -> Iterator[subprocess.Popen[str]]:
    """Start what forks a host for every plan."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.tracer_host"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.communicate()


def run(hosts: subprocess.Popen[str], order: str, **plan: Any) -> tuple[dict[str, Any], list[Span]]:
    """Run the host; return what it told and what arrived at ours."""
    assert hosts.stdin is not None and hosts.stdout is not None
    with model_server() as models, backend() as running:
        full = {"order": order.split(), "backend": running.url, "models": models.url, "web": "flask", **plan}
        print(json.dumps(full), file=hosts.stdin, flush=True)
        told: dict[str, Any] = json.loads(hosts.stdout.readline())
        assert told, "the host has told on its standard error what went wrong"
        return told, running.spans


_known: dict[tuple[str, str], dict[str, Any]] = {}


def without_us(hosts: subprocess.Popen[str], web: str, sampler: str = "on") -> dict[str, Any]:
    """Run the host with all but us, once."""
    if (web, sampler) not in _known:
        told, spans = run(hosts, "provider sentry_sdk models web", web=web, sampler=sampler)
        assert spans == []
        _known[web, sampler] = told
    return _known[web, sampler]


def steps_of(spans: list[Span]) -> list[Span]:
    """Leave out what was said of open work."""
    return [span for span in spans if "clew.announce" not in attributes_of(span)]


def check_whole(spans: list[Span]) -> None:
    """Both requests are one tree each, with the request at its root and the run's name on all that is inside the run."""
    by_trace: dict[bytes, list[Span]] = {}
    for span in steps_of(spans):
        by_trace.setdefault(span.trace_id, []).append(span)
    assert len(by_trace) == 2
    for members in by_trace.values():
        names = Counter(span.name for span in members)
        assert {"invoke_agent weather", "look it up", "execute_tool search", "query", "around"} <= set(names)
        assert len({span.span_id for span in members}) == len(members), "nothing arrives twice"
        known = {span.span_id for span in members}
        roots = [span for span in members if span.parent_span_id not in known]
        assert [root.kind for root in roots] == [Span.SPAN_KIND_SERVER], [root.name for root in roots]
        [agent] = [span for span in members if span.name == "invoke_agent weather"]
        inside = below(agent, members)
        run_id = agent.span_id.hex()
        assert {attributes_of(span).get("clew.run.id") for span in inside} == {run_id}
        assert {attributes_of(span).get("gen_ai.conversation.id") for span in inside} == {"s1"}
        # Anthropic's library makes a span of its own below the instrumentation's.
        models = {"messages.create", "anthropic.messages.create", "openai.chat"}
        assert sorted(span.name for span in inside) == sorted({"look it up", "execute_tool search", "query"} | models)


def below(top: Span, members: list[Span]) -> list[Span]:
    """Return all spans below one."""
    children = [span for span in members if span.parent_span_id == top.span_id]
    return [*children, *(span for child in children for span in below(child, members))]


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_set_up_does_not_matter(order: str, hosts: subprocess.Popen[str]) -> None:
    """Flask, Sentry, OpenInference, OpenLLMetry and a provider of the host's, in any order with us."""
    told, spans = run(hosts, order)
    before = without_us(hosts, "flask")
    assert (told["spans"], told["sentry"]) == (before["spans"], before["sentry"])
    assert told["is_global_the_hosts"]
    assert told["prompts_of_ours"] == 0, "our spans are not the host's exporter's"
    assert told["flushed"]
    check_whole(spans)


@pytest.mark.parametrize("order", [ORDERS[0], ORDERS[2]])
def test_fastapi_too(order: str, hosts: subprocess.Popen[str]) -> None:
    """The view runs in another thread, the request's span in the event loop."""
    told, spans = run(hosts, order, web="fastapi")
    before = without_us(hosts, "fastapi")
    assert (told["spans"], told["sentry"]) == (before["spans"], before["sentry"])
    check_whole(spans)


@pytest.mark.parametrize("sampler", ["off", "none of a share"])
def test_a_host_that_samples_nothing_gets_nothing_more_and_we_get_our_runs(sampler: str, hosts: subprocess.Popen[str]) -> None:
    """The host's decision is the host's, on both sides."""
    told, spans = run(hosts, ORDERS[1], sampler=sampler)
    assert told["spans"] == without_us(hosts, "flask", sampler)["spans"] == {}
    names = Counter(span.name for span in steps_of(spans))
    assert {"invoke_agent weather": 2, "look it up": 2, "execute_tool search": 2}.items() <= names.items()


def test_the_host_sees_whose_run_its_spans_belong_to(hosts: subprocess.Popen[str]) -> None:
    """The stamp is on its own spans inside the run as well, and on none outside."""
    told, _ = run(hosts, ORDERS[1])
    # Three spans of model calls and a query in each of two requests.
    assert told["stamped"] == 8
