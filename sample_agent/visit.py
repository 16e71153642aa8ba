"""What comes to the agent and goes from it: the world around it, requests, answers, and one request while it is worked on."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from .architectures.desk import Desk, Pending
from .domain.store import DomainStore
from .memory.conversation import Turn
from .security.sanitise import REMOVED
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
    session: Session | None = None
    desk: Desk | None = None

    @property
    def session_id(self) -> str:
        """The session that pays and remembers: a continued one has another id than the user knows."""
        return self.session.id if self.session is not None else self.request.session_id


def client_of(request: Request) -> str | None:
    """Return the client that a request is about by who asks; None for staff, and for nobody's."""
    return next(iter(sorted(request.clients - {"*"})), None)


_YES = re.compile(r"^\W*(?:yes|yep|yeah|ok(?:ay)?|sure|please do|do it|go ahead|confirm(?:ed)?|agreed|that's fine)\b", re.IGNORECASE)
_NO = re.compile(r"^\W*(?:no|nope|don'?t|do not|stop|cancel that|never ?mind|leave it|keep it)\b", re.IGNORECASE)


def yes_or_no(text: str) -> Literal["yes", "no"] | None:
    """Say whether words are a plain yes or no. No wins: what cannot be undone is not done on a doubtful yes."""
    if _NO.search(text):
        return "no"
    return "yes" if _YES.search(text) and not re.search(r"\b(?:but|instead|rather|not)\b", text, re.IGNORECASE) else None


_MESSAGE = re.compile(
    r"\b(?:send|email|e-mail|text|sms)\b[^.?!]*\bconfirmation\b|\bconfirmation\b[^.?!]*\bby (?:e-?mail|sms|text)\b", re.IGNORECASE
)


def asks_for_message(text: str) -> bool:
    """Say whether the user's own words ask for a confirmation to be sent: then there is no need to ask them again.

    What is sent, and where to, is fixed; so words that an attacker puts there gain nothing but a reminder to the client.
    """
    return _MESSAGE.search(text) is not None


def is_nothing_left(before: str, after: str) -> bool:
    """Say whether a request consisted of nothing but what sanitising took out."""
    return before != after and not re.search(r"\w{2}", after.replace(REMOVED, ""))
