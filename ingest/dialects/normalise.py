"""What a span or log record says, in one vocabulary. Total: nothing in them makes these functions raise."""

import logging
import traceback
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from ingest.model import Event, Facts, LogRecord, Resource, Span

from .bodies import tool_names
from .calls import Understood, read_calls, read_embedding, read_models, read_usage, thought_in_reply
from .dialect import Dialect
from .events import DETAILS, is_message_event, message_of
from .faults import read_fault
from .kinds import OPERATION_OF, hands_over, kind_of_signs
from .messages import first_question, last_answer, last_deed, last_words
from .names import Names, names_on
from .own import own_kind, read_own
from .reading import Reading, gather
from .registry import TABLES, recognise
from .tools import conversation_in, plain_text, read_tool
from .values import TEXT_CHARS, mapping, show, unwrap, word

_log = logging.getLogger(__name__)

_TEXTS = ("input", "output", "thought", "tool_result", "tool_error", "error_message", "termination_detail")
_texts_of = attrgetter(*_TEXTS)

_HANDOFF = "handoff to "

_TO_ANY = "transfer_to_agent", "handoff_to_agent"
"""Tools that hand over to whichever agent their arguments name: ADK's and Strands'."""

_MERGED = "(merged tools)"
"""The name that ADK gives to its summary of tools that ran in parallel, which executed nothing."""


class Sender(NamedTuple):
    """What a resource says of who sent a span."""

    service: str | None
    version: str | None
    environment: str | None


def sender_of(resource: Resource) -> Sender:
    """Return what a resource says of a sender: the same for all its spans."""
    said = resource.attributes
    environment = word(said.get("deployment.environment.name")) or word(said.get("deployment.environment"))
    return Sender(word(said.get("service.name")), word(said.get("service.version")), environment)


def normalise(span: Span) -> Facts:
    """Say in one vocabulary what a span says. Total: never raises on account of the span."""
    return _read_one(span, sender_of(span.resource))


_AT_ONCE = 512
"""One trace may have a hundred thousand spans in a request: of so many the readings are held at a time."""


def normalise_all(spans: Sequence[Span], senders: Sequence[Sender]) -> list[Facts]:
    """Say what each span says, given who sent it. Total, as ``normalise``."""
    found: list[Facts] = []
    for start in range(0, len(spans), _AT_ONCE):
        some, theirs = spans[start : start + _AT_ONCE], senders[start : start + _AT_ONCE]
        try:
            found += _read(some, theirs)
        except Exception:
            found += map(_read_one, some, theirs)
    return found


def _read_one(span: Span, sender: Sender) -> Facts:
    try:
        return _read([span], [sender])[0]
    except Exception as error:
        # Everything in a span is hostile. One that defeats a reader is kept and shown as it is, without being understood.
        _report("span", span.scope.name, error)
        return Facts(convention="unreadable", failed=span.status_code == 2)


def _report(what: str, scope: str, error: Exception) -> None:
    """Log where a reader gave up. The error's own text may hold a prompt and is left out."""
    *_, last = traceback.walk_tb(error.__traceback__)
    _log.error("a %s of scope %.80r could not be understood: %s in %s", what, scope, type(error).__name__, last[0].f_code.co_qualname)


def _read(spans: Sequence[Span], senders: Sequence[Sender], otherwise: str = "other") -> list[Facts]:
    """Ask each question of all spans before the next one.

    A processor that asks one span everything, then the next one, fetches all that code anew for each: a quarter more time.
    """
    dialects = list(map(recognise, spans))
    readings = [gather(span, span.attributes, TABLES[dialect.name]) for span, dialect in zip(spans, dialects, strict=True)]
    for reading, dialect in zip(readings, dialects, strict=True):
        for event in reading.span.events:
            if event.name == DETAILS:
                _add_details(reading, event, dialect)
        if dialect.prepare is not None:
            dialect.prepare(reading)
            reading.layout = None
    names = list(map(names_on, readings))
    kinds = [kind or otherwise for kind in map(_kind, readings, dialects, names)]
    found = list(map(_begin, kinds, dialects, senders, names))
    understood = list(zip(readings, found, dialects, strict=True))
    for reading, facts, _ in understood:
        if "metadata" in reading.values and (facts.session_id is None or facts.user_id is None):
            _read_metadata(reading.values["metadata"], facts)
    for reading, facts, _ in understood:
        read_models(reading, facts)
    for reading, facts, dialect in understood:
        read_usage(reading, facts, dialect)
    for reading, facts, _ in understood:
        read_fault(reading, facts)
    for kind, members in groupby(sorted(understood, key=_kind_of), _kind_of):
        _READERS.get(kind, _read_others)(list(members))
    for reading, facts, _ in understood:
        read_own(reading, facts)
    for reading, facts, dialect in understood:
        dialect.refine(reading, facts)
    for facts in found:
        _bound(facts)
    return found


