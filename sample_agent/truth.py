"""The ledger of truth: a plain record of what the agent really did, kept without the tracer, to hold what Clew shows against.

A ledger is a tree of entries, each a JSON-able dict: ``kind``, the facts known of it, and ``steps`` for what happened inside it, in order.
Names and shapes are those of Clew's published API wherever it has the same thing, so that the comparison is field by field. A fact that is
not there was not known here (times, ids); None is a fact: nothing was said.

It is fed from two sides, neither of which is the tracer: the agent itself (runs, plans, steps, choices), and what layers, tools, memory
and guards tell (``observe.py``).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from .observe import FRONT_DESK, Escalated, Event, Guarded, Recalled, Remembered, Told, ToolCalled

Entry = dict[str, Any]

_NOTHING = frozenset({"kind", "steps", "status", "raised"})


class Ledger:
    """What happened in one request. One thread writes it, the one that handles the request."""

    def __init__(self) -> None:
        self.runs: list[Entry] = []
        self._open: list[Entry] = []

    @contextmanager
    def within(self, kind: str, **facts: Any) -> Iterator[Entry]:
        """Write an entry whose steps are what is written until the block ends; more facts may be put into it meanwhile."""
        entry = self.add(kind, **facts)
        self._open.append(entry)
        try:
            yield entry
        except Exception as error:
            entry |= {"status": "error", "raised": str(error)}
            raise
        finally:
            self._open.pop()
            if not entry["steps"] and entry.keys() <= _NOTHING:
                # It was written for something that did not come to be.
                self._here().remove(entry)

    def add(self, kind: str, **facts: Any) -> Entry:
        """Write an entry into the innermost open one."""
        entry: Entry = {"kind": kind, **facts, "steps": []}
        self._here().append(entry)
        return entry

    def _here(self) -> list[Entry]:
        steps: list[Entry] = self._open[-1]["steps"] if self._open else self.runs
        return steps

    def hear(self, told: Told) -> None:
        """Write down what a layer, a tool, a guard or a memory told: into the entry that was written for it, where there is one.

        Tools and memory tell at their end: for what happens inside them to stand inside them, an entry without a name is written before.
        """
        kind, facts = _FACTS[type(told)](told)
        for entry in (*self._open[-1:], *self._here()[-1:]):
            if entry["kind"] == kind and "name" not in entry:
                entry.update(facts)
                return
        self.add(kind, **facts)


def decided(question: str, options: Sequence[tuple[str, float | None, str | None]], chosen: str, because: str | None) -> Entry:
    """Return the facts of a declared choice; options are name, score, reason."""
    alternatives = [{"name": name, "score": score, "because": reason} for name, score, reason in options]
    return {"question": question, "chosen": chosen, "because": because, "source": "declared", "alternatives": alternatives}


def _of_layer(event: Event) -> tuple[str, Entry]:
    return event.kind, {"name": event.name, **event.facts}


def _of_tool(told: ToolCalled) -> tuple[str, Entry]:
    facts = {"arguments": dict(told.arguments), "result": dict(told.content), "error": told.error, "code": told.code}
    return "tool", {"name": told.name, "call_id": told.call_id, **facts}


_FACTS: Mapping[type[Any], Any] = {
    Event: _of_layer,
    ToolCalled: _of_tool,
    Guarded: lambda e: ("guardrail", {"name": e.name, "subject": e.subject, "verdict": e.verdict, "because": e.because}),
    Recalled: lambda e: ("retrieval", {"name": e.source, "query": e.query, "documents": list(e.documents)}),
    Remembered: lambda e: ("memory", {"name": e.name, "text": e.text}),
    Escalated: lambda e: ("handoff", {"name": FRONT_DESK, "thought": e.because, "case": e.id}),
}
