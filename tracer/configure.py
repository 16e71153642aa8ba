"""Switches the SDK on: reads the settings, puts the pipeline together and hands it to the recorders."""

import atexit
import logging
import os
import sys
import threading
from collections.abc import Mapping
from typing import Unpack

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Tracer

from .instruments.instrument import known_names, switch_off, switch_on
from .privacy.clean import Cleaner
from .privacy.redact import Redaction
from .quiet import report
from .recording import active
from .recording.active import Active, Price
from .recording.beside import beside
from .recording.prices import make_price
from .sending.courier import Clocks, Courier
from .sending.deliver import make_sender
from .sending.encode import Encoder
from .sending.identify import OwnIdGenerator
from .sending.loss import Losses
from .sending.pipeline import Parts, Pipeline
from .sending.queue import SpanQueue
from .sending.sampling import HeadSampler, Sampler
from .sending.spool import Spool
from .settings import Options, Settings, load_settings

_log = logging.getLogger("clew")

SCOPE_NAME = "clew"
_EXIT_S = 5.0

_pipeline: Pipeline | None = None
_configuring = threading.RLock()


def configure(**options: Unpack[Options]) -> None:
    """Switch recording on, or over to other settings; what was recorded before is delivered first.

    Without arguments it sends to Clew on this machine. Standard ``OTEL_`` variables are read, then ``CLEW_ENDPOINT`` and ``CLEW_API_KEY``;
    what is given here wins. The global tracer provider is left as it is. Raises ``TypeError`` for an unknown option and ``ValueError``
    for one that cannot be; never for a backend that is away.
    """
    global _pipeline
    unknown = set(options) - set(Options.__annotations__)
    if unknown:
        raise TypeError(f"configure() has no option {sorted(unknown)[0]!r}")
    settings = load_settings(options)
    redaction, price = Redaction(settings.redact), make_price(options.get("prices"))
    instrumented = known_names(options.get("instrument") or ())
    with _configuring:
        _switch_off()
        if settings.is_disabled:
            switch_off()
            return
        pipeline = Pipeline(_put_together(settings, redaction))
        provider = options.get("provider") or _make_provider(settings, pipeline.resource)
        _join(provider, pipeline, is_own=options.get("provider") is None)
        if options.get("take_global"):
            trace.set_tracer_provider(provider)
        _pipeline = pipeline
        active.activate(_make_active(settings, options, pipeline, provider.get_tracer(SCOPE_NAME), price))
        # Registered anew: what ends open runs is registered after it, and so runs before it.
        atexit.unregister(_at_exit)
        atexit.register(_at_exit)
        switch_on(instrumented, provider)


def flush(timeout_s: float = 10.0) -> bool:
    """Deliver what was recorded so far; True where all of it arrived in time, and where nothing is configured."""
    pipeline = _pipeline
    try:
        return pipeline.flush(timeout_s) if pipeline is not None else True
    except Exception as error:
        report(error)
        return False


def losses() -> Mapping[str, int]:
    """Return how many spans were lost since ``configure``, by reason."""
    pipeline = _pipeline
    return dict(pipeline.losses.by_reason) if pipeline is not None else {}


def _switch_off() -> None:
    global _pipeline
    pipeline, _pipeline = _pipeline, None
    active.activate(None)
    beside.take = None
    if pipeline is not None:
        _close(pipeline)


def _put_together(settings: Settings, redaction: Redaction) -> Parts:
    bounds, lost = settings.bounds, Losses()
    spool = _open_spool(settings, lost)
    sender = make_sender(settings.endpoint)
    return Parts(
        queue=SpanQueue(bounds, lost),
        sampler=Sampler(settings.sampling),
        encoder=Encoder(Cleaner(redaction, settings.content, settings.max_value_chars, bounds.batch_bytes), bounds, lost),
        courier=Courier(sender, lost, (bounds.outbox_bytes, settings.endpoint.timeout_s), spool, Clocks()),
        losses=lost,
        traces=beside.traces,
        resource=Resource.create(settings.resource),
        scope=InstrumentationScope(SCOPE_NAME),
        hurry_spans=min(bounds.batch_spans, max(1, bounds.queue_spans // 2)),
    )


def _open_spool(settings: Settings, lost: Losses) -> Spool | None:
    if settings.spool is None:
        return None
    try:
        return Spool(settings.spool, (settings.bounds.spool_bytes, settings.bounds.spool_age_s), lost)
    except OSError as error:
        _log.warning("the spool cannot be opened (%s); spans wait in memory", type(error).__name__)
        return None


def _make_provider(settings: Settings, resource: Resource) -> TracerProvider:
    limits = SpanLimits(max_span_attributes=settings.max_attributes)
    return TracerProvider(HeadSampler(), resource, shutdown_on_exit=False, id_generator=OwnIdGenerator(), span_limits=limits)


def _join(provider: TracerProvider, pipeline: Pipeline, is_own: bool) -> None:
    beside.scope_name = SCOPE_NAME
    beside.passed_by = provider if is_own else None
    beside.take = pipeline.on_end
    if is_own:
        provider.add_span_processor(pipeline)
    else:
        beside.join(provider)
    beside.join(trace.get_tracer_provider())


def _make_active(settings: Settings, options: Options, pipeline: Pipeline, tracer: Tracer, price: Price | None) -> Active:
    return Active(
        tracer=tracer,
        announce=pipeline.announce,
        run_started=beside.run_started,
        content=settings.content,
        max_value_chars=settings.max_value_chars,
        price=price,
        control_url=settings.base_url,
        base_url=settings.base_url,
        api_key=settings.api_key,
        control_interval_s=options.get("control_interval_s", 2.0),
        fail_closed=options.get("fail", "open") == "closed",
        heartbeat_s=options.get("heartbeat_s", 15.0),
        announce_after_s=options.get("announce_after_s", 2.0),
        clock_ns=options.get("clock_ns"),
    )


def _at_exit() -> None:
    pipeline = _pipeline
    if pipeline is not None:
        _close(pipeline)


def _close(pipeline: Pipeline) -> None:
    try:
        pipeline.close(_EXIT_S)
    except Exception as error:
        report(error)


def _after_fork() -> None:
    global _configuring
    _configuring = threading.RLock()
    pipeline = _pipeline
    if pipeline is None:
        return
    pipeline.renew_after_fork()
    processes = sys.modules.get("multiprocessing.util")
    if processes is not None:
        # Its children end without the hooks of an interpreter's end, and have forgotten their own by the time their work begins.
        processes.register_after_fork(pipeline, _flush_at_end)


def _flush_at_end(pipeline: Pipeline) -> None:
    sys.modules["multiprocessing.util"].Finalize(None, _close, (pipeline,), exitpriority=0)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
