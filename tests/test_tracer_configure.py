"""What ``configure`` takes and reads, and that it neither raises for a backend nor shows a key."""

import json
import logging
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace

from tracer.configure import configure, flush, losses
from tracer.recording import active
from tracer.settings import Options, Settings, load_settings

from .otlp_backend import Reply, attributes_of, backend, free_port, replies

HTTP = "http/protobuf"


@pytest.fixture(autouse=True)
def _switched_off_again() -> Iterator[None]:
    yield
    os.environ.pop("OTEL_SDK_DISABLED", None)
    # The one way to switch off: a variable says so.
    os.environ["OTEL_SDK_DISABLED"] = "true"
    configure()
    del os.environ["OTEL_SDK_DISABLED"]


def settings(environ: dict[str, str] | None = None, **options: Any) -> Settings:
    """Read settings of an environment and options."""
    given: Options = options  # type: ignore[assignment]  # as callers write them
    return load_settings(given, environ or {})


# --- where to -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "options", "url", "protocol"),
    [
        ({}, {}, "http://127.0.0.1:4318/v1/traces", HTTP),
        ({}, {"protocol": "grpc"}, "http://127.0.0.1:4317", "grpc"),
        ({}, {"endpoint": "http://h:4318/"}, "http://h:4318/v1/traces", HTTP),
        ({}, {"endpoint": "https://h/otlp"}, "https://h/otlp/v1/traces", HTTP),
        ({}, {"endpoint": "http://h:4318/v1/traces"}, "http://h:4318/v1/traces", HTTP),
        ({}, {"endpoint": "localhost:4318"}, "http://localhost:4318/v1/traces", HTTP),
        ({}, {"endpoint": "clew.example.com"}, "https://clew.example.com/v1/traces", HTTP),
        ({}, {"endpoint": "http://h:4317"}, "http://h:4317", "grpc"),
        ({}, {"endpoint": ""}, "http://127.0.0.1:4318/v1/traces", HTTP),
        ({"CLEW_ENDPOINT": "http://c:4318"}, {}, "http://c:4318/v1/traces", HTTP),
        ({"CLEW_ENDPOINT": "http://c:4318"}, {"endpoint": "http://h:1"}, "http://h:1/v1/traces", HTTP),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://o:4318/x", "CLEW_ENDPOINT": "http://c"}, {}, "http://o:4318/x/v1/traces", HTTP),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t:4318"}, {}, "http://t:4318/", HTTP),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/a", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://o"}, {}, "http://t/a", HTTP),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, {}, "http://127.0.0.1:4317", "grpc"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, {}, "http://127.0.0.1:4318/v1/traces", HTTP),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, {"protocol": "http/protobuf"}, "http://127.0.0.1:4318/v1/traces", HTTP),
    ],
)
def test_endpoints(environ: dict[str, str], options: dict[str, Any], url: str, protocol: str) -> None:
    """Code wins over ``OTEL_``, which wins over ``CLEW_``; paths are appended as the specification says."""
    endpoint = settings(environ, **options).endpoint
    assert (endpoint.url, endpoint.protocol) == (url, protocol)


def test_headers_and_keys() -> None:
    """The key is a bearer token; headers of the environment belong to the address of the environment."""
    environ = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20abc,X-Team=a%2Cb", "CLEW_API_KEY": "k"}
    assert settings(environ).endpoint.headers == {"authorization": "Basic abc", "x-team": "a,b"}
    assert settings(environ, endpoint="http://h").endpoint.headers == {"authorization": "Bearer k"}
    assert settings(environ, api_key="mine").endpoint.headers["authorization"] == "Bearer mine"
    assert settings({}, headers={"X-A": "1"}).endpoint.headers == {"x-a": "1"}
    with pytest.raises(ValueError, match="line break"):
        settings({}, api_key="a\r\nX-Evil: 1")


def test_nothing_shows_the_key() -> None:
    """Not the settings, not the pipeline, not the recorders' handle."""
    read = settings({"CLEW_API_KEY": "very-secret-1"}, headers={"x-other": "very-secret-2"})
    assert "very-secret" not in repr(read)
    configure(endpoint=f"http://127.0.0.1:{free_port()}", api_key="very-secret-3")
    assert "very-secret" not in repr(active.current())


