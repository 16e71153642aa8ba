"""Where a run goes with its work: the OpenTelemetry context inside a process, W3C headers between processes."""

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from opentelemetry import baggage
from opentelemetry import context as contexts
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context, create_key
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import INVALID_SPAN, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from .. import names, semconv
from ..quiet import report
from . import active

_runtime = getattr(contexts, "_RUNTIME_CONTEXT", contexts)
"""What keeps the current context; the library's own functions lead here by a longer way."""

get_current: Callable[[], Context] = _runtime.get_current
"""Returns the current context."""

attach: Callable[[Context], object] = _runtime.attach
"""Makes a context current."""

SCOPE = create_key("clew-scope")
"""Context key of the innermost open scope."""

RUN_STAMP = create_key("clew-run-stamp")
"""Context key of the attributes that every span started inside the run is given: a ready-made dict, never changed."""

SPAN_KEY = next(iter(set_span_in_context(INVALID_SPAN, Context())))
"""Context key under which OpenTelemetry keeps the current span."""

STAMPED = (semconv.RUN_ID, semconv.AGENT_NAME, names.CONVERSATION, names.USER)
"""What is stamped on spans, and what travels between processes as baggage under the same names."""

_MOST_CHARS = 200
"""Of one value that comes as baggage: it is the sender's word."""

_TRACE_CONTEXT = TraceContextTextMapPropagator()
_BAGGAGE = W3CBaggagePropagator()


class _AnyCase(Getter[Mapping[str, Any]]):
    """Reads headers whatever the case of their names, as text or bytes."""

    def get(self, carrier: Mapping[str, Any], key: str) -> list[str] | None:
        value = next((value for name, value in carrier.items() if _text(name).lower() == key), None)
        if value is None:
            return None
        return [_text(one) for one in value] if isinstance(value, list | tuple) else [_text(value)]

    def keys(self, carrier: Mapping[str, Any]) -> list[str]:
        return [_text(name) for name in carrier]


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def inject(headers: MutableMapping[str, str]) -> MutableMapping[str, str]:
    """Write ``traceparent``, ``tracestate`` and ``baggage`` of the current run into headers, and return the same mapping.

    On the other side, ``agent_run(parent=headers)`` continues the trace, and spans outside of any run there belong to this one.
    Does nothing where nothing is configured.
    """
    if active.current() is not None:
        headers.update(inject_from(get_current()))
    return headers


def inject_from(context: Context) -> dict[str, str]:
    """Return the headers that describe a context."""
    headers: dict[str, str] = {}
    try:
        stamp = stamp_of(context)
        sent = context
        for name in STAMPED:
            if name in stamp:
                sent = baggage.set_baggage(name, str(stamp[name])[:_MOST_CHARS], sent)
        _TRACE_CONTEXT.inject(headers, sent)
        _BAGGAGE.inject(headers, sent)
    except Exception as error:
        report(error)
    return headers


def extract(headers: Mapping[str, Any], context: Context) -> Context:
    """Return the context that headers describe, on top of the one given; that one where they describe none."""
    try:
        return _BAGGAGE.extract(headers, _TRACE_CONTEXT.extract(headers, context, _ANY_CASE), _ANY_CASE)
    except Exception as error:
        report(error)
        return context


_ANY_CASE = _AnyCase()


def stamp_of(context: Context) -> Mapping[str, Any]:
    """Return the attributes that a span started in this context is given: those of the run around it, of this process or another."""
    stamp = context.get(RUN_STAMP)
    if isinstance(stamp, dict):
        return stamp
    sent = baggage.get_all(context)
    return dict(_accepted(sent)) if sent and semconv.RUN_ID in sent else {}


def _accepted(sent: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    run_id = str(sent[semconv.RUN_ID])
    if len(run_id) != 16 or any(digit not in "0123456789abcdef" for digit in run_id):
        return
    for name in STAMPED:
        value = sent.get(name)
        if value:
            yield name, str(value)[:_MOST_CHARS]
