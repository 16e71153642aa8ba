"""Texts cut to what a column holds, the same when they are stored and when they are looked for."""

from collections.abc import Callable
from typing import Any

NAME_BYTES = 120
"""Bound of every text that is part of a key or an index: PostgreSQL refuses index rows beyond 2,704 bytes."""

VALUE_BYTES = 500
"""Bound of a value that is looked for."""


def clip(text: str, limit: int = NAME_BYTES) -> str:
    """Cut a text to so many bytes of UTF-8, and make it storable: no NUL, no lone surrogates."""
    if text.isascii() and "\0" not in text:
        return text if len(text) <= limit else text[:limit]
    data = text.replace("\0", "\ufffd").encode("utf-8", "replace")
    return data[:limit].decode("utf-8", "ignore")


class _Names(dict[Any, Any]):
    """Names that were cut before: the same come with span after span, and to look at each anew takes longer than to look it up."""

    _MOST = 10_000

    def __missing__(self, text: str | None) -> str | None:
        clipped = None if text is None else clip(text)
        if text is None or len(text) <= NAME_BYTES:
            if len(self) >= self._MOST:
                self.clear()
            self[text] = clipped
        return clipped


_NAMES = _Names()

clip_name: Callable[[str], str] = _NAMES.__getitem__
"""Cut a name as ``clip`` does."""

clip_optional: Callable[[str | None], str | None] = _NAMES.__getitem__
"""Cut a name as ``clip`` does; None stays None."""


def fold(value: str) -> str:
    """Return what two values share that differ in case only."""
    return clip(value.casefold(), VALUE_BYTES)
