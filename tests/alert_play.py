"""Runs that go wrong and a watch over them on a simulated clock, for tests of alerts."""

from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

import msgspec

from ingest.model import Span
from ingest.store.alert_model import Alert, Parcel
from ingest.store.alertbook import unresolved
from ingest.store.engine import Store
from ingest.store.linker import REST_NS, Pace, Rulebook, link_dirty
from ingest.store.outbox import list_parcels
from webui.alerts.dispatch import Outlets
from webui.alerts.message import Desk
from webui.alerts.tally import CallTally
from webui.alerts.watch import Watch, look_at_nothing, tick
from webui.cli.rulebook import make_rulebook

from .builders import SECOND, T0
from .wire import agent_span, llm_span, started_span, store_spans, tool_span

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

KEY = b"k" * 32
DESK = Desk("https://clew.example", KEY, UTC)
OUTLETS = Outlets(DESK, "clew.example", ("oncall@northgate.example",), (), True)


def looping(number: int, calls: int, agent: str = "billing-bot", *, ended: bool = False, each_s: float = 2.0) -> list[Span]:
    """Build a run that makes the same call again and again; without an end unless told otherwise."""
    trace_id = number.to_bytes(16, "big")
    same = {"gen_ai.tool.call.arguments": '{"customer":"c_19","page":1}', "gen_ai.tool.call.result": '{"orders":[]}'}
    spans = [tool_span(100 + n, "search_orders", 1, at=1 + n * each_s, attributes=same) for n in range(calls)]
    spans += [llm_span(10_000 + n, 1, at=1.5 + n * each_s, tokens=(9_000, 500)) for n in range(calls)]
    if ended:
        spans.append(agent_span(1, agent, lasts=calls * each_s + 2))
    else:
        spans.append(started_span(9, 1, agent))
    return [msgspec.structs.replace(span, trace_id=trace_id) for span in spans]


@dataclass
class Night:
    """A store, a watch over it and a clock that only moves when told to."""

    store: Store
    now_ns: int = T0 + HOUR
    outlets: Outlets = OUTLETS
    look: Any = look_at_nothing
    holder: str = "one"
    tally: CallTally | None = None
    _watch: Watch | None = None
    _rules: Rulebook | None = None
    _pace: Pace = field(default_factory=Pace)

    @property
    def watch(self) -> Watch:
        """Return the watch, made when first asked for."""
        if self._watch is None:
            self._watch = Watch(self.store, self.outlets, self.holder, self.look)
        return self._watch

    def restart(self) -> None:
        """Forget everything that is not in the store."""
        self._watch = self._rules = None
        self._pace = Pace()

    def arrive(self, spans: list[Span]) -> None:
        """Let spans arrive now, with their times moved so that the last of them ends now, and link them."""
        moved = self.now_ns - max(span.end_ns for span in spans)
        shifted = [msgspec.structs.replace(span, start_ns=span.start_ns + moved, end_ns=span.end_ns + moved) for span in spans]
        self.store_as_is(shifted)

    def store_as_is(self, spans: list[Span]) -> None:
        """Let spans arrive now with the times they have, and link them."""
        store_spans(self.store, spans, now_ns=self.now_ns)
        self.link()

    def link(self) -> None:
        """Link what is due."""
        if self._rules is None:
            self._rules = make_rulebook(self.store, self.tally)
        while link_dirty(self.store, lambda: self.now_ns + REST_NS, self._rules, self._pace).traces:
            continue

    def tick(self, after_ns: int = SECOND) -> None:
        """Let time pass and look."""
        self.now_ns += after_ns
        tick(self.watch, self.now_ns)

    def pass_time(self, length_ns: int, step_ns: int = 10 * SECOND) -> None:
        """Let time pass, looking every step."""
        for _ in range(length_ns // step_ns):
            self.tick(step_ns)

    def alerts(self) -> list[Alert]:
        """Return all alerts, resolved ones included."""
        with self.store.engine.connect() as conn:
            return unresolved(conn, 0)

    def parcels(self) -> list[Parcel]:
        """Return all parcels in the order they were written."""
        with self.store.engine.connect() as conn:
            return list(reversed(list_parcels(conn, 1, None, 1_000)))

    def told(self) -> list[str]:
        """Return what was told: the kinds of notices in order."""
        return [parcel.kind for parcel in self.parcels()]

    def states(self) -> list[tuple[str, str, str]]:
        """Return rule, state and severity of all alerts."""
        return [(one.rule, one.state, one.severity) for one in self.alerts()]