def test_the_web_address() -> None:
    """The local one for the local endpoint, else what is said, else none."""
    assert settings().base_url == "http://127.0.0.1:7070"
    assert settings({}, endpoint="http://h:4318").base_url is None
    assert settings({"CLEW_BASE_URL": "https://clew.example.com/"}).base_url == "https://clew.example.com"
    assert settings({"CLEW_BASE_URL": "https://a"}, base_url="https://b").base_url == "https://b"


def test_other_variables() -> None:
    """Timeouts in seconds or milliseconds, compression, certificates, samplers, limits."""
    assert settings({"OTEL_EXPORTER_OTLP_TIMEOUT": "5"}).endpoint.timeout_s == 5
    assert settings({"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "2500"}).endpoint.timeout_s == 2.5
    assert settings({"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}).endpoint.timeout_s == 10
    assert not settings({"OTEL_EXPORTER_OTLP_COMPRESSION": "none"}).endpoint.gzip
    assert settings({"OTEL_EXPORTER_OTLP_CERTIFICATE": "/ca.pem"}).endpoint.certificate == "/ca.pem"
    sampler = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}
    assert settings(sampler).sampling.share == 0.25
    assert settings(sampler, sample=1.0).sampling.share == 1.0
    assert settings({"OTEL_TRACES_SAMPLER": "always_off"}).sampling == settings({}, sample=0.0, keep=()).sampling
    assert settings({"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "64"}).max_attributes is None
    assert settings({"OTEL_SDK_DISABLED": "True"}).is_disabled


@pytest.mark.parametrize(
    "wrong",
    [
        {"protocol": "http/json"}, {"endpoint": "ftp://h"}, {"endpoint": "http://"}, {"sample": 2}, {"keep": ("sometimes",)},
        {"keep": "errors"}, {"max_value_chars": 3}, {"max_queue_spans": 0}, {"redact": "(a+)+"}, {"redact": 7},
        {"instrument": ["no_such_library"]},
        {"endpoint": "http://h\r\nx"},
    ],
)  # fmt: skip
def test_what_the_code_states_wrongly_is_told(wrong: dict[str, Any]) -> None:
    """At start, where somebody reads it; and what was configured before goes on."""
    configure(endpoint=f"http://127.0.0.1:{free_port()}")
    before = active.current()
    with pytest.raises(ValueError):
        configure(**wrong)
    assert active.current() is before or "instrument" in wrong


def test_an_unknown_option_is_told() -> None:
    """As Python does."""
    with pytest.raises(TypeError, match="'endpont'"):
        configure(endpont="http://h")  # type: ignore[call-arg]  # a typing error


# --- what it does -------------------------------------------------------------------------------------------------


def test_spans_arrive_with_their_sender() -> None:
    """Service, environment, version and key; gzip; the global provider is not touched."""
    before = trace.get_tracer_provider()
    with backend() as running:
        configure(endpoint=running.url, api_key="k1", service="shop", environment="test", version="1.2")
        pipeline = active.current()
        assert pipeline is not None
        with pipeline.tracer.start_as_current_span("hello"):
            pass
        assert flush(10)
        resource = {pair.key: pair.value.string_value for pair in running.taken[0].resource_spans[0].resource.attributes}
    assert running.names() == ["hello"]
    assert {"service.name": "shop", "deployment.environment.name": "test", "service.version": "1.2"}.items() <= resource.items()
    head = running.heads[0].lower()
    assert "authorization: bearer k1" in head and "content-encoding: gzip" in head and head.startswith("post /v1/traces")
    assert trace.get_tracer_provider() is before


def test_announcements_arrive_at_once() -> None:
    """Long before the batch they would be in."""
    with backend() as running:
        configure(endpoint=running.url)
        pipeline = active.current()
        assert pipeline is not None
        with pipeline.tracer.start_as_current_span("run") as span:
            pipeline.announce(span, {"clew.announce": "started"})
            assert running.wait_for(lambda one: len(one.taken) == 1)
            assert attributes_of(running.spans[0]) == {"clew.announce": "started"}


def test_configuring_again_delivers_and_goes_over() -> None:
    """What was recorded goes where it was to go; what comes then, to the new one."""
    with backend() as first, backend() as second:
        for running in (first, second):
            configure(endpoint=running.url)
            pipeline = active.current()
            assert pipeline is not None
            pipeline.tracer.start_span("x").end()
        assert flush(10)
        assert (len(first.spans), len(second.spans)) == (1, 1)


def test_disabled_is_off() -> None:
    """The standard switch."""
    configure(endpoint=f"http://127.0.0.1:{free_port()}")
    os.environ["OTEL_SDK_DISABLED"] = "true"
    configure()
    assert active.current() is None
    assert flush() and losses() == {}


def test_flush_tells_the_truth_and_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """False where nobody is there, with one warning and without the key in it."""
    configure(endpoint=f"http://127.0.0.1:{free_port()}", api_key="very-secret")
    pipeline = active.current()
    assert pipeline is not None
    for _ in range(3):
        pipeline.tracer.start_span("x").end()
        assert not flush(0.3)
    warnings = [record for record in caplog.records if record.name.startswith("clew")]
    assert len(warnings) == 1
    assert "very-secret" not in caplog.text


def test_a_flush_waits_for_a_backend_that_is_busy() -> None:
    """A short Retry-After is waited for."""
    with backend(replies([Reply(503, (("Retry-After", "0"),)), Reply(502)])) as running:
        configure(endpoint=running.url)
        pipeline = active.current()
        assert pipeline is not None
        pipeline.tracer.start_span("x").end()
        assert flush(10)
        assert running.names() == ["x"]


# --- processes ----------------------------------------------------------------------------------------------------


def run_host(program: str, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of a host's."""
    source = "import os, sys, time\nfrom tracer.recording import active\nfrom tracer.configure import configure, flush\nURL = sys.argv[1]\n"
    source += "def span(name):\n    active.current().tracer.start_span(name).end()\n" + textwrap.dedent(program)
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", source, url, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_end_of_the_process_delivers() -> None:
    """Without a flush, also after an exception that nobody caught."""
    with backend() as running:
        done = run_host("configure(endpoint=URL)\nspan('last words')\nraise SystemExit(3)", running.url)
        assert (done.returncode, done.stderr) == (3, "")
        assert running.names() == ["last words"]


@pytest.mark.parametrize(("is_there", "most_s"), [(True, 25.0), (False, 25.0)])
def test_the_end_of_the_process_is_bounded(is_there: bool, most_s: float) -> None:
    """A backend that hangs holds it up for seconds, one that is not there hardly; neither learns the log the key."""
    with backend(lambda number: Reply(hang_s=60)) as running:
        url = running.url if is_there else f"http://127.0.0.1:{free_port()}"
        began = time.monotonic()
        done = run_host("configure(endpoint=URL, api_key='very-secret')\nspan('x')", url)
        assert done.returncode == 0
        assert time.monotonic() - began < most_s
        assert "very-secret" not in done.stdout + done.stderr


def test_the_spool_takes_what_the_end_of_the_process_leaves(tmp_path: Path) -> None:
    """A backend that hangs, or is not there: the next process delivers."""
    for number, script in enumerate((lambda number: Reply(hang_s=60), None)):
        with backend(script or (lambda number: Reply())) as running:
            url = running.url if script else f"http://127.0.0.1:{free_port()}"
            done = run_host("configure(endpoint=URL, spool=sys.argv[2])\nspan('left over')", url, str(tmp_path / str(number)))
            assert done.returncode == 0
        with backend() as running:
            run_host("configure(endpoint=URL, spool=sys.argv[2])\nspan('next')", running.url, str(tmp_path / str(number)))
            assert sorted(running.names()) == ["left over", "next"]


def test_forks_send_what_is_theirs() -> None:
    """Nothing twice, nothing lost: the parent's spans from before the fork, each child's and the parent's own after it."""
    program = """
    configure(endpoint=URL)
    span("before")
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            span(f"child {number}")
            os._exit(0 if flush(10) else 1)
        children.append(child)
    span("after")
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    print(codes, flush(10))
    """
    with backend() as running:
        done = run_host(program, running.url)
        assert done.stdout == "[0, 0, 0] True\n", done.stderr
        assert sorted(running.names()) == ["after", "before", "child 0", "child 1", "child 2"]


def test_pools_of_processes_deliver_without_a_flush() -> None:
    """Their processes end in a way of their own."""
    program = """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    configure(endpoint=URL)
    span("before")
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        list(pool.map(span, [f"task {number}" for number in range(6)]))
    process = multiprocessing.get_context("fork").Process(target=span, args=("process",))
    process.start()
    process.join()
    """
    with backend() as running:
        done = run_host(program, running.url)
        assert done.stderr == ""
        assert sorted(running.names()) == ["before", "process", *(f"task {number}" for number in range(6))]


_GLOBAL = """
from collections import Counter
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tracer import agent_run, step
exporter = InMemorySpanExporter()
host = TracerProvider()
host.add_span_processor(SimpleSpanProcessor(exporter))
def work():
    with trace.get_tracer("host").start_as_current_span("outside"):
        pass
    with agent_run("a"), step("b"), trace.get_tracer("host").start_as_current_span("inside"):
        pass
def told():
    print(sorted(span.name for span in exporter.get_finished_spans()), flush(10))
"""


def test_a_provider_given_gets_our_spans_as_well() -> None:
    """Once each, and of the host's own only what is in a trace with a run comes to us."""
    program = _GLOBAL + "trace.set_tracer_provider(host)\nconfigure(endpoint=URL, provider=host)\nwork()\ntold()"
    with backend() as running:
        done = run_host(program, running.url)
        assert done.stdout == "['b', 'inside', 'invoke_agent a', 'outside'] True\n", done.stderr
        assert sorted(name for name in running.names() if not name.startswith("clew ")) == ["b", "inside", "invoke_agent a"]


def test_a_provider_that_is_set_later_is_joined() -> None:
    """At the start of the next run; and its spans are not ours to keep from it."""
    program = _GLOBAL + "configure(endpoint=URL)\nwork()\ntrace.set_tracer_provider(host)\nwork()\ntold()"
    with backend() as running:
        done = run_host(program, running.url)
        assert done.stdout == "['inside', 'outside'] True\n", done.stderr
        names = sorted(name for name in running.names() if not name.startswith("clew "))
        assert names == ["b", "b", "inside", "invoke_agent a", "invoke_agent a"]


def test_ours_can_be_the_global_one() -> None:
    """Where that is wanted; then all spans are ours."""
    program = _GLOBAL + "configure(endpoint=URL, take_global=True)\nwork()\ntold()"
    with backend() as running:
        done = run_host(program, running.url)
        assert done.stdout == "[] True\n", done.stderr
        names = sorted(name for name in running.names() if not name.startswith("clew "))
        assert names == ["b", "inside", "invoke_agent a", "outside"]


def test_configured_again_the_host_sees_no_difference() -> None:
    """It is joined once, whatever is configured how often."""
    program = _GLOBAL + "trace.set_tracer_provider(host)\nfor _ in range(3):\n    configure(endpoint=URL)\n    work()\ntold()"
    with backend() as running:
        done = run_host(program, running.url)
        assert done.stdout == f"{['inside'] * 3 + ['outside'] * 3} True\n", done.stderr
        names = sorted(name for name in running.names() if not name.startswith("clew "))
        assert names == ["b"] * 3 + ["inside"] * 3 + ["invoke_agent a"] * 3


def test_a_seeded_host_gets_fresh_ids_and_its_own_numbers() -> None:
    """Ids do not come from ``random``: two seeded processes do not share traces, and the host's numbers are what they were."""
    program = """
    import random
    configure(endpoint=URL)
    random.seed(1)
    span("x")
    print(random.random(), flush(10))
    """
    with backend() as running:
        outputs = {run_host(program, running.url).stdout for _ in range(2)}
        assert outputs == {"0.13436424411240122 True\n"}
        assert len({span.trace_id for span in running.spans}) == 2


def test_importing_reads_no_more_than_it_must() -> None:
    """Who does not use gRPC does not import it."""
    done = subprocess.run(
        [sys.executable, "-c", "import json, sys, tracer.configure; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert loaded & {"grpc", "requests", "flask", "sqlalchemy", "openai", "anthropic"} == set()


def test_logging_names_no_content(caplog: pytest.LogCaptureFixture) -> None:
    """A span that cannot be encoded is told by the kind of its error alone."""
    caplog.set_level(logging.DEBUG)
    with backend() as running:
        configure(endpoint=running.url, redact=lambda key, text: 1 / 0)  # type: ignore[arg-type,return-value]  # on purpose
        pipeline = active.current()
        assert pipeline is not None
        pipeline.tracer.start_span("prompt words", attributes={"a": "prompt words"}).end()
        assert flush(10)
        assert b"prompt words" not in running.taken[0].SerializeToString()
    assert "prompt words" not in caplog.text
