"""The bytes that all requests together may hold in memory, whatever door they came in by."""

from collections.abc import Iterator
from contextlib import contextmanager


class Overloaded(Exception):
    """More has come than can be worked on now: try again. The text is a sentence for the sender."""


class Budget:
    """A bound on bytes. Used on the event loop alone, hence without a lock."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self.held_bytes = 0

    @contextmanager
    def hold(self) -> Iterator["Hold"]:
        """Open a hold that begins with nothing and lets go of everything at the end."""
        held = Hold(self)
        try:
            yield held
        finally:
            self.held_bytes -= held.size_bytes

    def reserve(self, size_bytes: int) -> None:
        """Take bytes. Raises ``Overloaded`` where that would be too many."""
        if self.held_bytes + size_bytes > self._limit:
            raise Overloaded("Too much is being received now; send this again in a moment.")
        self.held_bytes += size_bytes


class Hold:
    """What one request holds."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.size_bytes = 0

    def grow(self, size_bytes: int) -> None:
        """Hold more. Raises ``Overloaded``, and holds what it held then."""
        self._budget.reserve(size_bytes)
        self.size_bytes += size_bytes
