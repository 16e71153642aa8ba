"""From an ended span to a delivered one: bounds, order, retries, sampling and what is told of losses, on a clock moved by hand."""

import logging
import os
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, ParentBased, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from tracer import semconv
from tracer.recording.beside import Beside, beside
from tracer.sending.deliver import Answer
from tracer.sending.deliver_http import read_retry_after
from tracer.sending.queue import attributes_of as attributes_behind
from tracer.sending.queue import weigh
from tracer.sending.sampling import HeadSampler
from tracer.settings import Bounds, Sampling

from .otlp_backend import attributes_of
from .tracer_rig import AWAY, TAKEN, Rig
from .tracer_spans import ended_span

HOUR_S = 3_600.0


def some_spans(count: int, **parts: object) -> list[ReadableSpan]:
    """Make spans named by number."""
    return [ended_span(f"s{number}", **parts) for number in range(count)]


def run_span(trace_id: int, reason: str = "completed", **parts: object) -> ReadableSpan:
    """Make a run's own span."""
    span = ended_span("run", trace_id=trace_id, attributes={semconv.TERMINATION_REASON: reason, "big": parts.pop("big", "")}, **parts)
    attributes_behind(span)[semconv.RUN_ID] = f"{span.context.span_id:016x}"
    return span


# --- the way of a span --------------------------------------------------------------------------------------------


def test_spans_arrive_in_order_and_once() -> None:
    """Several turns, several batches."""
    rig = Rig(bounds=Bounds(batch_spans=7))
    rig.put(some_spans(20))
    rig.pipeline.turn()
    rig.put([ended_span("last")])
    rig.pipeline.turn()
    assert rig.names() == [*(f"s{number}" for number in range(20)), "last"]
    assert [len(spans) for _, spans in rig.requests] == [7, 7, 6, 1]
    assert rig.pipeline.turn() is None


def test_announcements_go_first_and_are_children() -> None:
    """They overtake what waits, and name the span they speak for as their parent."""
    rig = Rig()
    rig.pipeline._is_closed = True  # no thread: this test turns it by hand
    provider = TracerProvider(shutdown_on_exit=False)
    open_span = provider.get_tracer("t").start_span("run")
    rig.put(some_spans(3))
    rig.pipeline.announce(open_span, {semconv.ANNOUNCE: "started", "gen_ai.agent.name": "a"})
    rig.pipeline.turn()
    first, *others = rig.taken
    assert attributes_of(first) == {"clew.announce": "started", "gen_ai.agent.name": "a"}
    assert first.parent_span_id == open_span.get_span_context().span_id.to_bytes(8)
    assert first.trace_id == open_span.get_span_context().trace_id.to_bytes(16)
    assert first.start_time_unix_nano == first.end_time_unix_nano
    assert [span.name for span in others] == ["s0", "s1", "s2"]


def test_the_queue_is_bounded_by_number() -> None:
    """What comes while it is full is lost, newest first, and counted by trace; runs themselves have a tenth for them alone."""
    rig = Rig(bounds=Bounds(queue_spans=100))
    rig.put([ended_span(f"s{number}", trace_id=1) for number in range(150)])
    rig.put([run_span(1) for _ in range(15)])
    assert len(rig.parts.queue) == 100
    assert rig.losses.by_reason == {"queue_full": 150 - 90 + 5}
    rig.pipeline.turn()
    assert rig.names()[:90] == [f"s{number}" for number in range(90)]
    assert rig.names()[90:100] == ["run"] * 10


def test_the_queue_is_bounded_by_bytes() -> None:
    """Large values fill it sooner."""
    rig = Rig(bounds=Bounds(queue_bytes=1 << 20))
    rig.put([ended_span("large", attributes={"v": "x" * 100_000}) for _ in range(50)])
    assert 8 <= len(rig.parts.queue) <= 10
    assert rig.parts.queue.bytes <= 1 << 20


def test_weighing_counts_what_is_large() -> None:
    """Texts at any depth and events."""
    light = weigh(ended_span("x"))
    assert weigh(ended_span("x", attributes={"a": ["y" * 5_000, {"b": "z" * 5_000}]})) > light + 10_000
    assert weigh(ended_span("x", events=[("e", {"stack": "y" * 5_000})])) > light + 5_000


# --- a backend that is away ---------------------------------------------------------------------------------------


