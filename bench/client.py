"""A keep-alive connection that knows nothing but requests and answers, and how long they took."""

import http.client
import json
import time
from typing import Any, NamedTuple

_MOST_IDLE_S = 20.0


class Answer(NamedTuple):
    """An answer, read to its last byte."""

    status: int
    body: bytes
    took_ms: float
    retry_after: str | None = None

    def json(self) -> Any:
        """Return the body as JSON. Raises ``ValueError`` where it is none."""
        return json.loads(self.body)


class Connection:
    """One connection to a server on this machine."""

    def __init__(self, port: int, timeout_s: float = 120.0) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
        self._used_at = time.perf_counter()

    def get(self, path: str) -> Answer:
        """Ask for a path. Raises ``OSError`` or ``http.client.HTTPException`` where nothing answers."""
        if time.perf_counter() - self._used_at > _MOST_IDLE_S:
            # Servers close connections that are idle for long. One that closes a busy connection is at fault, so nothing is retried.
            self._http.close()
        return self._ask("GET", path, None, {})

    def post(self, path: str, body: bytes, content_type: str) -> Answer:
        """Post a body."""
        return self._ask("POST", path, body, {"Content-Type": content_type})

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        started = time.perf_counter()
        self._http.request(method, path, body, headers)
        response = self._http.getresponse()
        read = response.read()
        self._used_at = time.perf_counter()
        return Answer(response.status, read, (self._used_at - started) * 1000, response.getheader("Retry-After"))

    def close(self) -> None:
        """Close the connection."""
        self._http.close()
