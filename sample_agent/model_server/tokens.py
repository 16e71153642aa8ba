"""Plausible token counts: about four characters each, the same every time; and a prompt cache that behaves like the real one."""

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

Now = Callable[[], datetime]

CHARS_PER_TOKEN = 4
CACHE_TTL = timedelta(minutes=5)
SHORTEST_PREFIX = {"haiku": 2048}
USUAL_SHORTEST_PREFIX = 1024
"""Prefixes below this are not cached, as with the real API; the small models want longer ones."""


@dataclass(frozen=True)
class InputCount:
    """What a call read: ``fresh`` tokens, those ``read`` from the cache, those ``written`` to it. They do not overlap."""

    fresh: int
    read: int = 0
    written: int = 0

    @property
    def total(self) -> int:
        """All that was read."""
        return self.fresh + self.read + self.written


def count(value: Any) -> int:
    """Count the tokens of a text or of a JSON value."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return -(-len(text) // CHARS_PER_TOKEN)


class PromptCache:
    """Remembers prefixes for five minutes since their last use."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._used_at: dict[str, datetime] = {}

    def count(self, model: str, pieces: list[tuple[str, bool]]) -> InputCount:
        """Count a prompt's pieces in order; True marks a piece after which the prefix is to be kept."""
        shortest = next((least for name, least in SHORTEST_PREFIX.items() if name in model), USUAL_SHORTEST_PREFIX)
        digest, total, marks = hashlib.sha256(model.encode()), 0, []
        for text, is_marked in pieces:
            digest.update(text.encode("utf-8", "replace"))
            total += count(text)
            if is_marked and total >= shortest:
                marks.append((digest.hexdigest(), total))
        return self._use(marks, total)

    def _use(self, marks: list[tuple[str, int]], total: int) -> InputCount:
        now = self._now()
        with self._lock:
            # An entry may be of a longer prompt's earlier mark: whatever was kept within the last minutes counts.
            warm = [length for key, length in marks if now - self._used_at.get(key, datetime.min.replace(tzinfo=now.tzinfo)) <= CACHE_TTL]
            for key, _ in marks:
                self._used_at[key] = now
        read = max(warm, default=0)
        longest = max((length for _, length in marks), default=0)
        return InputCount(fresh=total - max(longest, read), read=read, written=max(0, longest - read))
