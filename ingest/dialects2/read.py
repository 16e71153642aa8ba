"""A span into facts: what all conventions share, driven by the tables and by what a dialect adds to them."""

from collections.abc import Iterable
from typing import Any

from ingest.model import Decision, Facts, Option, Span
from tracer import semconv

from . import tables
from .calls import read_call
from .dialect import Dialect
from .messages import read_message, result_text
from .tokens import read_counts
from .values import (
    TEXT_CHARS,
    dollars,
    first,
    first_word,
    json_or_text,
    listing,
    mapping,
    number,
    show,
    truth,
    word,
)

_CALLS = frozenset({"llm", "embedding", "rerank"})
_MESSAGE_CHARS = 4_000


def read_span(span: Span, dialect: Dialect) -> Facts:
    """Return what a span says."""
    attributes = span.attributes
    facts = Facts(kind=kind_of(span, dialect), convention=dialect.name)
    _read_sender(facts, span)
    _read_identity(facts, attributes)
    _read_error(facts, span)
    _read_ours(facts, attributes)
    if facts.kind in _CALLS:
        read_call(facts, span, dialect)
    elif facts.kind in ("tool", "handoff", "retrieval", "memory", "guardrail"):
        _read_tool(facts, span, dialect)
    elif facts.kind != "part":
        _read_work(facts, span, dialect)
    if dialect.refine is not None:
        dialect.refine(span, facts)
    return facts


def kind_of(span: Span, dialect: Dialect) -> str:
    """Tell what a span is: our own word, the dialect's, the operation, or how its name begins."""
    attributes = span.attributes
    ours = attributes.get(semconv.STEP_KIND)
    if isinstance(ours, str) and ours in _OURS:
        return ours
    if dialect.kind_of is not None:
        found = dialect.kind_of(span)
        if found is not None:
            return found
    if dialect.kind_key is not None:
        value = word(attributes.get(dialect.kind_key))
        if value is not None and (known := dialect.kinds.get(value)) is not None:
            return known
    operation = attributes.get("gen_ai.operation.name")
    if isinstance(operation, str) and operation in tables.KIND_OF_OPERATION:
        return tables.KIND_OF_OPERATION[operation]
    if dialect.name != "none":
        for start, kind in tables.KIND_OF_NAME:
            if span.name.startswith(start):
                return kind
    return "other"


_OURS = frozenset({
    "agent", "plan", "thought", "decision", "llm", "tool", "retrieval", "memory", "guardrail", "retry", "fallback", "repair",
    "breaker", "cache", "handoff", "other", "part", "chain", "embedding", "rerank", "evaluator",
})  # fmt: skip


def _read_sender(facts: Facts, span: Span) -> None:
    resource = span.resource.attributes
    facts.service = word(resource.get("service.name"))
    facts.version = word(resource.get("service.version"))
    facts.environment = first_word(resource, ("deployment.environment.name", "deployment.environment"))
    if facts.environment is None:
        facts.environment = first_word(span.attributes, ("langfuse.environment", "deployment.environment.name", "deployment.environment"))


def _read_identity(facts: Facts, attributes: dict[str, Any]) -> None:
    facts.operation = word(attributes.get("gen_ai.operation.name"))
    facts.agent_name = first_word(attributes, tables.AGENT_KEYS)
    facts.agent_id = word(attributes.get("gen_ai.agent.id"))
    facts.session_id = first_word(attributes, tables.SESSION_KEYS)
    facts.user_id = first_word(attributes, tables.USER_KEYS)
    if facts.session_id is None and "metadata" in attributes:
        about = mapping(attributes["metadata"])
        facts.session_id = first_word(about, ("session_id", "thread_id", "conversation_id"))
        facts.user_id = facts.user_id or word(about.get("user_id"))


def _read_error(facts: Facts, span: Span) -> None:
    attributes = span.attributes
    failed = span.status_code == 2
    kind = attributes.get("error.type")
    exception = _last_exception(span)
    if failed or kind is not None:
        facts.error_type = word(kind) or (word(exception.get("exception.type")) if exception else None)
        message = (span.status_message or None) if failed else None
        message = message or (show(exception.get("exception.message")) if exception else None)
        message = message or show(attributes.get("error.message")) or show(attributes.get("exception.message"))
        facts.error_message = message[:_MESSAGE_CHARS] if message else None
        facts.failed = failed or kind not in (None, "")


