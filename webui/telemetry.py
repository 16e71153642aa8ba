"""Counts of answered requests, for ``/metrics``."""

from collections import Counter
from threading import Lock


class Telemetry:
    """Counts answers by endpoint and status, and the seconds they took. Safe in many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._answers: Counter[tuple[str, int]] = Counter()
        self._seconds: Counter[str] = Counter()

    def count(self, endpoint: str, status: int, seconds: float) -> None:
        """Record one answer."""
        with self._lock:
            self._answers[endpoint, status] += 1
            self._seconds[endpoint] += seconds  # type: ignore[assignment]  # a Counter sums any number

    def lines(self) -> list[str]:
        """Return the counts as Prometheus text, in a fixed order."""
        with self._lock:
            answers, seconds = sorted(self._answers.items()), sorted(self._seconds.items())
        return [
            "# HELP clew_web_requests_total Answered requests by endpoint and status.",
            "# TYPE clew_web_requests_total counter",
            *(f'clew_web_requests_total{{endpoint="{name}",status="{status}"}} {number}' for (name, status), number in answers),
            "# HELP clew_web_request_seconds_total Time spent answering, by endpoint.",
            "# TYPE clew_web_request_seconds_total counter",
            *(f'clew_web_request_seconds_total{{endpoint="{name}"}} {total:.6f}' for name, total in seconds),
        ]
