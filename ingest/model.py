"""The values that travel through Clew: what arrives, what is understood of it, and what is read out of it.

Three layers, each a pure function of the one before:

* ``Span`` and ``LogRecord``: OTLP as it came, decoded and nothing else.
* ``Facts``: what one span (or log record) says about an agent's work, in one vocabulary whatever the emitter's.
* ``Trace``, ``Run``, ``Step``: the reasoning chain reconstructed from the facts of a whole trace.

Times are integer nanoseconds since the Unix epoch and money is integer nano-dollars. ``None`` means unknown, never zero.
Values are trees, never cycles, so that the garbage collector need not look through them (``gc=False``): a run of 10,000 steps
would cost it a tenth of a second.
"""

from typing import Any

import msgspec

# --- what arrives -------------------------------------------------------------------------------------------------


class Resource(msgspec.Struct, gc=False):
    """The sender of a span."""

    attributes: dict[str, Any] = msgspec.field(default_factory=dict)
    dropped_attributes: int = 0
    schema_url: str = ""


class Scope(msgspec.Struct, gc=False):
    """The instrumentation that made a span."""

    name: str = ""
    version: str = ""
    attributes: dict[str, Any] = msgspec.field(default_factory=dict)
    dropped_attributes: int = 0
    schema_url: str = ""


class Event(msgspec.Struct, gc=False):
    """A point in time on a span."""

    name: str
    time_ns: int
    attributes: dict[str, Any]
    dropped_attributes: int = 0


class Link(msgspec.Struct, gc=False):
    """A pointer from a span to a span of this or another trace."""

    trace_id: bytes
    span_id: bytes
    trace_state: str = ""
    attributes: dict[str, Any] = msgspec.field(default_factory=dict)
    dropped_attributes: int = 0
    flags: int = 0


class Span(msgspec.Struct, gc=False):
    """One OTLP span, decoded. ``attributes`` hold str, bool, int, float, bytes, None, lists and dicts of these."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    """Empty for a root."""
    name: str
    kind: int
    start_ns: int
    end_ns: int
    status_code: int
    status_message: str
    attributes: dict[str, Any]
    events: list[Event]
    links: list[Link]
    resource: Resource
    scope: Scope
    trace_state: str = ""
    flags: int = 0
    dropped_attributes: int = 0
    dropped_events: int = 0
    dropped_links: int = 0
    repaired: list[str] = msgspec.field(default_factory=list)
    """What had to be changed to store it, e.g. ``attributes.input: NUL``."""


class LogRecord(msgspec.Struct, gc=False):
    """One OTLP log record that names a trace and a span."""

    trace_id: bytes
    span_id: bytes
    time_ns: int
    """Observed time where the sender gave no time."""
    event_name: str
    """``event_name``, else the attribute ``event.name``."""
    severity_number: int
    severity_text: str
    body: Any
    attributes: dict[str, Any]
    resource: Resource
    scope: Scope
    flags: int = 0
    dropped_attributes: int = 0
    repaired: list[str] = msgspec.field(default_factory=list)


# --- what is understood of it -------------------------------------------------------------------------------------

SPAN_KINDS = (
    "agent", "llm", "tool", "retrieval", "embedding", "rerank", "chain", "guardrail", "plan", "evaluator", "memory",
    "handoff", "prompt", "thought", "decision", "retry", "fallback", "repair", "breaker", "cache", "part", "announcement", "other",
)  # fmt: skip
"""What a span is, whatever its emitter calls it. ``part`` is a technical piece of its parent that is no step of its own
(the execution half of a tool span, a raw provider request below a model call, a placeholder); an
``announcement`` speaks for one still open."""


class Usage(msgspec.Struct, omit_defaults=True, gc=False):
    """Tokens of one model call, in one meaning: input includes cache reads and writes, output includes reasoning."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class ToolRequest(msgspec.Struct, omit_defaults=True, array_like=True, gc=False):
    """A tool call that a model asked for in its reply."""

    call_id: str | None
    name: str
    arguments: Any = None
    """The JSON value, or the text where it is no JSON."""


class ToolResult(msgspec.Struct, omit_defaults=True, array_like=True, gc=False):
    """A tool result handed to a model: only those newer than its last own message."""

    call_id: str | None
    result: str | None = None
    is_error: bool = False
    name: str | None = None


class Option(msgspec.Struct, omit_defaults=True, array_like=True, gc=False):
    """One option of a branch point."""

    name: str
    because: str | None = None
    score: float | None = None


