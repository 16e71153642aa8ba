"""Other people's instrumentations, switched on by name: the real packages, around the real clients."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from openinference.instrumentation.anthropic import AnthropicInstrumentor
from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor as MetryInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import format_span_id

from tracer import agent_run, instrument_anthropic, llm_call
from tracer.instruments.instrument import switch_off, switch_on
from tracer.recording import active
from tracer.recording.active import Active

from .model_server import ModelServer, model_server

ASK: list[Any] = [{"role": "user", "content": "Is it sunny in Leeds?"}]
ROOT = Path(__file__).parent.parent

INFERENCE, METRY, OURS = "openinference.instrumentation.anthropic", "opentelemetry.instrumentation.anthropic", "clew"


class Keep(SpanProcessor):
    def __init__(self, spans: list[ReadableSpan]) -> None:
        self._spans = spans

    def on_end(self, span: ReadableSpan) -> None:
        self._spans.append(span)


class Recorded:
    """A provider whose spans end up in a list."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(Keep(self.spans))

    def told(self) -> list[tuple[str, str]]:
        """Return scope and parent's name of each model call's span, in the order of their ends."""
        names = {span.context.span_id: span.name for span in self.spans}
        calls = [span for span in self.spans if not span.name.startswith("invoke_agent")]
        return [(_scope(span), names.get(span.parent.span_id, "?") if span.parent else "none") for span in calls]


def _scope(span: ReadableSpan) -> str:
    assert span.instrumentation_scope is not None
    return span.instrumentation_scope.name


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    """Configure a pipeline that ends in a list, and leave no instrumentation on."""
    made = Recorded()
    active.activate(
        Active(
            tracer=made.provider.get_tracer(OURS),
            announce=lambda span, said: None,
            run_started=lambda trace_id: None,
            heartbeat_s=0,
        )
    )
    yield made
    switch_off()
    active.activate(None)
    made.provider.shutdown()