def _kind_of(understood: Understood) -> str:
    return understood[1].kind


def _add_details(reading: Reading, event: Event, dialect: Dialect) -> None:
    """Let an event with the attributes of a span fill the span's gaps."""
    said = gather(reading.span, event.attributes, TABLES[dialect.name])
    for field, value in said.values.items():
        reading.values.setdefault(field, value)
    reading.layout = None


def _kind(reading: Reading, dialect: Dialect, names: Names) -> str | None:
    kind = own_kind(reading) or dialect.kind(reading) or names.kind or kind_of_signs(reading)
    if kind == "tool":
        if reading.span.name.startswith(_HANDOFF) or _transfers(reading):
            return "handoff"
        if reading.values.get("tool_name") == _MERGED:
            return "part"
    return kind


def _transfers(reading: Reading) -> bool:
    name = reading.values.get("tool_name")
    return isinstance(name, str) and hands_over(name)


def _begin(kind: str, dialect: Dialect, sender: Sender, names: Names) -> Facts:
    """Return the facts that are single words."""
    return Facts(
        kind=kind,
        convention=dialect.name,
        operation=names.operation if names.kind is not None else OPERATION_OF.get(kind, names.operation),
        service=sender.service,
        # A run may say where it runs and which version of the agent it is; a sender's word holds for all it sends.
        version=names.version or sender.version,
        environment=names.environment or sender.environment,
        agent_name=names.agent_name,
        agent_id=names.agent_id,
        run_id=names.run_id,
        session_id=names.session_id,
        user_id=names.user_id,
        request_model=names.request_model,
        response_model=names.response_model,
        provider=names.provider,
    )


def _read_metadata(value: Any, facts: Facts) -> None:
    """Read session and user from the free metadata that OpenInference sends as JSON."""
    if isinstance(value, str) and "session" not in value and "thread_id" not in value and "user_id" not in value:
        return
    metadata = mapping(value)
    facts.session_id = facts.session_id or word(metadata.get("session_id")) or word(metadata.get("thread_id"))
    facts.user_id = facts.user_id or word(metadata.get("user_id"))


def _read_handoff(reading: Reading, facts: Facts) -> None:
    read_tool(reading, facts)
    name = reading.span.name
    target = reading.word("handoff_to")
    if target is None and name.startswith(_HANDOFF):
        target = name[len(_HANDOFF) :].strip() or None
    if target is None and facts.tool_name in _TO_ANY:
        target = word(mapping(facts.tool_arguments).get("agent_name"))
    elif target is None and facts.tool_name is not None and facts.tool_name.startswith("transfer_to_"):
        target = facts.tool_name.removeprefix("transfer_to_") or None
    facts.handoff_to = target
    _read_other(reading, facts)


def _read_other(reading: Reading, facts: Facts) -> None:
    """Fill in what an agent, a chain or any other span was asked and answered."""
    values = reading.values
    asked = first_question if facts.kind == "agent" else last_words
    if "messages.input" in values:
        facts.input = asked(values["messages.input"])
    if facts.input is None and "body.input" in values:
        body = unwrap(values["body.input"])
        state = conversation_in(body)
        facts.input = (asked(state) if state else None) or plain_text(body)
    if "messages.output" in values:
        facts.output = last_answer(values["messages.output"])
    if facts.output is None and "body.output" in values:
        body = unwrap(values["body.output"])
        state = conversation_in(body)
        facts.output = (last_deed(state) if state else None) or plain_text(body)
    if facts.kind == "chain":
        facts.thought = thought_in_reply(values.get("body.output"))
    if facts.kind == "agent":
        _read_agent_events(reading, facts)
        facts.tools_offered = tool_names(values["tools"]) if "tools" in values else []


