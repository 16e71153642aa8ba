"""For random programs, the trace that Clew reconstructs is the program that was run: one tree, its order, every alternative and token."""

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan

from ingest.chain.reconstruct import TraceContext, reconstruct
from ingest.dialects.normalise import normalise
from ingest.model import StoredSpan
from ingest.otlp.protobuf import decode_traces
from tracer import configure, flush
from tracer.testing import capture
from webui.api_json import dump, trace_json

from .test_webui_cli_up import Up, running
from .tracer_play import play, switch_off
from .tracer_programs import Line, Node, expected, groups, programs, render

Json = dict[str, Any]
NOW_NS = 1_700_000_000_000_000_000 + 3_600_000_000_000


# --- reading a trace ----------------------------------------------------------------------------------------------


def outline(trace: Json, program: Node) -> str:
    """Return what Clew says of a trace, in the words of ``expected``."""
    assert (trace["missing_parents"], trace["orphan_steps"], trace["state"]) == (0, [], "complete"), trace
    runs = {run["run_id"]: run for run in trace["runs"]}
    (top,) = [run for run in trace["runs"] if run["parent_run_id"] is None]
    read: list[str] = []
    text = render(_run(top, runs, read), groups(program))
    assert sorted(read) == sorted(runs)
    return text


def _run(run: Json, runs: dict[str, Json], read: list[str]) -> Line:
    read.append(run["run_id"])
    end = run["termination"]
    assert (end["source"], run["session_id"], run["user_id"]) == ("declared", "s-1", "ada")
    words = ["agent", run["agent"], f"-> {end['reason']}", f"order={run['references']['order']}"]
    words += [f"tokens={run['usage']['input_tokens']}", run["input"]]
    if run["status"] == "error":
        words.append(f"! {end['detail']}" if end["reason"] != "escalated" else "!")
    return Line(run["agent"], " ".join(words), [_step(step, runs, read) for step in run["steps"]])


def _step(step: Json, runs: dict[str, Json], read: list[str]) -> Line:
    if step["kind"] == "agent":
        assert step["children"] == []
        return _run(runs[step["run_id"]], runs, read)
    found = re.search(r"n\d+", step["name"]) or re.search(r"n\d+", step["thought"] or "")
    assert found, step
    words = [step["kind"], found.group(), *_READERS.get(step["kind"], _read_plainly)(step)]
    if step["kind"] in ("other", "memory", "guardrail", "plan", "llm") and step["thought"]:
        words.append(f"thinks: {step['thought']}")
    if step["status"] == "error":
        words.append(f"! {step['error']}")
    return Line(found.group(), " ".join(words), [_step(child, runs, read) for child in step["children"]])


def _read_plainly(step: Json) -> list[str]:
    return []


def _read_tool(step: Json) -> list[str]:
    tool = step["tool"]
    assert (tool["source"], tool["error"]) == ("span", step["error"])
    return [f"({tool['arguments']})", f"= {tool['result']}"]


def _read_decision(step: Json) -> list[str]:
    made = step["decision"]
    if made is None:
        return ["undecided"]
    options = ", ".join(f"{one['name']} {one['score']} {one['because']}" for one in made["alternatives"])
    return [f"{made['question']} {made['chosen']} because {made['because']}: {options}"]


def _read_call(step: Json) -> list[str]:
    assert step["model"] == step["name"].removeprefix("chat ")
    return ["/".join(str(count) for count in step["usage"].values()) + f" {step['finish_reason']}"]


_READERS = {"tool": _read_tool, "decision": _read_decision, "fallback": _read_decision, "llm": _read_call}


def reconstructed(spans: list[ReadableSpan]) -> Json:
    """Return what the API would say of spans: over the wire's encoding, and through all that reads them."""
    decoded = decode_traces(encode_spans(spans).SerializeToString(), NOW_NS).spans
    stored = [
        StoredSpan(one.span_id, one.parent_span_id, one.name, one.start_ns, one.end_ns, one.status_code, normalise(one), one.scope.name)
        for one in decoded
    ]
    context = TraceContext(decoded[0].trace_id, NOW_NS, NOW_NS, NOW_NS * 2, lambda provider, model, usage, at_ns: None)
    assert {span.trace_id for span in decoded} == {decoded[0].trace_id}
    found: Json = json.loads(dump(trace_json(reconstruct(stored, context), "default")))
    return found


# --- the rule -----------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(programs())
def test_the_trace_is_the_program(program: Node) -> None:
    """Recorded into a list, encoded, decoded and reconstructed."""
    with capture() as captured:
        play(program)
    assert outline(reconstructed(captured.spans), program) == expected(program)


# --- through the wire ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Run Clew on free ports."""
    with running(tmp_path_factory.mktemp("clew")) as up:
        yield up


@pytest.fixture(params=["http/protobuf", "grpc"])
def sending(request: pytest.FixtureRequest, clew: Up) -> Iterator[str]:
    """Configure the SDK to send to it, and return where its API is."""
    part = "otlp-grpc" if request.param == "grpc" else "otlp-http"
    address = clew.address(part)
    configure(endpoint=address if "://" in address else f"http://{address}", protocol=request.param, service="programs")
    yield clew.address("web")
    assert flush()
    switch_off()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(program=programs())
def test_the_trace_is_the_program_through_the_wire(sending: str, program: Node) -> None:
    """Sent by the SDK's own pipeline, over each of its protocols, to a Clew that runs, and asked back from its API."""
    (trace_id,) = play(program)
    assert flush(20)
    assert outline(settled(sending, trace_id), program) == expected(program)


def settled(web: str, trace_id: str) -> Json:
    """Return a trace from the API. All of it was acknowledged, so only its being quite new may show."""
    with urllib.request.urlopen(f"{web}/api/v1/traces/{trace_id}", timeout=20) as answer:
        found: Json = json.loads(answer.read())
    return {**found, "state": "complete"} if found["state"] == "settling" else found
