"""Serves an answer again: to exactly the same question, or to one that means the same.

What a cache must not do is decided here. It serves nobody another user's answer. It holds no answer to a call that was
offered a tool with side effects, because a tool request is a decision about the world as it was. Two questions mean the
same only where all else in the prompt is equal and the same facts (numbers, days, names, verbs) stand in both.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tracer import record

from ..observe import Event, Observe
from .likeness import facts_in
from .prices import usd_of
from .settings import ModelSettings
from .types import Complete, Message, ModelReply, ModelRequest, Part, Text, Tokens

Vector = npt.NDArray[np.float32]
Embed = Callable[[str], npt.NDArray[Any]]
"""Turns a text into a vector; texts that mean the same point the same way."""

Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Entry:
    """A kept answer with what its question must have in common with the next one."""

    reply: ModelReply
    kept_at: datetime
    bucket: str
    vector: Vector | None
    facts: frozenset[str]


class AnswerCache:
    """The most recently used answers, found by digest, or by likeness among those with the same user and prompt around the text."""

    def __init__(self, settings: ModelSettings, embed: Embed, now: Now) -> None:
        self._settings = settings
        self._embed = embed
        self._now = now
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def find(self, request: ModelRequest) -> tuple[ModelReply, Literal["exact", "semantic"]] | None:
        """Return a kept answer and how it was found, or None."""
        with self._lock:
            self._drop_old()
            digest = digest_of(request)
            if digest in self._entries:
                self._entries.move_to_end(digest)
                return self._entries[digest].reply, "exact"
            near = self._nearest(request)
            return (near, "semantic") if near is not None else None

    def keep(self, request: ModelRequest, reply: ModelReply) -> None:
        """Keep an answer; the least recently used one goes where there are too many."""
        text = self._matched_text(request)
        vector = self._unit(text) if text is not None else None
        entry = Entry(reply, self._now(), bucket_of(request), vector, facts_in(text or ""))
        with self._lock:
            self._entries[digest_of(request)] = entry
            while len(self._entries) > self._settings.cache_size:
                self._entries.popitem(last=False)

    def _nearest(self, request: ModelRequest) -> ModelReply | None:
        text = self._matched_text(request)
        if text is None:
            return None
        bucket, facts = bucket_of(request), facts_in(text)
        near = [entry for entry in self._entries.values() if entry.bucket == bucket and entry.facts == facts and entry.vector is not None]
        if not near:
            return None
        likeness = np.stack([entry.vector for entry in near if entry.vector is not None]) @ self._unit(text)
        best = int(np.argmax(likeness))
        return near[best].reply if likeness[best] >= self._settings.similarity else None

    def _matched_text(self, request: ModelRequest) -> str | None:
        """Return the text that may match by meaning: only words that stand in the last message, and only where no tool is offered."""
        text = request.semantic_text
        is_meant = self._settings.cache == "semantic" and text and not request.tools and text in _words(request.messages[-1].parts)
        return text if is_meant else None

    def _unit(self, text: str) -> Vector:
        vector = np.asarray(self._embed(text), dtype=np.float32)
        length = float(np.linalg.norm(vector))
        return vector / length if length else vector

    def _drop_old(self) -> None:
        oldest = self._now() - timedelta(seconds=self._settings.cache_ttl_s)
        for digest in [digest for digest, entry in self._entries.items() if entry.kept_at < oldest]:
            del self._entries[digest]


def may_cache(request: ModelRequest) -> bool:
    """Say whether an answer may be kept and served again: it belongs to somebody, and acts on nothing."""
    return bool(request.user) and not any(tool.side_effects for tool in request.tools)


def digest_of(request: ModelRequest) -> str:
    """Name a question exactly."""
    return _digest(request, request.messages)


def bucket_of(request: ModelRequest) -> str:
    """Name all of a question but the text that may match by meaning."""
    *before, last = request.messages
    parts = tuple(_without(part, request.semantic_text) for part in last.parts)
    return _digest(request, (*before, replace(last, parts=parts)))


def _without(part: Part, text: str | None) -> Part:
    return Text(part.text.replace(text, "\0")) if isinstance(part, Text) and text else part


def _digest(request: ModelRequest, messages: tuple[Message, ...]) -> str:
    schema = request.schema.__qualname__ if request.schema else None
    rest = (request.user, request.role, request.model, request.system, request.max_tokens, request.tools, schema, messages)
    # The values are frozen, so what they print is all that they are.
    return hashlib.sha256(repr(rest).encode("utf-8", "replace")).hexdigest()


def _words(parts: tuple[Any, ...]) -> str:
    return "\n".join(part.text for part in parts if isinstance(part, Text))


def cached(ask: Complete, cache: AnswerCache, observe: Observe) -> Complete:
    """Return ``ask`` behind the cache. A hit costs no tokens and is recorded; a miss is silent."""

    def complete(request: ModelRequest) -> ModelReply:
        if not may_cache(request):
            return ask(request)
        found = cache.find(request)
        if found is None:
            reply = ask(request)
            cache.keep(request, reply)
            return reply
        reply, name = found
        facts: dict[str, Any] = {"hit": True, "name": name, "saved_usd": usd_of(reply.tokens, reply.model, reply.provider)}
        record("cache", **facts)
        observe(Event("cache", name, facts))
        return replace(reply, tokens=Tokens(0, 0), from_cache=True)

    return complete
