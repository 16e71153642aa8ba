"""What open work says of itself. A span is sent when it ends; until then small spans of our SDK speak for it (``clew.announce``).

Where the span they speak for has not arrived, a stand-in made of their words takes its place. They are never steps themselves.
"""

from collections.abc import Iterable, Sequence

import msgspec

from ingest.model import StoredSpan

from .tree import time_order

_SLACK_NS = 5_000_000_000
_MISSED = 2
"""So many heartbeats may fail to come, and a little more, before a run counts as lost."""


class Heard(msgspec.Struct):
    """The spans of a trace without its announcements, and what these said."""

    spans: Sequence[StoredSpan]
    """Those that arrived, and the stand-ins of those that did not."""
    lost_spans: int = 0
    """Spans that the SDK says never left the process."""
    patience_ns: dict[bytes, int] = {}
    """How long silence is no bad sign, by run, for those that have a heartbeat."""


def hear(spans: Sequence[StoredSpan]) -> Heard:
    """Take the announcements out of a trace's spans, and let them speak for what has not arrived."""
    said = sorted((span for span in spans if span.facts.announce is not None), key=time_order)
    if not said:
        return Heard(spans)
    arrived = [span for span in spans if span.facts.announce is None]
    known = {span.span_id for span in arrived}
    open_work: dict[bytes, list[StoredSpan]] = {}
    for word in said:
        if word.facts.announce in _OF_OPEN_WORK and word.parent_span_id and word.parent_span_id not in known:
            open_work.setdefault(word.parent_span_id, []).append(word)
    losses = {word.span_id: word.facts.lost_spans or 0 for word in said}
    return Heard(
        [*arrived, *(_stand_in(words) for words in open_work.values())],
        sum(losses.values()),
        {span_id: patience for span_id, words in open_work.items() if (patience := _patience(words))},
    )


_OF_OPEN_WORK = frozenset({"started", "heartbeat"})


def _stand_in(words: Sequence[StoredSpan]) -> StoredSpan:
    """Make a span that has begun and not ended. Only runs have a heartbeat: one whose start was lost is known by that."""
    first = next((word for word in words if word.facts.announce == "started"), words[0])
    facts = first.facts
    kind = (facts.announced_kind or "other") if facts.announce == "started" else "agent"
    return StoredSpan(
        span_id=first.parent_span_id,
        parent_span_id=bytes.fromhex(facts.announced_parent or ""),
        name=facts.announced_name or first.name,
        start_ns=first.start_ns,
        end_ns=words[-1].start_ns,
        status_code=0,
        facts=msgspec.structs.replace(facts, kind=kind, announce=None),
        scope=first.scope,
        is_open=True,
    )


def _patience(words: Iterable[StoredSpan]) -> int | None:
    interval = max((word.facts.heartbeat_ns or 0 for word in words), default=0)
    return _MISSED * interval + _SLACK_NS if interval else None
