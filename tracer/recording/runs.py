"""Agent runs: what the steps belong to, with its budget, its end and its address."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self, TypedDict, TypeVar, Unpack, overload

from opentelemetry.context import Context
from opentelemetry.trace import Span, format_span_id, format_trace_id

from .. import names, semconv
from . import active
from .active import Active
from .carry import carry
from .control import Watched, unwatch, watch
from .guard import Budget, Meter, Used
from .marks import mark
from .propagation import RUN_STAMP, SCOPE, STAMPED, extract, get_current
from .reported import open_runs
from .said import put_answered, put_text
from .scope import OPEN, Scope, recording
from .steps import Asked
from .termination import OF_LIMIT, Ending, TerminationReason, declared, ending_of_error, ending_of_finish

_Function = TypeVar("_Function", bound=Callable[..., Any])


class RunOptions(TypedDict, total=False):
    """What ``agent_run`` takes besides the agent's name."""

    input: Any
    """What the agent is asked: a text, a conversation, or any value."""
    session: str | None
    user: str | None
    tags: Iterable[str]
    references: Mapping[str, object] | None
    """The customer's own words for the run, e.g. ``{"order": "12345"}``; it is found by them."""
    environment: str | None
    version: str | None
    """The agent's version."""
    budget: Budget | None
    control: bool
    """Whether the server is asked now and then if somebody stopped the run."""
    parent: Mapping[str, Any] | None
    """W3C headers of the run that this one belongs to; without, it belongs to the current one, if any."""


