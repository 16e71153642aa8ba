"""The one pipeline of this process: what the recorders need to start a span, and nothing of how it is sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.trace import Span, Tracer

Announce = Callable[[Span, Mapping[str, Any]], None]
"""Sends a zero-length child span with the attributes given at once, past the batch; never raises and never blocks."""

Price = Callable[[str, str | None, Mapping[str, int]], float | None]
"""Takes (model, provider, tokens by class) and returns US dollars, or None where the price is unknown."""


@dataclass(frozen=True, slots=True)
class Active:
    """A configured pipeline.

    ``tracer`` makes our spans. ``announce`` sends the small spans of open work. ``content`` says whether inputs, outputs, thoughts and
    arguments are recorded at all. ``max_value_chars`` is where one recorded value is cut, with a visible mark. ``control_url`` is the web
    address (no trailing slash) that the guard asks, None where there is none; ``api_key`` goes with it. Times are seconds.
    """

    tracer: Tracer
    announce: Announce
    run_started: Callable[[int], None]
    """Is told the trace id of every run that starts: the spans of that trace are ours to forward."""
    content: bool = True
    max_value_chars: int = 65_536
    price: Price | None = None
    control_url: str | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    control_interval_s: float = 2.0
    fail_closed: bool = False
    heartbeat_s: float = 15.0
    announce_after_s: float = 2.0
    clock_ns: Callable[[], int] | None = None
    """The clock of our spans, nanoseconds since the epoch; None is the span library's own."""


_active: Active | None = None

touched = False
"""False until a pipeline is configured or a run has a budget: until then every call has nothing to look at."""


def current() -> Active | None:
    """Return the configured pipeline, or None: every call is a no-op then."""
    return _active


def activate(pipeline: Active | None) -> None:
    """Make this the pipeline of the process; None switches recording off."""
    global _active
    _active = pipeline
    if pipeline is not None:
        touch()


def touch() -> None:
    """Have every call look from now on whether there is something to do."""
    global touched
    touched = True