def _read_agent_events(reading: Reading, facts: Facts) -> None:
    for event in reading.span.events:
        if is_message_event(event.name):
            role, message = message_of(event.name, None, event.attributes)
            text = "\n\n".join(message.texts) or None
            if role == "user" and facts.input is None:
                facts.input = text
            elif role == "choice" and facts.output is None:
                facts.output = text


def _each(read: Callable[[Reading, Facts], None]) -> Callable[[Sequence[Understood]], None]:
    def read_all(members: Sequence[Understood]) -> None:
        for reading, facts, _ in members:
            read(reading, facts)

    return read_all


_READERS = {
    "llm": read_calls, "tool": _each(read_tool), "handoff": _each(_read_handoff),
    "embedding": _each(read_embedding), "rerank": _each(read_embedding), "retrieval": _each(read_embedding),
}  # fmt: skip
_read_others = _each(_read_other)


def _bound(facts: Facts) -> None:
    """Cut texts to their bound; the whole is in the stored attributes."""
    if sum(map(len, filter(None, _texts_of(facts)))) <= TEXT_CHARS:
        return
    for name, text in zip(_TEXTS, _texts_of(facts), strict=True):
        if text is not None and len(text) > TEXT_CHARS:
            setattr(facts, name, text[:TEXT_CHARS])
            facts.truncated = True


# --- log records --------------------------------------------------------------------------------------------------


def normalise_log(record: LogRecord) -> Facts:
    """Say what a log record says of its span; empty facts where it says nothing we know. Total, as ``normalise``."""
    try:
        facts = _read_log(record)
        _bound(facts)
        return facts
    except Exception as error:
        _report("log record", record.scope.name, error)
        return Facts()


def _read_log(record: LogRecord) -> Facts:
    name = record.event_name
    if is_message_event(name):
        facts = _read_message_log(record)
    elif name == "exception" or "exception.type" in record.attributes:
        said = record.attributes
        facts = Facts(error_type=word(said.get("exception.type")), error_message=show(said.get("exception.message")))
    else:
        facts = _read_record(record)
    return facts


def _read_message_log(record: LogRecord) -> Facts:
    role, message = message_of(record.event_name, record.body, record.attributes)
    text = "\n\n".join(message.texts) or None
    facts = Facts(convention=f"log:{role}")
    if role == "choice":
        facts.output, facts.thought = text, "\n\n".join(message.thoughts) or None
        facts.tool_requests, facts.finish_reason = message.requests, message.finish_reason
    elif role in ("user", "tool"):
        facts.input, facts.tool_results = text, message.results
    return facts


def _read_record(record: LogRecord) -> Facts:
    """Read a record with the keys of a span as the span that it stands for."""
    attributes = {**record.body, **record.attributes} if isinstance(record.body, dict) else record.attributes
    stand_in = Span(
        record.trace_id, record.span_id, b"", record.event_name, 0, record.time_ns, record.time_ns, 0, "", attributes, [], [],
        record.resource, record.scope,
    )  # fmt: skip
    if not _speaks_of_agents(record, attributes):
        return Facts()
    [facts] = _read([stand_in], [sender_of(record.resource)], "llm" if record.event_name == DETAILS else "other")
    return msgspec.structs.replace(facts, service=None, version=None, environment=None, failed=False, error_type=None, error_message=None)


def _speaks_of_agents(record: LogRecord, attributes: dict[str, Any]) -> bool:
    if record.event_name == DETAILS or record.scope.name.startswith("com.anthropic.claude_code"):
        return True
    return any(isinstance(key, str) and (key.startswith("gen_ai.") or key in ("user.id", "session.id", "enduser.id")) for key in attributes)