class AgentRun(Asked):
    """One invocation of an agent."""

    kind = "agent"
    operation = "invoke_agent"
    steps = 0
    beats = True
    _declared: Ending | None = None
    last_finish: str | None = None
    """How the last deed finished, where that was a model call."""
    _tags: tuple[str, ...] = ()
    _stamp: dict[str, Any]

    def __init__(self, name: str | None, options: dict[str, Any]) -> None:
        self._name = name
        self._options = options
        if "budget" in options:
            self._guards = options["budget"] is not None

    def __bool__(self) -> bool:
        """True: there is a run."""
        return True

    # --- entering and leaving ---------------------------------------------------------------------------------------

    def _open(self, outside: Context, outer: Scope | None, base: Context | None = None) -> None:
        active.touch()
        self._run, self._meter = self, Meter(self._options.get("budget"), outer._meter if outer is not None else None)
        headers = self._options.get("parent")
        if headers is not None:
            # What the headers say of session and user counts, not what the run around says.
            base = extract(headers, Context({key: value for key, value in outside.items() if key != RUN_STAMP}))
        super()._open(outside, outer, base)
        self._begin()

    @recording
    def _begin(self) -> None:
        if self._span is None or self._pipeline is None or self._meter is None:
            return
        # Nobody else has seen this context yet.
        dict.__setitem__(self._inside, RUN_STAMP, self._stamp)
        open_runs[self.id] = self
        self.announced_s = self.opened_s
        self.announce_started()
        if self._options.get("control"):
            watch(Watched(self.trace_id, self.id, self._meter, self._pipeline))

    def _title(self) -> str:
        return f"invoke_agent {self._name or 'agent'}"

    def _start_span(self, pipeline: Active, base: Context) -> Span:
        span = super()._start_span(pipeline, base)
        context = span.get_span_context()
        run_id = format_span_id(context.span_id)
        # Known only now, and read off the span before its end by those who send it on.
        span.set_attribute(semconv.RUN_ID, run_id)
        self._known[semconv.RUN_ID] = run_id
        self._stamp = {name: self._known[name] for name in STAMPED if name in self._known}
        pipeline.run_started(context.trace_id)
        return span

    def _describe(self, known: dict[str, Any], pipeline: Active) -> None:
        super()._describe(known, pipeline)
        options = self._options
        known[names.AGENT] = known[semconv.AGENT_NAME] = str(self._name or "agent")
        for name, option in _PLAIN:
            if options.get(option) is not None:
                known[name] = str(options[option])
        for name, value in (options.get("references") or {}).items():
            known[f"{semconv.REFERENCE_PREFIX}{name}"] = str(value)
        if options.get("tags"):
            known[semconv.TAGS] = self._tags = tuple(str(tag) for tag in options["tags"])
        budget = options.get("budget")
        if budget is not None:
            for name, limit, kind in _LIMITS:
                if getattr(budget, limit) is not None:
                    known[name] = kind(getattr(budget, limit))

    def _finish(self, late: dict[str, Any], error: BaseException | None, failed_kind: str | None) -> None:
        meter = self._meter
        if meter is None:
            return
        meter.end()
        open_runs.pop(self.id, None)
        if self._outer is not None and self._outer._run is not None:
            self._outer._run.last_finish = None
        if self._options.get("control"):
            unwatch(self.id)
        ending = self._declared or self._ending(meter, error, failed_kind)
        late[semconv.TERMINATION_REASON] = str(ending.reason)
        if ending.detail and (self._pipeline is None or self._pipeline.content or error is None):
            put_text(late, semconv.TERMINATION_DETAIL, ending.detail, _DETAIL_CHARS)
        if meter.stopped is not None and ending.reason == TerminationReason.STOPPED and meter.stopped[0]:
            late[semconv.STOPPED_BY] = meter.stopped[0]
        if meter.partial is not None and names.OUTPUT_MESSAGES not in late and self._pipeline is not None and self._pipeline.content:
            put_answered(late, names.OUTPUT_MESSAGES, meter.partial, self._pipeline.max_value_chars)

    def _ending(self, meter: Meter, error: BaseException | None, failed_kind: str | None) -> Ending:
        if error is not None:
            return ending_of_error(error, failed_kind or self.kind)
        if meter.breached is not None:
            return Ending(OF_LIMIT[meter.breached.limit], str(meter.breached))
        if meter.was_told:
            return Ending(TerminationReason.STOPPED, self.stop_reason)
        return ending_of_finish(self.last_finish)

    # --- what it is -------------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The run's id, 16 hex digits, from its beginning on; empty where nothing records it."""
        return format_span_id(self._span.get_span_context().span_id) if self._span is not None else ""

    @property
    def trace_id(self) -> str:
        """The trace's id, 32 hex digits; empty where nothing records it."""
        return format_trace_id(self._span.get_span_context().trace_id) if self._span is not None else ""

    @property
    def url(self) -> str:
        """Where the run is to be seen, from its beginning on; empty where nobody said under which address Clew is."""
        if self._span is None or self._pipeline is None or not self._pipeline.base_url:
            return ""
        return f"{self._pipeline.base_url.rstrip('/')}/traces/{self.trace_id}?run={self.id}"

    @property
    def meter(self) -> Meter | None:
        """What counts for it; None before it is entered."""
        return self._meter

    @property
    def used(self) -> Used:
        """What it has used so far, the runs inside it included."""
        return self._meter.used() if self._meter is not None else Used(0, 0.0, 0, 0.0, 0)

    @property
    def stop_reason(self) -> str | None:
        """Why somebody stopped it, None while nobody has."""
        if self._meter is None or self._meter.stopped is None:
            return None
        by, reason = self._meter.stopped
        return reason or f"stopped by {by}"

    # --- recording --------------------------------------------------------------------------------------------------

    @recording
    def thought(self, text: str) -> None:
        """Record a thought as a step of its own, where the run is now."""
        if self._keeps_content() and self._pipeline is not None:
            attributes: dict[str, Any] = {}
            put_text(attributes, semconv.THOUGHT, text, self._pipeline.max_value_chars)
            mark("thought", "thought", attributes, self._here())

    @recording
    def terminate(self, reason: TerminationReason | str, detail: str | None = None) -> None:
        """Declare why the run stops. It goes before what the end of its block would say; the last declaration counts."""
        self._declared = declared(reason, detail)

    @recording
    def partial(self, value: Any) -> None:
        """Note the result so far: it is the run's output, and the exception's ``partial``, where a budget ends the run."""
        if self._meter is not None:
            self._meter.partial = value

    @recording
    def reference(self, /, **references: object) -> None:
        """Record the customer's own words for the run: ``run.reference(order="12345")``. It is found by them."""
        self._late.update({f"{semconv.REFERENCE_PREFIX}{name}": str(value) for name, value in references.items() if value is not None})

    @recording
    def tag(self, *tags: str) -> None:
        """Add tags."""
        self._tags = tuple(dict.fromkeys([*self._tags, *(str(tag) for tag in tags)]))
        self._late[semconv.TAGS] = self._tags

    def wrap(self, function: _Function) -> _Function:
        """Return the function made to run where the run is now: for threads and pools, which a context does not enter by itself.

        The result goes to another process as well, as long as the function does: it carries the run's headers there.
        """
        return carry(function, self._here() if self._state == OPEN else get_current())

    def _here(self) -> Context:
        """Return the current context where it is inside this run, else the run's own."""
        current = get_current()
        scope: Scope | None = current.get(SCOPE)  # type: ignore[assignment]  # nobody else has the key
        while scope is not None and scope is not self:
            scope = scope._outer
        return current if scope is self else self._inside

    # --- speaking while open ----------------------------------------------------------------------------------------

    @recording
    def announce_heartbeat(self) -> None:
        """Say that it is still open, and what it has used."""
        if self._span is None or self._pipeline is None:
            return
        used = self.used
        said = {
            **self._stamp,
            **self._announced("heartbeat"),
            semconv.HEARTBEAT_INTERVAL_S: float(self._pipeline.heartbeat_s),
            semconv.USED_TOKENS: used.tokens,
            semconv.USED_USD: used.usd,
            semconv.USED_STEPS: used.steps,
        }
        self._pipeline.announce(self._span, said)

    @recording
    def end_at_exit(self) -> None:
        """End because the process does."""
        self._declared = self._declared or Ending(TerminationReason.CANCELLED, "the process ended while the run was open")
        super().end_at_exit()


