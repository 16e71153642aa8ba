"""Untrusted text on its way to a model: hidden characters taken out, known injection patterns removed, delimiters made harmless.

This lowers the odds, no more. What a successful injection could do is bounded by tool sets, authorisation and confirmation.
"""

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..observe import Guarded, Observe, ignore
from .patterns import HIDDEN, INJECTIONS, JOINERS, LOOKALIKES, REMOVED
from .verdict import record_verdict

MOST_CHARS = 8_000

_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_SEAL = str.maketrans({"<": "‹", ">": "›", "＜": "‹", "＞": "›", "﹤": "‹", "﹥": "›"})


@dataclass(frozen=True, slots=True)
class Sanitised:
    """Text that a model may be shown, as data. ``found`` names what was taken out, each once."""

    text: str
    found: tuple[str, ...]


def sanitise(text: str) -> Sanitised:
    """Return text without what is known to subvert models; text that has nothing of it comes back as it was."""
    found = ["too long"] if len(text) > MOST_CHARS else []
    text = text[:MOST_CHARS]
    found += ["hidden characters"] if HIDDEN.search(text) else []
    clean = JOINERS.sub("", HIDDEN.sub("", text))
    spans = list(_find(clean))
    found += [name for name, _, _ in spans]
    return Sanitised(_cut(clean, [(start, end) for _, start, end in spans]), tuple(dict.fromkeys(found)))


def seal(text: str) -> str:
    """Return text in which nothing can open or close a tag, so that what it is enclosed in cannot be left from inside."""
    return text.translate(_SEAL)


def clean_text(source: str, text: str, observe: Observe = ignore) -> str:
    """Sanitise text that came from outside, with the verdict recorded."""
    sanitised = sanitise(text)
    _record(source, sanitised.found, observe)
    return sanitised.text


def clean_content(source: str, content: Mapping[str, Any], observe: Observe = ignore) -> dict[str, Any]:
    """Sanitise every text in a tool's result. A verdict is recorded only where something was found: most results are numbers and ids."""
    found: list[str] = []
    clean = {key: _walk(value, found) for key, value in content.items()}
    if found:
        _record(source, tuple(dict.fromkeys(found)), observe)
    return clean


def _record(source: str, found: tuple[str, ...], observe: Observe) -> None:
    because = f"removed: {', '.join(found)}" if found else "nothing known to be harmful"
    record_verdict(Guarded("sanitise", source, "changed" if found else "allowed", because), observe)


def _walk(value: Any, found: list[str]) -> Any:
    if isinstance(value, str):
        sanitised = sanitise(value)
        found += sanitised.found
        return sanitised.text
    if isinstance(value, Mapping):
        return {key: _walk(inner, found) for key, inner in value.items()}
    return [_walk(inner, found) for inner in value] if isinstance(value, list) else value


def _find(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield what is harmful and where, as positions in the text."""
    folded, origins = _fold(text)
    for name, pattern in INJECTIONS:
        for match in pattern.finditer(folded):
            yield name, origins[match.start()], origins[match.end() - 1] + 1
    for match in _ENCODED.finditer(text):
        hidden, _ = _fold(_decode(match[0]))
        if any(pattern.search(hidden) for _, pattern in INJECTIONS):
            yield "encoded instruction", match.start(), match.end()


def _fold(text: str) -> tuple[str, list[int]]:
    """Return text with lookalikes, widths and case levelled, and for each of its characters where it stands in the original."""
    folded: list[str] = []
    origins: list[int] = []
    for position, char in enumerate(text):
        levelled = unicodedata.normalize("NFKD", LOOKALIKES.get(char, char)).casefold()
        kept = [one for one in levelled if not unicodedata.combining(one)]
        folded += kept
        origins += [position] * len(kept)
    return "".join(folded), origins


def _decode(blob: str) -> str:
    padded = blob.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(padded + "=" * (-len(padded) % 4)).decode("utf-8", "ignore")
    except binascii.Error:
        return ""


def _cut(text: str, spans: list[tuple[int, int]]) -> str:
    kept, done = [], 0
    for start, end in sorted(spans):
        if start >= done:
            kept += [text[done:start], REMOVED]
        done = max(done, end)
    return "".join([*kept, text[done:]])
