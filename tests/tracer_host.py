"""A host program with everything on, for one process: its own provider, Sentry, instrumentations of models, a web framework, and an agent.

``python -m tests.tracer_host`` reads plans from its input, one a line: ``{"order": [...], ...}``. For each, a process of its own sets up
in that order, serves two requests with an agent run in each, and prints what arrived where the host looks: spans at its exporter,
transactions at Sentry. They are forks of one that has imported it all and set up nothing, which saves most of the time.
"""

import json
import os
import random
import sys
import traceback
from collections import Counter
from typing import Any

import anthropic
import fastapi
import flask
import openai
import sentry_sdk
from fastapi.testclient import TestClient
from openinference.instrumentation.anthropic import AnthropicInstrumentor
from opentelemetry import trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased

from tracer import agent_run, configure, flush, step, tool

SAMPLERS: dict[str, Sampler] = {"on": ParentBased(ALWAYS_ON), "off": ParentBased(ALWAYS_OFF), "none of a share": TraceIdRatioBased(0.0)}


class Host:
    """The program; each method that ``order`` may name sets one thing up."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.exporter = InMemorySpanExporter()
        self.sentry: list[dict[str, Any]] = []

    def provider(self) -> None:
        """The host's own provider and exporter, as the global one."""
        provider = TracerProvider(SAMPLERS[self.plan.get("sampler", "on")])
        provider.add_span_processor(BatchSpanProcessor(self.exporter))
        trace.set_tracer_provider(provider)

    def sentry_sdk(self) -> None:
        """Sentry, with tracing."""
        sentry_sdk.init("http://key@127.0.0.1:1/1", transport=self._take, traces_sample_rate=1.0)

    def models(self) -> None:
        """OpenInference for one library, OpenLLMetry for the other."""
        AnthropicInstrumentor().instrument()
        OpenAIInstrumentor().instrument()

    def clew(self) -> None:
        """Ours."""
        configure(endpoint=self.plan["backend"], service="host")

    def web(self) -> None:
        """The framework's instrumentation."""
        FlaskInstrumentor().instrument() if self.plan["web"] == "flask" else FastAPIInstrumentor().instrument()

    def _take(self, envelope: Any) -> None:
        event = envelope.get_transaction_event()
        if event is not None:
            self.sentry.append(event)

    def answer(self) -> dict[str, str]:
        """Do the work of one request: the host's own spans around and inside an agent run."""
        tracer = trace.get_tracer("host")
        claude = anthropic.Anthropic(base_url=self.plan["models"], api_key="k", max_retries=0)
        gpt = openai.OpenAI(base_url=f"{self.plan['models']}/v1", api_key="k", max_retries=0)
        ask: list[Any] = [{"role": "user", "content": "Is it sunny in Leeds?"}]
        with tracer.start_as_current_span("before"):
            pass
        with tracer.start_as_current_span("around"), agent_run("weather", session="s1", user="u1") as run:
            claude.messages.create(model="claude-test", max_tokens=99, messages=ask)
            with step("look it up"), tool("search", arguments={"q": "Leeds"}) as call, tracer.start_as_current_span("query"):
                call.result("sunny")
            gpt.chat.completions.create(model="gpt-test", messages=ask)
        with tracer.start_as_current_span("after"):
            pass
        return {"run": str(run.id or "")}

    def serve(self) -> None:
        """Serve two requests."""
        if self.plan["web"] == "flask":
            app = flask.Flask("host")
            app.add_url_rule("/ask", "ask", self.answer)
            client: Any = app.test_client()
        else:
            api = fastapi.FastAPI()
            api.add_api_route("/ask", self.answer)
            client = TestClient(api)
        for _ in range(2):
            assert client.get("/ask").status_code == 200

    def told(self) -> dict[str, Any]:
        """Return what arrived where the host looks."""
        trace.get_tracer_provider().force_flush()  # type: ignore[attr-defined]  # the SDK's
        sentry_sdk.flush(5)
        spans = Counter(f"{span.instrumentation_scope.name}: {span.name}" for span in self.exporter.get_finished_spans())  # type: ignore[union-attr]
        kept = [dict(span.attributes or {}) for span in self.exporter.get_finished_spans()]
        return {
            "spans": dict(sorted(spans.items())),
            "sentry": sorted(f"{event['transaction']}: {len(event['spans'])}" for event in self.sentry),
            "is_global_the_hosts": type(trace.get_tracer_provider()) is TracerProvider,
            "prompts_of_ours": sum("gen_ai.tool.call.arguments" in attributes for attributes in kept),
            "stamped": sum("clew.run.id" in attributes for attributes in kept),
        }


def carry_out(plan: dict[str, Any]) -> None:
    """Be the host of one plan."""
    random.seed(plan.get("seed", 0))
    host = Host(plan)
    for name in plan["order"]:
        getattr(host, name)()
    host.serve()
    told = host.told()
    told["flushed"] = flush(15)
    print(json.dumps(told), flush=True)


def main() -> None:
    """Carry out one plan after the other."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                carry_out(json.loads(line))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        if os.waitpid(child, 0)[1]:
            print("{}", flush=True)


if __name__ == "__main__":
    main()
