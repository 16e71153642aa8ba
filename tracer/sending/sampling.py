"""Which runs are sent: a share of them by trace id, whole, and besides those that turn out to be worth it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import Decision, SamplingResult
from opentelemetry.sdk.trace.sampling import Sampler as SdkSampler
from opentelemetry.trace import StatusCode, TraceFlags

from .. import semconv
from ..recording.beside import beside
from ..settings import Sampling
from .queue import attributes_of, weigh

_MOST_HELD_BYTES = 32 << 20
_MOST_DECIDED = 20_000
_GRACE_S = 5.0
"""How long a trace is held after a run of it ended: what ends last decides."""
_LONGEST_HELD_S = 3_600.0

_OVER_BUDGET = frozenset({"token_budget", "cost_budget", "max_steps", "timeout"})

Keep = Callable[[ReadableSpan], bool]
"""Tells whether a span makes its whole trace worth sending."""


@dataclass(slots=True)
class _Held:
    """The spans of a trace that is not sampled, until it is known whether it is worth sending."""

    since_s: float
    spans: list[ReadableSpan] = field(default_factory=list)
    bytes: int = 0
    ended_s: float | None = None
    """When the last run of it ended."""


class Sampler:
    """Used by one thread."""

    def __init__(self, sampling: Sampling) -> None:
        self._bound = round(sampling.share * (1 << 64))
        self._keep = [_keeper(rule, sampling.slow_s) for rule in sampling.keep]
        self.renew()

    def renew(self) -> None:
        """Begin anew: after a fork, what is held is the parent's."""
        self._held: dict[int, _Held] = {}
        self._bytes = 0
        self._worth: dict[int, None] = {}

    def is_wanted(self, span: ReadableSpan) -> bool:
        """Tell whether a span's trace is sent, as far as is known."""
        trace_id = span.context.trace_id if span.context is not None else 0
        return trace_id & 0xFFFF_FFFF_FFFF_FFFF < self._bound or trace_id in self._worth

    def choose(self, spans: Sequence[ReadableSpan], now_s: float) -> list[ReadableSpan]:
        """Return what is to be sent of these spans, and of those held before."""
        if self._bound >= 1 << 64:
            return list(spans)
        chosen: list[ReadableSpan] = []
        for span in spans:
            if self.is_wanted(span):
                chosen.append(span)
            elif self._keep:
                self._hold(span, now_s)
                if any(_is_kept(keep, span) for keep in self._keep):
                    chosen += self._release(span.context.trace_id)
        self._forget(now_s)
        return chosen

    def wait_s(self, now_s: float) -> float | None:
        """Return how long nothing held is due to be forgotten; None where nothing is."""
        if not self._held:
            return None
        return max(0.1, min(_due_s(held) for held in self._held.values()) - now_s)

    def _hold(self, span: ReadableSpan, now_s: float) -> None:
        held = self._held.setdefault(span.context.trace_id, _Held(now_s))
        size = weigh(span)
        held.spans.append(span)
        held.bytes += size
        self._bytes += size
        if semconv.TERMINATION_REASON in attributes_of(span) or span.parent is None or span.parent.is_remote:
            held.ended_s = now_s

    def _release(self, trace_id: int) -> list[ReadableSpan]:
        self._worth[trace_id] = None
        if len(self._worth) > _MOST_DECIDED:
            del self._worth[next(iter(self._worth))]
        return self._drop(trace_id)

    def _drop(self, trace_id: int) -> list[ReadableSpan]:
        held = self._held.pop(trace_id)
        self._bytes -= held.bytes
        return held.spans

    def _forget(self, now_s: float) -> None:
        """Give up what is over, what is too old, and the oldest of what is too much."""
        for trace_id in [trace_id for trace_id, held in self._held.items() if _due_s(held) <= now_s]:
            self._drop(trace_id)
        while self._bytes > _MOST_HELD_BYTES:
            self._drop(next(iter(self._held)))


def _due_s(held: _Held) -> float:
    return held.ended_s + _GRACE_S if held.ended_s is not None else held.since_s + _LONGEST_HELD_S


def _is_kept(keep: Keep, span: ReadableSpan) -> bool:
    try:
        return bool(keep(span))
    except Exception:  # the host's own function: in doubt, it is sent
        return True


def _keeper(rule: str | Callable[[Any], bool], slow_s: float) -> Keep:
    if callable(rule):
        return rule
    return {"errors": _is_error, "over_budget": _is_over_budget, "slow": lambda span: _is_slow(span, slow_s)}[rule]


def _is_error(span: ReadableSpan) -> bool:
    return span.status.status_code is StatusCode.ERROR


def _is_over_budget(span: ReadableSpan) -> bool:
    return attributes_of(span).get(semconv.TERMINATION_REASON) in _OVER_BUDGET


def _is_slow(span: ReadableSpan, slow_s: float) -> bool:
    is_run = semconv.TERMINATION_REASON in attributes_of(span)
    return is_run and ((span.end_time or 0) - (span.start_time or 0)) >= slow_s * 1e9


class HeadSampler(SdkSampler):
    """Records every span of ours, and lets its flag say what the host's sampling says.

    What we send is decided later and by ourselves. The flag goes on to the host's own spans below ours and to other processes: theirs
    must be sampled as they would be without us, so it is the parent's, or what the host's sampler says of a root.
    """

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        *args: Any,
        **options: Any,
    ) -> SamplingResult:
        """Decide about one span."""
        attributes = args[1] if len(args) > 1 else options.get("attributes")
        parent = trace.get_current_span(parent_context).get_span_context()
        if parent.is_valid:
            decision = Decision.RECORD_AND_SAMPLE if parent.trace_flags & TraceFlags.SAMPLED else Decision.RECORD_ONLY
            return SamplingResult(decision, attributes, parent.trace_state)
        host = getattr(beside.host, "sampler", None)
        if host is None:
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)
        theirs = host.should_sample(parent_context, trace_id, name, *args, **options)
        decision = Decision.RECORD_AND_SAMPLE if theirs.decision.is_sampled() else Decision.RECORD_ONLY
        return SamplingResult(decision, attributes, theirs.trace_state)

    def get_description(self) -> str:
        """Describe itself."""
        return "ClewHeadSampler"