class Decision(msgspec.Struct, omit_defaults=True, gc=False):
    """A branch point: what was offered, what was chosen, why."""

    chosen: str
    source: str
    """``declared`` by the emitter, or ``derived`` from the tools offered to a call and the ones it asked for."""
    question: str | None = None
    because: str | None = None
    alternatives: list[Option] = []
    """Every option offered, the chosen one included."""


class Facts(msgspec.Struct, omit_defaults=True, rename={"kind": "k"}, gc=False):
    """What one span, or one log record joined to it, says, in one vocabulary. All fields may be absent."""

    kind: str = "other"
    convention: str = ""
    """Which dialect read it."""
    operation: str | None = None
    """``chat``, ``embeddings``, ``execute_tool``, ``invoke_agent`` ...: the GenAI operation name or its equivalent."""
    service: str | None = None
    version: str | None = None
    environment: str | None = None
    agent_name: str | None = None
    agent_id: str | None = None
    run_id: str | None = None
    """The run the emitter says the span belongs to (16 hex digits), where it does."""
    session_id: str | None = None
    user_id: str | None = None
    references: dict[str, str] = {}
    thought: str | None = None
    """Reasoning text of the model, or what the SDK declared."""
    input: str | None = None
    """What the step was asked, as text: for a model call what is new since its last own message."""
    output: str | None = None
    """What the step answered, as text; for a model call the assistant's words without its thoughts."""
    tool_name: str | None = None
    tool_call_id: str | None = None
    tool_arguments: Any = None
    tool_result: str | None = None
    tool_error: str | None = None
    tool_requests: list[ToolRequest] = []
    tool_results: list[ToolResult] = []
    asked_before: list[ToolRequest] = []
    """What the model had asked for, as the conversation tells whose answers name no request: some leave it out of the reply itself."""
    tools_offered: list[str] = []
    usage: Usage | None = None
    """Absent where the span states no tokens. On an agent span it is the emitter's sum over its calls."""
    request_model: str | None = None
    response_model: str | None = None
    provider: str | None = None
    response_id: str | None = None
    finish_reason: str | None = None
    """The provider's own word."""
    cost_nanos: int | None = None
    """The cost that the emitter states; 0 is never kept, it means unknown."""
    error_type: str | None = None
    error_message: str | None = None
    failed: bool = False
    decision: Decision | None = None
    termination: str | None = None
    termination_detail: str | None = None
    budget_tokens: int | None = None
    budget_usd: float | None = None
    budget_steps: int | None = None
    handoff_to: str | None = None
    streamed_result: bool = False
    """True on a zero-length span that carries the result of a streamed call reported by a sibling (Logfire)."""
    server_half: bool = False
    """True on a provider's own span of a call that the client reports too."""
    announce: str | None = None
    """``started``, ``heartbeat`` or ``loss`` on a small span with which our SDK speaks for its parent, which is still open."""
    announced_kind: str | None = None
    announced_name: str | None = None
    announced_parent: str | None = None
    """What the open span is, is called, and (16 hex digits) stands below."""
    heartbeat_ns: int | None = None
    """How often the open span promises to speak."""
    lost_spans: int | None = None
    """How many spans the SDK lost before they left the process."""
    call_key: str | None = None
    """An emitter's id that two spans of one call share, where there is one (ADK's event id)."""
    truncated: bool = False
    """True where a text above was cut to its bound; the whole is in the stored attributes."""


class StoredSpan(msgspec.Struct, gc=False):
    """A span as the store gives it back for reconstruction: its skeleton and its facts, logs already merged in."""

    span_id: bytes
    parent_span_id: bytes
    name: str
    start_ns: int
    end_ns: int
    status_code: int
    facts: Facts
    scope: str = ""
    dropped_attributes: int = 0
    dropped_events: int = 0
    dropped_links: int = 0
    is_open: bool = False
    """True on the stand-in of a span that has not ended, or not arrived."""


# --- what is read out of it ---------------------------------------------------------------------------------------

TERMINATION_REASONS = (
    "completed", "max_tokens", "token_budget", "cost_budget", "max_steps", "timeout", "circuit_breaker", "tool_failure",
    "llm_unavailable", "validation_failed", "guardrail", "refused", "escalated", "cancelled", "stopped", "loop", "error",
    "lost", "running",
)  # fmt: skip

STEP_KINDS = (
    "plan", "thought", "decision", "llm", "tool", "retrieval", "memory", "guardrail", "retry", "fallback", "repair",
    "breaker", "cache", "handoff", "agent", "other",
)  # fmt: skip


class Termination(msgspec.Struct, gc=False):
    """Why a run stopped. Never absent."""

    reason: str
    source: str
    """``declared`` or ``inferred``."""
    detail: str | None = None
    span_id: bytes | None = None