@pytest.fixture
def claude(server: ModelServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=server.url, api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
def gpt(server: ModelServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0) as client:
        yield client


def ask(client: anthropic.Anthropic) -> None:
    """Call in a run, in each of three ways."""
    with agent_run("weather"):
        client.messages.create(model="claude-test", max_tokens=99, messages=ASK)
        assert list(client.messages.create(model="claude-test", max_tokens=99, messages=ASK, stream=True))
        with client.messages.stream(model="claude-test", max_tokens=99, messages=ASK) as stream:
            stream.until_done()


RUN = "invoke_agent weather"


def test_openinference_is_used_where_both_are_installed(recorded: Recorded, claude: anthropic.Anthropic) -> None:
    """Its spans are part of the run, and OpenLLMetry's are not there beside them."""
    switch_on(["anthropic"], recorded.provider)
    ask(claude)
    assert recorded.told() == [(INFERENCE, RUN)] * 3
    trace_ids = {span.context.trace_id for span in recorded.spans}
    assert len(trace_ids) == 1


def test_openai_too(recorded: Recorded, gpt: openai.OpenAI) -> None:
    switch_on(["openai"], recorded.provider)
    with agent_run("weather"):
        gpt.chat.completions.create(model="gpt-test", messages=ASK)
        gpt.responses.create(model="gpt-test", input="Is it sunny?")
    assert recorded.told() == [("openinference.instrumentation.openai", RUN)] * 2


@pytest.mark.parametrize("is_first", [True, False])
def test_our_own_gives_way_whatever_came_first(recorded: Recorded, claude: anthropic.Anthropic, is_first: bool) -> None:
    """A client that is instrumented on its own makes no second span, and makes its own again once the other is off."""
    if is_first:
        instrument_anthropic(claude)
    switch_on(["anthropic"], recorded.provider)
    instrument_anthropic(claude)
    ask(claude)
    assert recorded.told() == [(INFERENCE, RUN)] * 3
    switch_off()
    recorded.spans.clear()
    ask(claude)
    assert recorded.told() == [(OURS, RUN)] * 3


def test_our_own_gives_way_to_what_the_host_switched_on(recorded: Recorded, claude: anthropic.Anthropic) -> None:
    MetryInstrumentor().instrument(tracer_provider=recorded.provider)
    try:
        ask(instrument_anthropic(claude))
    finally:
        MetryInstrumentor().uninstrument()
    assert recorded.told() == [(METRY, RUN)] * 3


@pytest.mark.parametrize("instrumentor", [AnthropicInstrumentor, MetryInstrumentor])
def test_what_the_host_switched_on_stays_the_hosts(recorded: Recorded, claude: anthropic.Anthropic, instrumentor: Any) -> None:
    """Neither is a second one switched on beside it, nor is it switched off with ours."""
    hosts = Recorded()
    instrumentor().instrument(tracer_provider=hosts.provider)
    try:
        switch_on(["anthropic"], recorded.provider)
        switch_off()
        ask(claude)
        assert instrumentor().is_instrumented_by_opentelemetry
    finally:
        instrumentor().uninstrument()
        hosts.provider.shutdown()
    assert len(hosts.told()) == 3
    assert recorded.told() == []


def test_configured_anew_the_spans_go_to_the_new_place(recorded: Recorded, claude: anthropic.Anthropic) -> None:
    other = Recorded()
    switch_on(["anthropic"], other.provider)
    switch_on(["anthropic"], recorded.provider)
    ask(claude)
    switch_on([], recorded.provider)
    ask(claude)
    assert len(recorded.told()) == 3 and other.told() == []
    other.provider.shutdown()


def test_switched_off_the_client_is_as_it_was(recorded: Recorded) -> None:
    owners = (anthropic.resources.Messages, anthropic.resources.AsyncMessages, anthropic.resources.beta.messages.Messages)
    before = [dict(vars(owner)) for owner in owners]
    switch_on(["anthropic", "openai"], recorded.provider)
    switch_off()
    assert [dict(vars(owner)) for owner in owners] == before


def test_a_block_around_a_call_is_its_parent(recorded: Recorded, claude: anthropic.Anthropic) -> None:
    """The call is counted once on the server's side: a model call within a model call is one."""
    switch_on(["anthropic"], recorded.provider)
    with agent_run("weather"), llm_call("claude-test"):
        claude.messages.create(model="claude-test", max_tokens=99, messages=ASK)
    assert recorded.told() == [(INFERENCE, "chat claude-test"), (OURS, RUN)]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("opnai", "did you mean 'openai'"), ("langchan", "did you mean 'langchain'"), ("zzz", "known are ag2, agno"), ("", "known are")],
)
def test_an_unknown_name_is_an_error_that_names_the_nearest(recorded: Recorded, name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        switch_on(["anthropic", name], recorded.provider)
    assert not AnthropicInstrumentor().is_instrumented_by_opentelemetry


@pytest.mark.parametrize("name", ["openai-agents", "llama-index", "LangGraph"])
def test_names_are_spelled_as_people_do(recorded: Recorded, name: str, caplog: pytest.LogCaptureFixture) -> None:
    switch_on([name], recorded.provider)
    assert "pip install openinference-instrumentation-" in caplog.text


def test_a_missing_package_is_one_warning_that_says_what_to_install(recorded: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    switch_on(["groq", "groq", "watsonx"], recorded.provider)
    assert [record.getMessage() for record in caplog.records] == [
        "groq is not instrumented: pip install openinference-instrumentation-groq",
        "watsonx is not instrumented: pip install opentelemetry-instrumentation-watsonx",
    ]


# --- where less is installed: in a process of its own, from which packages are hidden

SCRIPT = """
import logging, sys
for name in HIDDEN:
    sys.modules[name] = None
logging.basicConfig(format="%(name)s: %(message)s")
from opentelemetry.sdk.trace import TracerProvider, SpanProcessor
from tracer.recording import active
from tracer import agent_run
from tracer.recording.active import Active
from tracer.instruments.instrument import switch_on

class Show(SpanProcessor):
    def on_end(self, span):
        parent = span.parent.span_id if span.parent else 0
        print(span.instrumentation_scope.name, span.name, "in the run" if parent == run_span else "outside")

provider = TracerProvider()
provider.add_span_processor(Show())
active.activate(Active(tracer=provider.get_tracer("clew"), announce=lambda *_: None, run_started=lambda _: None, heartbeat_s=0))
switch_on(["anthropic"], provider)
ASK = {"model": "claude-test", "max_tokens": 99, "messages": [{"role": "user", "content": "Sunny?"}]}
run_span = None
if "anthropic" not in HIDDEN:
    import anthropic
    with anthropic.Anthropic(base_url=sys.argv[1], api_key="k") as client, agent_run("weather") as run:
        run_span = int(run.id, 16)
        client.messages.create(**ASK)
        list(client.messages.create(**ASK, stream=True))
        with client.beta.messages.stream(**ASK) as stream:
            stream.until_done()
"""


def run_without(server: ModelServer, *hidden: str) -> tuple[list[str], str]:
    """Run the script where packages are hidden; return its lines and its log."""
    script = f"HIDDEN = {hidden!r}\n{SCRIPT}"
    done = subprocess.run([sys.executable, "-c", script, server.url], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return [line for line in done.stdout.splitlines() if "invoke_agent" not in line], done.stderr


def test_openllmetry_is_used_where_openinference_is_not_installed(server: ModelServer) -> None:
    lines, log = run_without(server, "openinference")
    assert [line.split()[0] for line in lines] == [METRY] * 3
    assert all(line.endswith("in the run") for line in lines)
    assert "clew:" not in log


def test_our_own_is_used_where_neither_is_installed(server: ModelServer) -> None:
    """The clients' classes are instrumented: nobody has to hand a client over."""
    lines, log = run_without(server, "openinference", "opentelemetry.instrumentation")
    assert lines == ["clew chat claude-test in the run"] * 3
    assert log == ""


def test_without_the_library_there_is_nothing_to_instrument(server: ModelServer) -> None:
    lines, log = run_without(server, "openinference", "opentelemetry.instrumentation", "anthropic")
    assert (lines, log) == ([], "clew: anthropic is not instrumented: pip install openinference-instrumentation-anthropic\n")


def test_ids_are_hex(recorded: Recorded, claude: anthropic.Anthropic) -> None:
    """The run's own id is the parent of the instrumented call."""
    switch_on(["anthropic"], recorded.provider)
    with agent_run("weather") as run:
        claude.messages.create(model="claude-test", max_tokens=99, messages=ASK)
    (call,) = [span for span in recorded.spans if span.name != RUN]
    assert call.parent is not None and format_span_id(call.parent.span_id) == run.id
