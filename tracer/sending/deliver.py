"""One request with one batch, and what became of it. Whether it is tried again is decided elsewhere."""

from dataclasses import dataclass
from importlib import import_module
from typing import Literal, Protocol

from ..settings import Endpoint

USER_AGENT = "clew-tracer/0.1"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request.

    ``taken``: it is the backend's now, but for ``rejected`` spans of it. ``later``: worth another try, not before ``wait_s``.
    ``refused``: it never will be taken. ``unfit``: it as a whole; parts of it may be.
    """

    verdict: Literal["taken", "later", "refused", "unfit"]
    told: str = ""
    """For the log: a status or the kind of failure, nothing that the other side wrote."""
    wait_s: float | None = None
    rejected: int = 0
    is_absent: bool = False
    """Nobody answered."""


class Sender(Protocol):
    """Sends requests, one at a time. Nothing of it raises."""

    def send(self, body: bytes, timeout_s: float) -> Answer:
        """Send a gzipped request and wait for the answer, at most so long."""

    def interrupt(self) -> None:
        """End a request under way in another thread, and all that follow."""

    def close(self) -> None:
        """Close the connection; the next request opens another one."""

    def forget(self) -> None:
        """Leave the connection to the process that this one was forked from."""


def make_sender(endpoint: Endpoint) -> Sender:
    """Return what sends to an endpoint. Raises ``ValueError`` for certificates that cannot be read."""
    module, name = _SENDERS[endpoint.protocol]
    # By name: each takes as long to import as much of the rest, and nobody needs both, or either before there is an endpoint.
    sender: Sender = getattr(import_module(module, __package__), name)(endpoint)
    return sender


_SENDERS = {"http/protobuf": (".deliver_http", "HttpSender"), "grpc": (".deliver_grpc", "GrpcSender")}
