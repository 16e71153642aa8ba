"""What every recorder is: one object that is a context manager and a decorator, sync and async, and one span for each entry."""

import functools
import os
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, ClassVar, Concatenate, ParamSpec, Self, TypeVar

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Span, SpanContext, SpanKind, Status, StatusCode, format_span_id

from .. import names, semconv
from ..quiet import report
from . import active, announce
from .causes import Causes, add_cause, known_cause, new_cause
from .guard import Meter
from .propagation import RUN_STAMP, SCOPE, SPAN_KEY, attach, get_current, stamp_of
from .said import put_text
from .termination import describe, is_cancellation, name_of
from .wrapping import Signature, wrap

_Function = TypeVar("_Function", bound=Callable[..., Any])

IDLE, OPEN, CLOSED = 0, 1, 2

_open_scopes = announce.open_scopes
_put = dict.__setitem__
"""Writes into a context that nobody has seen yet."""

_NOWHERE = Context()

# Reentrant: the garbage collector may close a generator, and so end a span, in a thread that is inside.
_claiming = threading.RLock()
_process = 0
"""Counts forks: a scope opened before one is the parent's to end."""


_Self = TypeVar("_Self", bound="Scope")
_Rest = ParamSpec("_Rest")


def recording(method: Callable[Concatenate[_Self, _Rest], None]) -> Callable[Concatenate[_Self, _Rest], None]:
    """Make a method that records something do nothing while its scope is not open, and lose the record rather than raise."""

    @functools.wraps(method)
    def guarded(scope: _Self, /, *args: _Rest.args, **kwargs: _Rest.kwargs) -> None:
        if scope._state == OPEN:
            try:
                method(scope, *args, **kwargs)
            except Exception as error:
                report(error)

    return guarded