class ToolCall(msgspec.Struct, gc=False):
    """One tool execution."""

    name: str
    call_id: str | None = None
    arguments: Any = None
    result: str | None = None
    error: str | None = None
    source: str = "span"
    """``span``, or ``derived`` from the model's request and the messages of its next call."""


class Step(msgspec.Struct, gc=False):
    """One thing an agent did."""

    span_id: bytes
    kind: str
    name: str
    started_ns: int
    ended_ns: int
    status: str = "ok"
    index: int = 0
    """Its place in the run, from 1, in the order things happened."""
    error: str | None = None
    thought: str | None = None
    usage: Usage | None = None
    """Set on a model call that counts in the bill, and on no other step."""
    model: str | None = None
    provider: str | None = None
    operation: str | None = None
    finish_reason: str | None = None
    is_declared: bool = False
    """True where somebody wrote the step down with our SDK: then it is told, even if it only holds others."""
    is_open: bool = False
    """True while it has not ended, as far as is known; ``ended_ns`` is its latest sign of life then."""
    cost_nanos: int | None = None
    cost_source: str | None = None
    """``stated`` by the emitter, ``priced`` by us, or None: unpriced."""
    tool: ToolCall | None = None
    decision: Decision | None = None
    input: str | None = None
    output: str | None = None
    run_id: bytes | None = None
    """For kind ``agent``: the run that holds its steps."""
    children: list["Step"] = []


class Totals(msgspec.Struct, gc=False):
    """Sums over the model calls and tool calls of a run, its nested runs included; each call once."""

    usage: Usage = msgspec.field(default_factory=Usage)
    cost_nanos: int | None = None
    """None where no call has a known cost."""
    unpriced_calls: int = 0
    llm_calls: int = 0
    tool_calls: int = 0
    errors: int = 0
    decisions: int = 0
    steps: int = 0


class Run(msgspec.Struct):
    """One agent invocation. A trace without any agent span is one run."""

    run_id: bytes
    parent_run_id: bytes | None
    agent: str
    started_ns: int
    ended_ns: int | None
    status: str
    """``ok``, ``error`` or ``running``."""
    termination: Termination
    totals: Totals
    steps: list[Step]
    service: str | None = None
    version: str | None = None
    environment: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    references: dict[str, str] = {}
    input: str | None = None
    output: str | None = None
    budget_tokens: int | None = None
    budget_nanos: int | None = None
    budget_steps: int | None = None
    lost_after_ns: int | None = None
    """For a run without an end: the time of silence after which it counts as lost."""
    depth: int = 0
    """How many runs it is nested in."""


class Trace(msgspec.Struct):
    """A whole trace, reconstructed."""

    trace_id: bytes
    state: str
    """``settling``, ``complete``, ``incomplete`` or ``running``."""
    span_count: int
    missing_parents: int
    dropped_attributes: int
    dropped_events: int
    dropped_links: int
    first_seen_ns: int
    last_seen_ns: int
    runs: list[Run]
    orphan_steps: list[Step]
    lost_spans: int = 0
    """Spans that never left the agent's process, as our SDK reports."""


class TraceSummary(msgspec.Struct):
    """What a list shows of a trace: its first run's facts, and totals over all its top runs."""

    trace_id: bytes
    run_id: bytes
    agent: str
    service: str | None
    version: str | None
    environment: str | None
    session_id: str | None
    user_id: str | None
    started_ns: int
    ended_ns: int | None
    status: str
    termination: str
    termination_source: str
    state: str
    input: str | None
    output: str | None
    span_count: int
    run_count: int
    totals: Totals


class LedgerRow(msgspec.Struct, frozen=True):
    """What one run spent in one hour on one (model, tool, operation). Sums of these rows are the bill.

    A row belongs to the run that made the call itself, not to the runs around it. Token classes exclude each other, so
    that every token is in one class: input_tokens of the contract = uncached + cache read + cache write.
    """

    run_id: bytes
    hour: int
    """Hours since the Unix epoch."""
    agent: str
    model: str
    """Empty where the row is about no model; likewise provider and tool."""
    provider: str
    tool: str
    operation: str
    """``run`` on the one row of a run that counts the run itself."""
    service: str
    environment: str
    termination: str
    session_id: str
    user_id: str
    runs: int
    """1 on the row with operation ``run``; on other rows 1 in the first hour in which the run has this combination."""
    llm_calls: int
    tool_calls: int
    errors: int
    uncached_input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    plain_output_tokens: int
    reasoning_tokens: int
    cost_nanos: int
    unpriced_calls: int
    duration_ns: int
    price_version: str