_DETAIL_CHARS = 4_000

_PLAIN = (
    (names.CONVERSATION, "session"),
    (names.USER, "user"),
    (names.ENVIRONMENT, "environment"),
    (names.AGENT_VERSION, "version"),
)

_LIMITS: tuple[tuple[str, str, type], ...] = (
    (semconv.BUDGET_TOKENS, "tokens", int),
    (semconv.BUDGET_USD, "usd", float),
    (semconv.BUDGET_STEPS, "steps", int),
    (semconv.BUDGET_SECONDS, "seconds", float),
)


class _NoRun(AgentRun):
    """What ``current_run`` gives outside of any run: false, and deaf to everything."""

    def __bool__(self) -> bool:
        return False

    def __enter__(self) -> Self:
        return self


_OPTIONS = frozenset(RunOptions.__annotations__)

_NO_RUN = _NoRun(None, {})


@overload
def agent_run(name: _Function) -> _Function: ...


@overload
def agent_run(name: str | None = None, **about: Unpack[RunOptions]) -> AgentRun: ...


def agent_run(name: Any = None, **about: Unpack[RunOptions]) -> Any:
    """Record a run of an agent.

    ``with agent_run("scheduler", session="s-1", budget=Budget(usd=1)) as run:``, or ``@agent_run`` on a function. What it takes is
    listed in ``RunOptions``. Its end is always told: what ``run.terminate`` declared, else how the block ended. As a
    decorator it records arguments and return value as input and output.
    """
    if about and not _OPTIONS.issuperset(about):
        raise TypeError(f"agent_run got an unexpected argument {', '.join(sorted(about.keys() - _OPTIONS))}")
    if "budget" in about and about["budget"] is not None and not isinstance(about["budget"], Budget):
        raise TypeError(f"a budget is a Budget, not {type(about['budget']).__name__}")
    options: dict[str, Any] = about  # type: ignore[assignment]  # made anew for each call
    if callable(name):
        return AgentRun(None, options)(name)
    return AgentRun(name, options)


def current_run() -> AgentRun:
    """Return the run around, or one that is false and ignores everything: ``current_run().thought("…")`` is always safe."""
    if not active.touched:
        return _NO_RUN
    scope: Scope | None = get_current().get(SCOPE)  # type: ignore[assignment]  # nobody else has the key
    run: AgentRun | None = scope._run if scope is not None else None
    return run if run is not None else _NO_RUN
