"""A copy of a span in which there is nothing that must not leave, nothing too large, and nothing that cannot be encoded."""

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, Status

from .. import semconv
from ..sending.queue import weigh
from ..values.limits import MARK_CHARS, cut_text, encodable, fitting_chars, lengths_of, map_texts
from .redact import Redaction
from .withhold import is_content, is_content_event

_MARGIN_CHARS = 4_096
"""So much is read beyond the cut: a secret across it would not be known by its first half."""
_MOST_KEY_CHARS = 512
_MOST_NAME_CHARS = 2_048
_MOST_DEPTH = 24
_MOST_ITEMS = 10_000
_MOST_KEPT = 2_048
"""So many clean names are remembered."""
_INT64 = 1 << 63


class CleanSpan(ReadableSpan):
    """A span that is still able to tell how much of it was dropped before."""

    dropped: tuple[int, int, int] = (0, 0, 0)

    @property
    def dropped_attributes(self) -> int:
        """Of the original."""
        return self.dropped[0]

    @property
    def dropped_events(self) -> int:
        """Of the original."""
        return self.dropped[1]

    @property
    def dropped_links(self) -> int:
        """Of the original."""
        return self.dropped[2]


class _CleanEvent(Event):
    dropped = 0

    @property
    def dropped_attributes(self) -> int:
        return self.dropped


class _CleanLink(Link):
    dropped = 0

    @property
    def dropped_attributes(self) -> int:
        return self.dropped


class Cleaner:
    """Makes clean copies of spans. Used by one thread."""

    def __init__(self, redaction: Redaction, has_content: bool, max_chars: int, max_bytes: int) -> None:
        self._redaction = redaction
        self._has_content = has_content
        self._max_chars = max_chars
        self._max_bytes = max_bytes
        self._keys: dict[str, str] = {}
        self._origins: dict[int, tuple[Any, Any]] = {}
        self._was_cut = False

    def __call__(self, span: ReadableSpan) -> ReadableSpan:
        """Return a clean copy. May raise: then the span must not be sent."""
        self._was_cut = False
        attributes = self._attributes(span.attributes)
        events = [self._event(event) for event in span.events if self._has_content or not is_content_event(event.name)]
        clean = CleanSpan(
            name=self._short("name", span.name, _MOST_NAME_CHARS),
            context=span.context,
            parent=span.parent,
            resource=self._origin(span.resource, self._resource),
            attributes=attributes,
            events=events,
            links=[self._link(link) for link in span.links],
            kind=span.kind,
            status=self._status(span.status),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=self._origin(span.instrumentation_scope, self._scope),
        )
        clean.dropped = (span.dropped_attributes, span.dropped_events, span.dropped_links)
        self._fit(clean, attributes, events)
        if self._was_cut:
            attributes[semconv.CONTENT_TRUNCATED] = True
        return clean

    # --- parts of a span ----------------------------------------------------------------------------------------------

    def _attributes(self, attributes: Mapping[str, Any] | None) -> dict[str, Any]:
        has_content = self._has_content
        return {
            self._key(key): self._value(key, value, 0) for key, value in (attributes or {}).items() if has_content or not is_content(key)
        }

    def _event(self, event: Event) -> Event:
        clean = _CleanEvent(self._short("event", event.name, _MOST_NAME_CHARS), self._attributes(event.attributes), event.timestamp)
        clean.dropped = event.dropped_attributes
        return clean

    def _link(self, link: Link) -> Link:
        clean = _CleanLink(link.context, self._attributes(link.attributes))
        clean.dropped = link.dropped_attributes
        return clean

    def _status(self, status: Status) -> Status:
        if not status.description:
            return status
        return Status(status.status_code, self._text("status", status.description))

    def _resource(self, resource: Resource) -> Resource:
        return Resource(self._attributes(resource.attributes), resource.schema_url)

    def _scope(self, scope: InstrumentationScope) -> InstrumentationScope:
        name, version = self._short("scope", scope.name, _MOST_NAME_CHARS), scope.version
        return InstrumentationScope(name, version, scope.schema_url, self._attributes(scope.attributes))

    def _origin(self, origin: Any, clean: Any) -> Any:
        """Clean what many spans share once."""
        if origin is None:
            return None
        known = self._origins.get(id(origin))
        if known is None or known[0] is not origin:
            if len(self._origins) >= _MOST_KEPT:
                self._origins.clear()
            known = self._origins[id(origin)] = (origin, clean(origin))
        return known[1]

    # --- values -------------------------------------------------------------------------------------------------------

    def _key(self, key: str) -> str:
        clean = self._keys.get(key)
        if clean is None:
            if len(self._keys) >= _MOST_KEPT:
                self._keys.clear()
            clean = self._keys[key] = self._short("", str(key), _MOST_KEY_CHARS)
        return clean

    def _short(self, key: str, text: str, most: int) -> str:
        return cut_text(self._redacted(key, encodable(str(text)[: most + _MARGIN_CHARS])), most)

    def _value(self, key: str, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(key, value)
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, int):
            number = self._redaction.number(value)
            return number if isinstance(number, str) or -_INT64 <= number < _INT64 else str(number)
        if isinstance(value, bytes):
            return self._bytes(key, value)
        return self._nested(key, value, depth)

    def _nested(self, key: str, value: Any, depth: int) -> Any:
        if depth >= _MOST_DEPTH:
            self._was_cut = True
            return "…[cut: nested too deeply]"
        if isinstance(value, Mapping):
            pairs = list(value.items())[:_MOST_ITEMS]
            self._was_cut = self._was_cut or len(pairs) < len(value)
            return {self._key(str(name)): self._value(str(name), item, depth + 1) for name, item in pairs}
        if isinstance(value, Sequence):
            self._was_cut = self._was_cut or len(value) > _MOST_ITEMS
            return [self._value(key, item, depth + 1) for item in value[:_MOST_ITEMS]]
        return f"<{type(value).__name__}>"

    def _text(self, key: str, text: str) -> str:
        if len(text) <= self._max_chars:
            return self._redacted(key, encodable(text))
        self._was_cut = True
        head = self._redacted(key, encodable(text[: self._max_chars + _MARGIN_CHARS]))
        kept = max(0, self._max_chars - MARK_CHARS)
        return f"{head[:kept]}…[cut: {len(text) - kept:,} of {len(text):,} characters]"

    def _bytes(self, key: str, value: bytes) -> bytes:
        if len(value) > self._max_chars:
            self._was_cut = True
            value = value[: self._max_chars]
        if not self._redaction.is_on:
            return value
        text = value.decode("utf-8", "surrogateescape")
        clean = self._redaction.text(key, text)
        return value if clean == text else clean.encode("utf-8", "surrogateescape")

    def _redacted(self, key: str, text: str) -> str:
        return encodable(self._redaction.text(key, text)) if self._redaction.is_on else text

    def _fit(self, span: ReadableSpan, attributes: dict[str, Any], events: list[Event]) -> None:
        """Cut the longest texts until the whole span fits."""
        excess = weigh(span) - self._max_bytes
        if excess <= 0:
            return
        self._was_cut = True
        texts = lengths_of(attributes) + [length for event in events for length in lengths_of(dict(event.attributes or {}))]
        most = fitting_chars(texts, max(0, sum(texts) - excess - MARK_CHARS * len(texts)))
        attributes.update(map_texts(attributes, lambda text: cut_text(text, most)))
        for event in events:
            event._attributes = map_texts(dict(event.attributes or {}), lambda text: cut_text(text, most))
