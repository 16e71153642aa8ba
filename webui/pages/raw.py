"""The raw view: one span exactly as it is stored, readable, searchable, and addressed piece by piece."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ingest.model import Event, LogRecord, Span
from webui.api_json import span_json, timestamp
from webui.format import UNKNOWN, clip, duration, size

from .focus import Chain
from .json_tree import Tree, TreeNode
from .links import trace_href
from .lore import Lore

_MOST_HITS_TOLD = 9_999


@dataclass(frozen=True, slots=True)
class RawView:
    """A span as it came."""

    span_id: str
    name: str
    facts: tuple[tuple[str, str], ...]
    parent_href: str
    trees: tuple[TreeNode, ...]
    find: str
    hits: int
    size: str
    json_href: str
    value_href: str
    """The address that answers one value of the span, ``path`` and ``from`` to be added."""
    names: tuple[tuple[str, str], ...]
    """Hidden fields of the search form, which keep where the reader is."""
    missing: str


def view_raw(chain: Chain, lore: Lore) -> RawView:
    """Return the raw view of the selected step's span, or of any span of the trace that the address names."""
    asked = chain.asked
    span_id = _asked_span(asked.step) or (chain.focus.item.step.span_id if chain.focus is not None else chain.run.run_id)
    span = lore.span(span_id)
    base = f"/api/v1/traces/{chain.trace.trace_id.hex()}/spans/{span_id.hex()}"
    names = tuple((name, value) for name, value in (("view", "raw"), ("run", asked.run), ("step", asked.step)) if value)
    common = {"span_id": span_id.hex(), "find": asked.find, "names": names, "json_href": base}
    value_href = f"/traces/{chain.trace.trace_id.hex()}/spans/{span_id.hex()}/value"
    if span is None:
        return RawView(
            name="",
            facts=(),
            parent_href="",
            trees=(),
            hits=0,
            size="",
            value_href=value_href,
            missing=_missing(chain),
            **common,  # type: ignore[arg-type]
        )
    tree = Tree(asked.find)
    parts = [(name, value) for name, value in span_parts(span, lore.records(span_id)).items() if value not in ({}, [], "")]
    trees = tuple(node for name, value in parts if (node := tree.build(name, value)) is not None)
    parent = span.parent_span_id.hex()
    return RawView(
        name=clip(span.name, 200),
        facts=_facts(span),
        parent_href=trace_href(chain.trace.trace_id, view="raw", run=asked.run, step=parent) if parent else "",
        trees=trees,
        hits=min(tree.hits, _MOST_HITS_TOLD),
        size=size(sum(_weight(value) for _, value in parts)),
        value_href=value_href,
        missing="",
        **common,  # type: ignore[arg-type]
    )


def _asked_span(asked: str) -> bytes | None:
    digits = asked.partition(".")[0]
    try:
        return bytes.fromhex(digits) if len(digits) == 16 else None
    except ValueError:
        return None


def _missing(chain: Chain) -> str:
    if chain.focus is not None and chain.focus.item.step.is_open:
        return "This span has not arrived: others speak for it while it is open."
    return "No span of this id is stored in this trace."


def span_parts(span: Span, records: Sequence[LogRecord]) -> dict[str, Any]:
    """Return what a span holds, under the names that its places are addressed by."""
    whole = span_json(span)
    return {
        "attributes": span.attributes,
        "events": [_event(event, span.start_ns) for event in span.events],
        "links": whole["links"],
        "logs": [_record(record, span.start_ns) for record in records],
        "resource": span.resource.attributes,
        "scope": {key: value for key, value in whole["scope"].items() if value},
        "dropped": {key: value for key, value in whole["dropped"].items() if value},
        "repaired": span.repaired,
        "trace_state": span.trace_state,
    }


def _event(event: Event, start_ns: int) -> dict[str, Any]:
    return {"name": event.name, "at": _offset(event.time_ns, start_ns), "attributes": event.attributes}


def _record(record: LogRecord, start_ns: int) -> dict[str, Any]:
    shown: dict[str, Any] = {"event_name": record.event_name, "at": _offset(record.time_ns, start_ns)}
    shown |= {"severity": record.severity_text, "body": record.body, "attributes": record.attributes}
    return {key: value for key, value in shown.items() if value not in ("", None, {})}


def _offset(at_ns: int, start_ns: int) -> str:
    length = duration(abs(at_ns - start_ns))
    return f"{length} after the start" if at_ns >= start_ns else f"{length} before the start"


def _weight(value: Any) -> int:
    """Return roughly how many characters a value holds. Iterative, since values nest as deep as their senders like."""
    total, stack = 0, [value]
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            total += len(one)
        elif isinstance(one, dict):
            total += sum(len(str(key)) for key in one)
            stack.extend(one.values())
        elif isinstance(one, list):
            stack.extend(one)
        else:
            total += 4
    return total


_KINDS = {0: "unspecified", 1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
_STATUS = {0: "unset", 1: "ok", 2: "error"}


def _facts(span: Span) -> tuple[tuple[str, str], ...]:
    return (
        ("Started", timestamp(span.start_ns) or UNKNOWN),
        ("Ended", timestamp(span.end_ns) or UNKNOWN),
        ("Length", duration(span.end_ns - span.start_ns) if span.end_ns >= span.start_ns else "ends before it starts"),
        ("Status", f"{_STATUS.get(span.status_code, str(span.status_code))} {clip(span.status_message, 300)}".strip()),
        ("Kind", _KINDS.get(span.kind, str(span.kind))),
        ("Parent", span.parent_span_id.hex() or "none: a root"),
        ("Scope", clip(f"{span.scope.name} {span.scope.version}", 200) or UNKNOWN),
    )
