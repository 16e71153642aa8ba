"""What comes to the agent and goes from it: the world around it, requests, answers, and one request while it is worked on."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from .architectures.desk import Desk
from .domain.store import DomainStore
from .memory.conversation import Conversation, Turn
from .security.patterns import REMOVED
from .settings import AgentSettings
from .state.agreements import Pending
from .state.sessions import Session
from .state.store import StateStore
from .truth import Entry, Ledger


@dataclass(frozen=True, slots=True)
class World:
    """What the agent finds around it: the firm's calendars, the store of all state, and time."""

    domain: DomainStore
    state: StateStore
    now: Callable[[], datetime]
    sleep: Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks. Who they are was settled by logging in, never by what they write.

    ``history`` and ``agreed`` (a key that an earlier answer asked to confirm) are for an agent without state, which knows no earlier turn.
    """

    text: str
    session_id: str
    user_id: str
    clients: frozenset[str]
    """Ids of the clients they act for; ``*`` is staff's."""
    role: Literal["client", "staff"] = "client"
    history: tuple[Turn, ...] = ()
    agreed: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the user reads, why the run stopped, where it can be seen, and the ledger of what happened."""

    text: str
    reason: str
    detail: str | None
    trace_id: str
    url: str
    ledger: Ledger
    pending: Pending | None = None


@dataclass(slots=True)
class Visit:
    """One request while it is worked on."""

    request: Request
    ledger: Ledger
    state: StateStore
    entry: Entry
    """The run's, in the ledger."""
    run: Any
    """The run's, in the tracer: the request's own, whatever specialist is at work."""
    text: str = ""
    """What was asked, as far as it may be shown to a model; empty until it was looked at."""
    session: Session | None = None
    desk: Desk | None = None

    @property
    def is_first(self) -> bool:
        """Whether nothing was said before, so that the words mean by themselves what they mean."""
        return self.session is not None and self.session.conversation == Conversation() and not self.request.history

    @property
    def whose(self) -> str:
        """Who asks, with all that they may see: what one such is told, another may not be."""
        return f"{self.request.user_id} for {', '.join(sorted(self.request.clients))}"

    @property
    def session_id(self) -> str:
        """The session that pays and remembers: a continued one has another id than the user knows."""
        return self.session.id if self.session is not None else self.request.session_id


def client_of(request: Request) -> str | None:
    """Return the client that a request is about by who asks; None for staff, and for nobody's."""
    return next(iter(sorted(request.clients - {"*"})), None)


def about(request: Request, settings: AgentSettings) -> dict[str, Any]:
    """Return what every run says of itself: whose it is, and which deployment's."""
    client_id = client_of(request)
    return {
        "session": request.session_id,
        "user": request.user_id,
        "references": {"client": client_id} if client_id else {},
        "environment": settings.environment,
        "version": settings.version,
    }


def is_nothing_left(before: str, after: str) -> bool:
    """Say whether a request consisted of nothing but what sanitising took out."""
    return before != after and not re.search(r"\w{2}", after.replace(REMOVED, ""))
