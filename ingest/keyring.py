"""Keys as the receivers ask for them: looked up off the event loop, and remembered for a moment."""

import asyncio
import time
from collections.abc import Callable

Lookup = Callable[[str], int | None]
"""Returns the project that a key opens, None for none; it asks the store."""

KNOWN_S = 4.0
"""For so long a key is not asked for again, hence still good after it was revoked."""

_MOST_KNOWN = 1_000


class Keyring:
    """Answers which project a key may send to. Used on one event loop."""

    def __init__(self, lookup: Lookup, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._lookup = lookup
        self._clock_s = clock_s
        self._known: dict[str, tuple[int, float]] = {}

    async def authenticate(self, key: str) -> int | None:
        """Return the project of a key, None for none. Raises ``StoreBusy``. Only keys that are good are remembered."""
        if not key:
            return None
        now = self._clock_s()
        project_id, until = self._known.get(key, (0, 0.0))
        if now < until:
            return project_id
        found = await asyncio.to_thread(self._lookup, key)
        if found is None:
            self._known.pop(key, None)
            return None
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[key] = (found, now + KNOWN_S)
        return found
