"""The names and ids on a span: who ran, for whom, on which model. They are the same on span after span of a run, and read once for all."""

import msgspec

from .kinds import OPERATIONS
from .providers import provider_of
from .reading import MOST_CHARS, NAMES, Reading
from .values import span_id, word

_NOT_SESSIONS = ("resp_", "chatcmpl", "msg_", "trace_")
"""Ids of replies, and of the traces of OpenAI's Agents SDK, that some send as the id of a conversation."""

_PATHS = ("models/", "projects/", "publishers/")


class Names(msgspec.Struct, frozen=True, gc=False):
    """What a span says in single words; None where it does not."""

    operation: str | None
    kind: str | None
    """What the operation means; None where it is no known one."""
    agent_name: str | None
    agent_id: str | None
    version: str | None
    environment: str | None
    run_id: str | None
    session_id: str | None
    user_id: str | None
    request_model: str | None
    response_model: str | None
    provider: str | None


def names_on(reading: Reading) -> Names:
    """Return the names on a span: those of the span before it where it says the same."""
    layout = reading.layout
    if layout is None or layout.pick_names is None:
        return _read_names(reading)
    said = layout.pick_names(reading.values)
    # One object for both, since another thread may read a span of this layout just now.
    before = layout.names_before
    if before is not None and before[0] == said:
        names: Names = before[1]
        return names
    names = _read_names(reading)
    # Texts only: 1, 1.0 and True are equal, and say different things.
    if set(map(type, said)) == {str} and sum(map(len, said)) <= MOST_CHARS:
        layout.names_before = said, names
    return names


def _read_names(reading: Reading) -> Names:
    values = reading.values
    said = dict.fromkeys(NAMES) | {field: word(values[field]) for field in NAMES if field in values}
    operation, session, provider = said["operation"], said["session"], said["provider"]
    return Names(
        operation=operation,
        kind=OPERATIONS.get(operation.lower()) if operation is not None else None,
        agent_name=said["agent_name"],
        agent_id=said["agent_id"],
        version=said["agent_version"],
        environment=said["environment"],
        run_id=span_id(said["clew.run"]),
        session_id=None if session is not None and session.startswith(_NOT_SESSIONS) else session,
        user_id=said["user"],
        request_model=_plain_model(said["request_model"]),
        response_model=_plain_model(said["response_model"]),
        provider=provider_of(provider) if provider is not None else None,
    )


def _plain_model(name: str | None) -> str | None:
    """Return a model's name without the path to where Google keeps it."""
    if name is not None and "models/" in name and name.startswith(_PATHS):
        return name.rpartition("/")[2] or name
    return name