def _last_exception(span: Span) -> dict[str, Any] | None:
    for event in reversed(span.events):
        if event.name == "exception":
            return event.attributes
    return None


def _read_ours(facts: Facts, attributes: dict[str, Any]) -> None:
    """Read our own names, which any span can carry."""
    for key, value in attributes.items():
        if key.startswith("clew."):
            break
    else:
        return
    facts.run_id = word(attributes.get(semconv.RUN_ID))
    facts.thought = show(attributes.get(semconv.THOUGHT))
    facts.termination = word(attributes.get(semconv.TERMINATION_REASON))
    facts.termination_detail = show(attributes.get(semconv.TERMINATION_DETAIL))
    facts.budget_tokens = number(attributes.get(semconv.BUDGET_TOKENS))
    facts.budget_steps = number(attributes.get(semconv.BUDGET_STEPS))
    usd = dollars(attributes.get(semconv.BUDGET_USD))
    facts.budget_usd = usd / 1e9 if usd is not None else None
    start = len(semconv.REFERENCE_PREFIX)
    named = {key[start:]: word(value) for key, value in attributes.items() if key.startswith(semconv.REFERENCE_PREFIX)}
    facts.references = {name: value for name, value in named.items() if name and value}
    facts.truncated = truth(attributes.get(semconv.CONTENT_TRUNCATED)) is True
    chosen = word(attributes.get(semconv.DECISION_CHOSEN))
    if chosen is not None:
        facts.decision = Decision(
            chosen,
            "declared",
            show(attributes.get(semconv.DECISION_QUESTION)),
            show(attributes.get(semconv.DECISION_BECAUSE)),
            list(_options(attributes.get(semconv.DECISION_ALTERNATIVES), chosen)),
        )


def _options(value: Any, chosen: str) -> Iterable[Option]:
    names = set()
    for entry in listing(value)[:500]:
        entry = {"name": entry} if isinstance(entry, str) else entry
        name = word(entry.get("name")) if isinstance(entry, dict) else None
        if name is None or name in names:
            continue
        names.add(name)
        score = entry.get("score")
        plain = float(score) if isinstance(score, int | float) and not isinstance(score, bool) else None
        yield Option(name, show(entry.get("because")), plain)
    if chosen not in names:
        yield Option(chosen)


def _read_tool(facts: Facts, span: Span, dialect: Dialect) -> None:
    attributes = span.attributes
    facts.tool_name = first_word(attributes, tables.TOOL_NAME_KEYS) or _tool_name(span.name)
    facts.tool_call_id = first_word(attributes, tables.TOOL_ID_KEYS)
    arguments = first(attributes, (*tables.TOOL_ARGUMENT_KEYS, *dialect.tool_argument_keys))
    facts.tool_arguments = _arguments(arguments)
    result = first(attributes, (*tables.TOOL_RESULT_KEYS, *dialect.tool_result_keys))
    text = result_text(result)
    if facts.kind == "retrieval" and text is None:
        text = show(_documents(attributes)) or None
        facts.tool_arguments = facts.tool_arguments or word(attributes.get("gen_ai.retrieval.query.text"))
    facts.truncated = facts.truncated or bool(text and len(text) > TEXT_CHARS)
    facts.tool_result = text[:TEXT_CHARS] if text else None
    if _says_error(result):
        facts.tool_error = facts.tool_result or "failed"
    if facts.kind == "handoff":
        _read_handoff(facts, span)
    elif facts.kind != "tool":
        facts.input, facts.output = show(facts.tool_arguments), facts.tool_result
        facts.tool_name = None if facts.kind != "retrieval" else first_word(attributes, tables.TOOL_NAME_KEYS)
    if facts.kind == "guardrail" and truth(attributes.get("gen_ai.guardrail.triggered")) is True:
        facts.failed = True
        facts.error_message = facts.error_message or "the guardrail was triggered"


def _read_handoff(facts: Facts, span: Span) -> None:
    attributes = span.attributes
    target = first_word(attributes, ("gen_ai.handoff.to_agent", "graph.node.id"))
    for start in ("handoff to ", "transfer_to_", "Handoff to "):
        if target is None and span.name.startswith(start):
            target = span.name[len(start) :]
    if target is None and facts.tool_name and facts.tool_name.startswith("transfer_to_"):
        target = facts.tool_name.removeprefix("transfer_to_")
    if target is None:
        for arrow in ("→", "->"):
            if arrow in span.name:
                target = span.name.split(arrow, 1)[1].strip().removesuffix(".handoff")
    facts.handoff_to = target