class Scope:
    """Something an agent does, from ``with`` to its end, or one call of a decorated function.

    Nothing of it raises on account of telemetry; what is recorded outside of its block is not recorded. Entered again while it is open, or
    from several tasks or threads, each entry has a span and a handle of its own, which ``with ... as`` gives.
    """

    kind: str = "other"
    """The step kind."""
    operation: str | None = None
    span_kind: ClassVar[SpanKind] = SpanKind.INTERNAL
    steps: ClassVar[int] = 1
    """How many steps of a budget it is."""
    is_deed: ClassVar[bool] = False
    """Whether the last of its kind tells how the run ended."""
    beats: bool = False

    # What an entry has not set yet: kept on the class, so that making one costs little.
    announced_s = 0.0
    opened_s = 0.0
    _state = IDLE
    _entries: "list[Scope] | None" = None
    _span: Span | None = None
    _pipeline: active.Active | None = None
    _meter: Meter | None = None
    _run: Any = None
    _outer: "Scope | None" = None
    _causes: Causes = ()
    """The exceptions that came out of scopes inside."""
    _error: str | None = None
    _thoughts: tuple[str, ...] = ()
    _finish_reason: str | None = None
    _left_behind = False
    _guards = False
    """Whether it has to be entered although nothing records it."""
    _outside: Context
    _inside: Context
    _late: dict[str, Any]
    _known: dict[str, Any]
    _process: int
    _signature: Signature | None = None
    """The decorated function of which it is a call."""

    def __init__(self, name: str | None, options: dict[str, Any]) -> None:
        self._name = name
        self._options = options

    def _fresh(self) -> Self:
        """Return one like it that was never entered."""
        return type(self)(self._name, self._options)

    # --- entering and leaving ---------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Open it. Raises ``BudgetExhausted`` or ``RunStopped`` where the run may not go on, and nothing else."""
        if not active.touched and not self._guards:
            return self
        outside = get_current()
        outer: Scope | None = outside.get(SCOPE)  # type: ignore[assignment]  # nobody else has the key
        if outer is None and active._active is None and not self._guards:
            return self
        if outer is not None and outer._meter is not None:
            outer._meter.check(self.steps)
        handle = self._claim()
        handle._open(outside, outer)
        return handle

    def _enter_call(self) -> Self:
        """Open it for the one call it was made for, as ``with`` does."""
        outside = get_current()
        outer: Scope | None = outside.get(SCOPE)  # type: ignore[assignment]  # as above
        if outer is not None:
            if outer._meter is not None:
                outer._meter.check(self.steps)
        elif active._active is None and not self._guards:
            return self
        self._state = OPEN
        self._open(outside, outer)
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Close it. The exception goes on, whatever it is."""
        if self._state == IDLE:
            # Nothing is configured, as in most tests of most hosts: no more than this look.
            return
        if self._entries is not None:
            self._entered()._close(error)
        elif self._state == OPEN:
            self._close(error)

    async def __aenter__(self) -> Self:
        """Open it, as ``with`` does."""
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Close it, as ``with`` does."""
        self.__exit__(kind, error, traceback)

    def __call__(self, function: _Function) -> _Function:
        """Decorate a function, coroutine function, generator function or async generator function: each call is an entry."""
        return wrap(self, function)

    def _claim(self) -> Self:
        """Return itself for the first entry, and one like it for each that comes while it is open."""
        with _claiming:
            if self._state != OPEN:
                if self._state == CLOSED:
                    self._renew()
                self._state = OPEN
                return self
            handle = self._fresh()
            handle._state = OPEN
            self._entries = [*(self._entries or ()), handle]
            return handle

    def _entered(self) -> "Scope":
        """Return the entry that is being left: the current scope where it is one of its own, else the latest."""
        if not self._entries:
            return self
        current = get_current().get(SCOPE)
        with _claiming:
            handle = next((one for one in (self, *self._entries) if one is current), self._entries[-1])
            self._entries = [one for one in self._entries if one is not handle]
        return handle

    def _renew(self) -> None:
        """Forget an entry that is over."""
        name, options = self._name, self._options
        vars(self).clear()
        type(self).__init__(self, name, options)

    def _open(self, outside: Context, outer: "Scope | None", base: Context | None = None) -> None:
        """Start its span, as a child of ``base`` where that is another context, and make it current."""
        self._late = {}
        self._outside = self._inside = outside
        if outer is not None:
            self._outer, self._run, self._meter = outer, self._run or outer._run, self._meter or outer._meter
        try:
            self._process = _process
            self.opened_s = monotonic()
            self._pipeline = pipeline = active._active
            inside = Context(outside if base is None else base)
            if pipeline is not None:
                self._span = span = self._start_span(pipeline, outside if base is None else base)
                _put(inside, SPAN_KEY, span)
                _open_scopes[id(self)] = self
                if announce.prepared_for is not pipeline:
                    announce.prepare(pipeline)
            _put(inside, SCOPE, self)
            self._inside = inside
            attach(inside)
        except Exception as error:
            report(error)

    def _start_span(self, pipeline: active.Active, base: Context) -> Span:
        signature = self._signature
        if signature is None:
            title, known = self._title(), self._list_constants()
        else:
            if signature.constants is None:
                signature.title, signature.constants = self._title(), self._list_constants()
            title, known = signature.title, dict(signature.constants)
        self._known = known
        stamp = base.get(RUN_STAMP)
        if stamp is not None:
            known.update(stamp)  # type: ignore[call-overload]  # ours alone
        elif sent := stamp_of(base):
            # The work of a run in another process: what happens here is its trace's.
            known.update(sent)
            pipeline.run_started(_trace_of(base))
        self._describe(known, pipeline)
        clock_ns = pipeline.clock_ns
        if clock_ns is None:
            return pipeline.tracer.start_span(title, base, self.span_kind, known)
        return pipeline.tracer.start_span(title, base, self.span_kind, known, None, clock_ns())

    def _close(self, error: BaseException | None) -> None:
        if self._state != OPEN:
            return
        self._state = CLOSED
        try:
            _open_scopes.pop(id(self), None)
            if self._process == _process:
                self._end(error)
        except Exception as problem:
            report(problem)
        finally:
            self._leave()

    def _end(self, error: BaseException | None) -> None:
        late, span, pipeline = self._late, self._span, self._pipeline
        try:
            if self.is_deed and self._run is not None:
                self._run.last_finish = self._finish_reason
            if error is None:
                self._finish(late, None, None)
            else:
                self._end_by(error, late)
            if span is not None:
                if late:
                    span.set_attributes(late)
                if self._error is not None:
                    span.set_status(Status(StatusCode.ERROR, self._error))
        finally:
            if span is not None and pipeline is not None:
                span.end(pipeline.clock_ns() if pipeline.clock_ns is not None else None)

    def _end_by(self, error: BaseException, late: dict[str, Any]) -> None:
        """Tell of the exception that ended it: in full where it came from, and around it that it passed."""
        known = cause = None
        if not is_cancellation(error):
            known = known_cause(self._causes, error)
            cause = known or new_cause(error, self.kind)
            late[names.ERROR_TYPE] = name_of(error)
            is_told = self._pipeline is None or self._pipeline.content
            # The text of an exception may hold what was asked or answered.
            self._error = self._error or (describe(error) if is_told else type(error).__name__)
            if self._outer is not None:
                self._outer._causes = add_cause(self._outer._causes, cause)
            if known is None and is_told and self._span is not None and self._span.is_recording():
                self._span.record_exception(error)
        self._finish(late, error, cause.kind if cause is not None else None)

    def _leave(self) -> None:
        """Make current again what was before, and not by a token: the block may end in another task than it began in."""
        try:
            if get_current().get(SCOPE) is not self and not self._is_around():
                self._left_behind = True
                return
            outside, outer = self._outside, self._outer
            while outer is not None and outer._left_behind:
                # It was closed out of turn, while this one was open within it.
                outside, outer = outer._outside, outer._outer
            attach(outside)
            # A context holds its scope: without the circle, both are gone as soon as nobody uses them.
            self._inside = self._outside = _NOWHERE
        except Exception as error:
            report(error)

    def _is_around(self) -> bool:
        """Tell whether only scopes that are closed, and could not be left, lie between it and where we are."""
        scope = get_current().get(SCOPE)
        while isinstance(scope, Scope) and scope is not self and scope._state == CLOSED:
            scope = scope._outer
        return scope is self

    # --- what kinds of scopes add -----------------------------------------------------------------------------------

    def _list_constants(self) -> dict[str, Any]:
        """Return the attributes that all entries of it have alike."""
        if self.operation is None:
            return {semconv.STEP_KIND: self.kind}
        return {semconv.STEP_KIND: self.kind, names.OPERATION: str(self.operation)}

    def _title(self) -> str:
        """Return the name of the span."""
        return self._name or self.kind

    def _describe(self, known: dict[str, Any], pipeline: active.Active) -> None:
        """Add the attributes known at the start."""

    def _finish(self, late: dict[str, Any], error: BaseException | None, failed_kind: str | None) -> None:
        """Add the attributes known at the end; ``failed_kind`` is the step kind of the scope that an error came from."""

    def _called(self, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        """Return one like it for one call of a decorated function."""
        fresh = self._fresh()
        if fresh._name is None:
            fresh._name = signature.name
        fresh._signature = signature
        return fresh

    def _returned(self, value: Any) -> None:
        """Take note of what the decorated function returned."""

    # --- recording --------------------------------------------------------------------------------------------------

    @recording
    def thought(self, text: str) -> None:
        """Record a thought, in the agent's or the model's words. Several of one scope are one text, in their order."""
        if self._keeps_content():
            self._thoughts = (*self._thoughts, str(text))
            self._set(semconv.THOUGHT, "\n\n".join(self._thoughts))

    @recording
    def fail(self, message: str) -> None:
        """Mark it as failed although no exception ends it."""
        self._error = str(message) if self._keeps_content() else "failed"

    def _keeps_content(self) -> bool:
        """Tell whether texts are wanted: it is recorded, and content is on."""
        return self._span is not None and self._pipeline is not None and self._pipeline.content

    def _set(self, name: str, value: Any) -> None:
        """Record a value as bounded text."""
        if value is not None and self._pipeline is not None:
            put_text(self._late, name, value, self._pipeline.max_value_chars)

    # --- speaking while open ----------------------------------------------------------------------------------------

    @recording
    def announce_started(self) -> None:
        """Say that it is open, with what is known of it."""
        if self._span is not None and self._pipeline is not None:
            self._pipeline.announce(self._span, {**self._known, **self._late, **self._announced("started")})

    def _announced(self, what: str) -> dict[str, Any]:
        """Return what any announcement says."""
        said = {semconv.ANNOUNCE: what, semconv.ANNOUNCE_NAME: self._title()}
        parent: SpanContext | None = getattr(self._span, "parent", None)
        if parent is not None:
            said[semconv.ANNOUNCE_PARENT] = format_span_id(parent.span_id)
        return said

    def announce_heartbeat(self) -> None:
        """Say that it is still open."""

    @recording
    def end_at_exit(self) -> None:
        """End because the process does."""
        self._close(SystemExit(0))


def _trace_of(context: Context) -> int:
    span: Span | None = context.get(SPAN_KEY)  # type: ignore[assignment]  # the span library's own key
    return (span.get_span_context() if span is not None else INVALID_SPAN_CONTEXT).trace_id


def _count_fork() -> None:
    global _process, _claiming
    _process += 1
    _claiming = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)
