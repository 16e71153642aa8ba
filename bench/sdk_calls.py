"""One process of the SDK's benchmark: ``python sdk_calls.py WHAT CALLS`` prints microseconds of processor time a call, as JSON.

It stands alone, so that it also runs in an environment with another SDK. ``WHAT`` is ``ours``, ``pipeline``, ``noop`` or another's name.
What is compared runs in turns, call by call in random order: as in an agent, where much else happens between two spans.
"""

import json
import logging
import os
import random
import statistics
import sys
import time
import timeit
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib import import_module
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from tracer import agent_run, configure, current_run, decision, llm_call, record, step, tool
from tracer.recording import active

Call = Callable[[], Any]

_SEARCHES = "Looks for free slots of a day."
_NOOP_BATCH, _NOOP_BATCHES = 500, 60


def search(day: str, limit: int) -> str:
    """Be what is decorated."""
    return "10:00, 11:30"


class _Keep(SpanProcessor):
    def __init__(self) -> None:
        self.ended: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)


class NullExporter(SpanExporter):
    """Takes everything and does nothing with it."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Say that it is done."""
        return SpanExportResult.SUCCESS


# --- ours and the bare span ---------------------------------------------------------------------------------------


def _decorated() -> Callable[..., str]:
    return tool("search", description=_SEARCHES)(search)


def _attributes_of_ours() -> dict[str, Any]:
    """Return the ten attributes that our decorator puts on a call inside a run."""
    provider, keep = TracerProvider(shutdown_on_exit=False), _Keep()
    provider.add_span_processor(keep)
    _activate(provider)
    with agent_run("scheduler", session="s-1"):
        _decorated()("Monday", limit=3)
    attributes = dict(keep.ended[0].attributes or {})
    assert len(attributes) == 10, attributes
    return attributes


def _activate(provider: TracerProvider) -> None:
    active.activate(active.Active(provider.get_tracer("clew"), lambda span, said: None, lambda trace_id: None, heartbeat_s=0))


def _bare(provider: TracerProvider) -> Call:
    """Return a call that makes a span with the same attributes by the SDK alone; its result is set where it is known, as ours is."""
    attributes = _attributes_of_ours()
    result = "gen_ai.tool.call.result"
    del attributes[result]
    tracer = provider.get_tracer("bare")

    def call() -> None:
        with tracer.start_as_current_span("execute_tool search", attributes=attributes) as span:
            span.set_attribute(result, search("Monday", limit=3))

    return call


def _ours() -> Call:
    traced = _decorated()
    return lambda: traced("Monday", limit=3)


def _block() -> Call:
    def call() -> None:
        with tool("search", arguments={"day": "Monday", "limit": 3}, description=_SEARCHES) as made:
            made.result(search("Monday", limit=3))

    return call


# --- the others ---------------------------------------------------------------------------------------------------


def _openinference(stack: ExitStack) -> Call:
    theirs = import_module("openinference.instrumentation").TracerProvider().get_tracer("theirs")
    stack.enter_context(theirs.start_as_current_span("agent", openinference_span_kind="agent"))
    traced = theirs.tool(name="search", description=_SEARCHES)(search)
    return lambda: traced("Monday", limit=3)


def _traceloop(stack: ExitStack) -> Call:
    start = import_module("traceloop.sdk").Traceloop.init
    start(app_name="bench", exporter=NullExporter(), telemetry_enabled=False, instruments=set())
    traced = import_module("traceloop.sdk.decorators").tool(name="search")(search)
    return lambda: traced("Monday", limit=3)


def _langfuse(stack: ExitStack) -> Call:
    langfuse = import_module("langfuse")
    langfuse.Langfuse(public_key="pk-lf-bench", secret_key="sk-lf-bench", base_url="http://127.0.0.1:9", flush_interval=3600, timeout=1)
    traced = langfuse.observe(name="search", as_type="tool")(search)
    return lambda: traced("Monday", limit=3)


def _logfire(stack: ExitStack) -> Call:
    logfire = import_module("logfire")
    logfire.configure(send_to_logfire=False, console=False)
    traced = logfire.instrument("search", record_return=True)(search)
    return lambda: traced("Monday", limit=3)


PEERS: dict[str, Callable[[ExitStack], Call]] = {
    "openinference": _openinference,
    "traceloop": _traceloop,
    "langfuse": _langfuse,
    "logfire": _logfire,
}


# --- measuring ----------------------------------------------------------------------------------------------------


def in_turns(calls: dict[str, Call], repeats: int) -> dict[str, float]:
    """Return the median microseconds of processor time of each call."""
    took_ns: dict[str, list[int]] = {name: [] for name in calls}
    ordered, clock_ns, rng = list(calls.items()), time.thread_time_ns, random.Random(7)
    for _ in range(repeats):
        rng.shuffle(ordered)
        for name, call in ordered:
            started_ns = clock_ns()
            call()
            took_ns[name].append(clock_ns() - started_ns)
    return {name: statistics.median(found) / 1000 for name, found in took_ns.items()}


def _measure(what: str, repeats: int) -> dict[str, float]:
    if what == "noop":
        return {name: _noop(call) for name, call in _noop_calls().items()}
    provider = TracerProvider(shutdown_on_exit=False)
    calls = {"bare": _bare(provider)}
    with ExitStack() as stack:
        if what in PEERS:
            calls[what] = PEERS[what](stack)
        if what == "pipeline":
            provider.add_span_processor(BatchSpanProcessor(NullExporter()))
            configure(endpoint="http://127.0.0.1:9", heartbeat_s=0)
        else:
            _activate(provider)
        stack.enter_context(agent_run("scheduler", session="s-1"))
        calls |= {"ours": _ours(), "block": _block()}
        in_turns(calls, repeats // 10)
        return in_turns(calls, repeats)


def _noop_calls() -> dict[str, Call]:
    traced = _decorated()

    def block(make: Callable[[], Any]) -> Call:
        def call() -> None:
            with make():
                pass

        return call

    return {
        "a decorated function": lambda: traced("Monday", limit=3),
        "with step": block(lambda: step("s")),
        "with tool": block(lambda: tool("s")),
        "with llm_call": block(lambda: llm_call("m")),
        "with agent_run": block(lambda: agent_run("a")),
        "decision.choose": lambda: decision("q", ("a", "b")).choose("a"),
        "record": lambda: record("cache", hit=True),
        "current_run().thought": lambda: current_run().thought("t"),
    }


def _noop(call: Call) -> float:
    """Return the microseconds of one call: the best of many batches, for what is this short."""
    took_s = timeit.repeat(call, time.thread_time, repeat=_NOOP_BATCHES, number=_NOOP_BATCH)
    return min(took_s) / _NOOP_BATCH * 1e6


if __name__ == "__main__":
    logging.disable()
    print(json.dumps(_measure(sys.argv[1], int(sys.argv[2]))), flush=True)
    # The others' threads go on trying to send.
    os._exit(0)