def _documents(attributes: dict[str, Any]) -> Any:
    stated = attributes.get("gen_ai.retrieval.documents")
    if stated is not None:
        return stated
    texts = [value for key, value in attributes.items() if key.startswith("retrieval.documents.") and key.endswith(".content")]
    return texts or None


def _arguments(value: Any) -> Any:
    """Return a tool's arguments without what decorators put around them."""
    found = json_or_text(value)
    if isinstance(found, dict):
        wrapped = found.get("kwargs")
        if isinstance(wrapped, dict) and set(found) <= {"args", "kwargs", "sanitize_inputs_outputs"}:
            positional = found.get("args")
            if wrapped or not positional:
                return wrapped
            return positional[0] if isinstance(positional, list) and len(positional) == 1 else positional
        if set(found) == {"inputs"} and isinstance(found["inputs"], dict):
            return found["inputs"]
    return found if not isinstance(found, str) or len(found) <= TEXT_CHARS else found[:TEXT_CHARS]


def _says_error(result: Any) -> bool:
    found = json_or_text(result)
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        return False
    data = mapping(found.get("data")) or mapping(found.get("kwargs"))
    return truth(found.get("is_error")) is True or truth(found.get("isError")) is True or "error" in (found.get("status"), data.get("status"))


def _tool_name(name: str) -> str:
    for start in tables.TOOL_NAME_PREFIXES:
        if name.startswith(start):
            name = name[len(start) :]
            break
    for end in tables.TOOL_NAME_SUFFIXES:
        if name.endswith(end) and len(name) > len(end):
            name = name[: -len(end)]
    return name or "unknown"


def _read_work(facts: Facts, span: Span, dialect: Dialect) -> None:
    """Read what is no call and no tool: an agent, a workflow, glue. Sums of usage stay on agents only."""
    attributes = span.attributes
    facts.input = _said(first(attributes, ("gen_ai.task.input", *dialect.request_keys)), last_user=True)
    facts.output = _said(first(attributes, ("gen_ai.task.output", "final_result", *dialect.reply_keys)), last_user=False)
    if facts.kind in ("agent", "chain"):
        _read_spoken(facts, span)
        facts.usage = read_counts(attributes).usage()
        facts.request_model = first_word(attributes, tables.REQUEST_MODEL_KEYS)
        facts.response_model = first_word(attributes, tables.RESPONSE_MODEL_KEYS)
        facts.provider = tables.provider_of(first_word(attributes, tables.PROVIDER_KEYS))
        if facts.usage is None and facts.kind == "chain":
            facts.request_model = facts.response_model = facts.provider = None


def _read_spoken(facts: Facts, span: Span) -> None:
    """Read the messages that an agent span repeats: the question and the answer."""
    shell = Facts(kind="llm")
    read_call(shell, span, _PLAIN, usage=False)
    facts.input = facts.input or shell.input
    facts.output = facts.output or shell.output


_PLAIN = Dialect("none", 999)


def _said(value: Any, *, last_user: bool) -> str | None:
    """Return a value as words where it is a message or a list of them, else as text."""
    found = json_or_text(value)
    text: str | None = None
    if isinstance(found, dict):
        inner = found.get("messages") or found.get("input") or found.get("output") or found.get("content")
        if isinstance(inner, str):
            text = inner
        elif isinstance(inner, list) and inner:
            text = _last_words(inner, user=last_user)
    elif isinstance(found, list) and found:
        text = _last_words(found, user=last_user)
    text = text or show(value)
    return text[:TEXT_CHARS] if text else None


def _last_words(messages: list[Any], *, user: bool) -> str | None:
    from_ = reversed([read for raw in messages[-200:] if (read := _message(raw)) is not None])
    for role, text in from_:
        if text and (not user or role in ("user", "human", "")):
            return text
    return None


def _message(raw: Any) -> tuple[str, str] | None:
    from_message = _read_one(raw)
    return (from_message.role, "\n\n".join(from_message.texts)) if from_message is not None else None


def _read_one(raw: Any) -> Any:
    return read_message(raw) if isinstance(raw, dict | list) else None