def away_until(at_s: float, rig: Callable[[], Rig]) -> Callable[[int, list[Span]], Answer]:
    """Make a backend that is away for so long."""
    return lambda number, spans: TAKEN if rig().at_s >= at_s else AWAY


@pytest.mark.parametrize("has_spool", [False, True])
def test_away_for_an_hour_loses_nothing(has_spool: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What was recorded meanwhile arrives, in order; memory stays bounded, attempts are few, and the log says it once."""
    caplog.set_level(logging.INFO, "clew")
    rig = Rig(spool=tmp_path if has_spool else None)
    rig.answer = away_until(HOUR_S, lambda: rig)
    most, recorded = 0, 0

    def record() -> None:
        nonlocal most, recorded
        most = max(most, rig.courier.waiting_bytes)
        if rig.at_s < HOUR_S and recorded < rig.at_s / 4:
            rig.put([ended_span(f"s{recorded}", attributes={"text": "some words of a model, again and again. " * 20})])
            recorded += 1

    rig.turn_until(HOUR_S + 120, record)

    assert recorded > 800
    assert rig.names() == [f"s{number}" for number in range(recorded)] or has_spool
    assert sorted(rig.names()) == sorted(f"s{number}" for number in range(recorded))
    assert rig.losses.total == 0
    assert most < (1 << 20 if has_spool else 8 << 20)
    assert len([at_s for at_s, _ in rig.requests if at_s < HOUR_S]) < 200
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_it_is_back_within_half_a_minute() -> None:
    """However long it was away, the wait between attempts ends."""
    rig = Rig()
    rig.answer = away_until(HOUR_S, lambda: rig)
    rig.put(some_spans(1))
    rig.turn_until(HOUR_S + 40)
    assert rig.names() == ["s0"]


def test_retry_after_is_honoured() -> None:
    """Not before it, even for a flush; soon after it."""
    rig = Rig()
    rig.answer = lambda number, spans: Answer("later", "503", 20.0) if number == 0 else TAKEN
    rig.put(some_spans(1))
    rig.pipeline._is_closed = True
    rig.turn_until(60.0)
    assert [round(at_s) >= 20 and at_s < 23.5 for at_s, _ in rig.requests[1:]] == [True]


def test_a_backend_cannot_ask_for_silence_for_ever() -> None:
    """Ten minutes are the most."""
    rig = Rig()
    rig.answer = lambda number, spans: Answer("later", "429", 1e9) if number == 0 else TAKEN
    rig.put(some_spans(1))
    rig.turn_until(700.0)
    assert rig.names() == ["s0"]


def test_waits_grow_and_differ() -> None:
    """Exponentially, with jitter, to half a minute."""
    rig = Rig(answer=lambda number, spans: AWAY)
    rig.put(some_spans(1))
    rig.turn_until(300.0)
    times = [at_s for at_s, _ in rig.requests]
    waits = [after - before for before, after in pairwise(times)]
    assert waits[0] < 1.7
    assert all(wait <= 37.1 for wait in waits)
    assert waits[6] > 15
    assert len(set(waits[6:])) > 1


def test_a_full_outbox_loses_the_oldest_and_tells() -> None:
    """Counted by trace, and reported as data in the trace concerned when the backend is back."""
    rig = Rig(bounds=Bounds(outbox_bytes=20_000))
    rig.answer = away_until(100.0, lambda: rig)
    for number in range(60):
        noise = random.Random(number).randbytes(1_000).hex()
        rig.put([ended_span(f"s{number}", trace_id=number + 1, attributes={"v": noise, semconv.RUN_ID: f"{number + 1:016x}"})])
        rig.turn_until(rig.at_s + 1)
    rig.turn_until(160.0)
    reports = [span for span in rig.taken if attributes_of(span).get(semconv.ANNOUNCE) == "loss"]
    arrived = [span for span in rig.taken if span not in reports]
    lost = rig.losses.by_reason["outbox_full"]
    assert lost > 5
    assert [span.name for span in arrived] == [f"s{number}" for number in range(lost, 60)]
    told = {int.from_bytes(span.trace_id): attributes_of(span) for span in reports}
    assert set(told) == set(range(1, lost + 1))
    assert told[1] == {"clew.announce": "loss", "clew.loss.spans": 1, "clew.loss.reason": "outbox_full", "clew.run.id": f"{1:016x}"}
    assert {span.parent_span_id for span in reports} == {number.to_bytes(8) for number in range(1, lost + 1)}


def test_what_the_spool_holds_does_not_hold_up_what_is_new(tmp_path: Path) -> None:
    """When the backend is back, new spans go between the old ones."""
    rig = Rig(spool=tmp_path)
    rig.answer = away_until(100.0, lambda: rig)
    for number in range(50):
        rig.put([ended_span(f"old{number}")])
        rig.turn_until(rig.at_s + 1)
    rig.at_s = 140.0
    rig.pipeline.turn()
    rig.put([ended_span("new")])
    rig.pipeline.turn()
    assert 0 < rig.names().index("new") < 20
    rig.turn_until(160.0)
    assert [name for name in rig.names() if name != "new"] == [f"old{number}" for number in range(50)]


def test_with_a_spool_a_kill_loses_only_what_was_not_looked_at(tmp_path: Path) -> None:
    """What was once refused delivery is on disk: another pipeline on the same directory delivers it."""
    rig = Rig(answer=lambda number, spans: AWAY, spool=tmp_path)
    rig.put(some_spans(10))
    rig.turn_until(5.0)
    for segment in rig.courier._spool._segments:  # type: ignore[union-attr]  # as a killed process lets go of its locks
        os.close(segment.file)
    other = Rig(spool=tmp_path)
    other.pipeline.turn()
    assert other.names() == [f"s{number}" for number in range(10)]


# --- answers ------------------------------------------------------------------------------------------------------


def test_one_span_that_is_refused_takes_nobody_with_it() -> None:
    """A batch refused as a whole is halved until the one remains, which is lost alone, and told."""
    rig = Rig(answer=lambda number, spans: Answer("unfit", "413") if any(span.name == "s37" for span in spans) else TAKEN)
    rig.put(some_spans(100))
    rig.turn_until(30.0)
    arrived = [name for name in rig.names() if name.startswith("s")]
    assert sorted(arrived) == sorted(f"s{number}" for number in range(100) if number != 37)
    assert rig.losses.by_reason == {"refused": 1}
    assert len(rig.requests) < 20
    assert [attributes_of(span)["clew.loss.reason"] for span in rig.taken if span.name == "clew loss"] == ["refused"]


def test_what_is_refused_for_good_is_not_retried(caplog: pytest.LogCaptureFixture) -> None:
    """And the log says it once, however often it happens."""
    rig = Rig(answer=lambda number, spans: Answer("refused", "401"))
    for _ in range(5):
        rig.put(some_spans(3))
        rig.turn_until(rig.at_s + 5)
    assert len(rig.requests) == 5
    assert rig.losses.by_reason == {"refused": 15}
    assert len(caplog.records) == 1


def test_partial_success_counts_as_loss_and_is_not_retried() -> None:
    """What was rejected is lost."""
    rig = Rig(answer=lambda number, spans: Answer("taken", "200", rejected=2 if number == 0 else 0))
    rig.put([ended_span(f"s{number}", trace_id=5) for number in range(10)])
    rig.turn_until(5.0)
    assert rig.losses.by_reason == {"refused": 2}
    assert len(rig.requests) == 2
    assert attributes_of(rig.taken[-1])["clew.loss.spans"] == 2


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), (" 120 ", 120.0), ("Wed, 21 Oct 2015 07:28:10 GMT", 10.0), ("Wed, 21 Oct 2015 07:27:00 GMT", 0.0), ("soon", None),
     ("", None), (None, None), ("-5", None), ("9" * 50, 999_999_999.0)],
)  # fmt: skip
def test_reading_retry_after(header: str | None, seconds: float | None) -> None:
    """Seconds or a date."""
    assert read_retry_after(header, 1_445_412_480.0) == seconds


# --- sampling -----------------------------------------------------------------------------------------------------

LOW, HIGH = 1, (1 << 64) - 1
"""Trace ids at the two ends of the share."""


def test_whole_runs_are_kept_or_not() -> None:
    """By the trace id, so that every process decides alike."""
    rig = Rig(sampling=Sampling(share=0.5, keep=()))
    traces = [(number * 0x9E3779B97F4A7C15) % (1 << 64) | (1 << 64) for number in range(1, 1_001)]
    rig.put([ended_span("a", trace_id=trace) for trace in traces])
    rig.put([ended_span("b", trace_id=trace) for trace in traces])
    rig.turn_until(30.0)
    seen = [int.from_bytes(span.trace_id) for span in rig.taken]
    assert 400 < len(set(seen)) < 600
    assert all(seen.count(trace) == 2 for trace in set(seen))
    assert rig.losses.total == 0


def test_errors_slow_runs_and_those_over_budget_are_kept_whole() -> None:
    """Although their share says no; also what ended before, and what ends after."""
    rig = Rig(sampling=Sampling(share=0.0, slow_s=1.0))
    slow = run_span(HIGH - 2)
    slow._start_time = (slow.end_time or 0) - 2_000_000_000
    rig.put([ended_span(f"{trace}", trace_id=HIGH - trace, parent=1) for trace in range(5)])
    rig.put([ended_span("failed", trace_id=HIGH, status="boom"), run_span(HIGH - 1, "token_budget"), slow, run_span(HIGH - 3)])
    rig.turn_until(2.0)
    rig.put([ended_span("late", trace_id=HIGH)])
    rig.turn_until(20.0)
    assert sorted(rig.names()) == sorted(["0", "failed", "1", "run", "2", "run", "late"])
    assert rig.parts.sampler.wait_s(rig.at_s) is None or rig.parts.sampler.wait_s(rig.at_s) == 0.1


def test_own_rules_keep_and_what_is_held_is_bounded() -> None:
    """A function of a span; one that fails keeps. A million spans of unsampled runs do not fill memory."""
    rig = Rig(sampling=Sampling(share=0.0, keep=(lambda span: span.name == "vip" and 1 // 0 > 0,)))
    rig.put([ended_span("before", trace_id=LOW), ended_span("vip", trace_id=LOW), ended_span("other", trace_id=HIGH)])
    rig.turn_until(2.0)
    # The rule raises for ``vip`` only: in doubt it is sent.
    assert sorted(rig.names()) == ["before", "vip"]
    for round_ in range(20):
        rig.put([ended_span("x", trace_id=1_000 + round_, attributes={"v": "x" * 200_000}, context=_child_of(9)) for _ in range(20)])
        rig.pipeline.turn()
    assert rig.parts.sampler._bytes <= 33 << 20


def _child_of(trace_id: int) -> object:
    return set_span_in_context(NonRecordingSpan(SpanContext(trace_id, 5, False, TraceFlags(1))))


def test_our_spans_are_recorded_whatever_the_host_samples_and_leave_its_share_as_it_is() -> None:
    """The flag of our spans says what the host's sampling says, so that its spans below ours are sampled as without us."""
    sampler = HeadSampler()
    unsampled = set_span_in_context(NonRecordingSpan(SpanContext(1, 2, False, TraceFlags(0))))
    sampled = set_span_in_context(NonRecordingSpan(SpanContext(1, 2, True, TraceFlags(1))))
    decisions = [sampler.should_sample(context, 1, "x").decision for context in (unsampled, sampled, None)]
    assert decisions == [Decision.RECORD_ONLY, Decision.RECORD_AND_SAMPLE, Decision.RECORD_AND_SAMPLE]


@pytest.mark.parametrize(
    ("host", "is_sampled"), [(ALWAYS_OFF, False), (ParentBased(TraceIdRatioBased(0.0)), False), (TraceIdRatioBased(1.0), True)]
)
def test_roots_of_ours_carry_the_hosts_decision(host: object, is_sampled: bool) -> None:
    """What its sampler says of a root is what goes on to its own spans below."""
    before = beside.host
    beside.host = TracerProvider(host, shutdown_on_exit=False)  # type: ignore[arg-type]  # a sampler
    try:
        decision = HeadSampler().should_sample(None, 12345, "x", attributes={"a": 1})
    finally:
        beside.host = before
    assert decision.decision is (Decision.RECORD_AND_SAMPLE if is_sampled else Decision.RECORD_ONLY)
    assert decision.attributes == {"a": 1}


# --- beside the host ----------------------------------------------------------------------------------------------


def test_the_set_of_traces_is_bounded_and_keeps_the_latest() -> None:
    """A process that runs for a year forwards what is current."""
    one = Beside()
    for trace_id in range(1, 30_001):
        one.traces.add(trace_id)
    assert 30_000 in one.traces
    assert 9_000 not in one.traces


def test_it_joins_a_provider_once() -> None:
    """Whatever is configured, however often."""
    provider = TracerProvider(shutdown_on_exit=False)
    first, second = Beside(), Beside()
    for one in (first, first, second):
        one.join(provider)
    assert len(provider._active_span_processor._span_processors) == 1
