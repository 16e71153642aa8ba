"""A stage for labelled scenarios: what agents send comes as OTLP through the real ingest, while the watch looks on a simulated clock."""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ingest.model import Resource, Span
from ingest.otlp.protobuf import decode_traces
from ingest.store.alert_model import Parcel, unpack_ids
from ingest.store.alertbook import Actor
from ingest.store.engine import open_store
from ingest.store.watchbook import RuleSetting, save_setting
from webui.alerts.looks import Looks
from webui.alerts.postman import Postman, deliver_due
from webui.alerts.tally import CallTally

from .alert_play import HOUR, MINUTE, Night
from .builders import SECOND
from .otlp_builders import protobuf_of
from .wire import agent_span, llm_span, started_span, tool_span

USD = 1_000_000_000
MONDAY_NS = 1_761_523_200 * SECOND
"""Mon 27 Oct 2025, 00:00 UTC: the day after clocks went back in Europe."""

_STEP_NS = 5 * SECOND


def _take(parcel: Parcel) -> str:
    return "250 taken"


@dataclass(frozen=True)
class Scenario:
    """What happens, and what ought to be said of it: one of ``rules``; ``also`` what may be said beside that, rightly."""

    name: str
    family: str
    rules: frozenset[str]
    also: frozenset[str]
    play: Callable[["Stage"], None]
    base: str = ""
    """The store it begins with: empty, or one that has seen two weeks."""


@dataclass
class Stage:
    """One store with one watch over it."""

    night: Night
    rng: random.Random
    fact_ns: int | None = None
    """When the fact that a rule ought to find was in the data."""
    guilty: set[bytes] = field(default_factory=set)
    """The traces that are to blame, the worst."""

    @property
    def now_ns(self) -> int:
        """Return the time."""
        return self.night.now_ns

    def wait(self, seconds: float, step_ns: int = _STEP_NS) -> None:
        """Let time pass; the watch looks at every step."""
        end_ns = self.now_ns + round(seconds * SECOND)
        while self.now_ns < end_ns:
            self.night.tick(min(step_ns, end_ns - self.now_ns))
            self.night.link()
            while deliver_due(self.night.store, Postman({"mail": _take}, "postman", lambda: self.now_ns)):
                continue

    def send(self, *spans: Span) -> None:
        """Send spans as one OTLP request."""
        self.night.store_as_is(decode_traces(protobuf_of(spans), self.now_ns).spans)

    def fact(self) -> None:
        """Note that what ought to be found is in the data now."""
        if self.fact_ns is None:
            self.fact_ns = self.now_ns

    def trace_id(self) -> bytes:
        """Return a new trace's id."""
        return self.rng.randbytes(16)

    def set(self, agent: str = "", rule: str = "*", **values: Any) -> None:
        """Set a rule, or what holds for all."""
        save_setting(self.night.store, (1, agent, rule), RuleSetting(**values), Actor("ada"), self.now_ns)

    def run(self, agent: str, **fields: Any) -> "LiveRun":
        """Begin a run that is seen as it goes."""
        return LiveRun(self, agent, **fields)


@dataclass
class LiveRun:
    """A run that sends each step when it ends, announced as the SDK does, or with its root last as others do."""

    stage: Stage
    agent: str
    announced: bool = True
    gap_s: float = 2.0
    attributes: dict[str, Any] = field(default_factory=dict)
    trace_id: bytes = b""
    number: int = 1
    parent: "LiveRun | None" = None

    def __post_init__(self) -> None:
        self.trace_id = self.parent.trace_id if self.parent else self.trace_id or self.stage.trace_id()
        self._id = self.stage.rng.randbytes(8)
        self.began_ns = self.stage.now_ns
        if self.announced and self.parent is None:
            self._send(started_span(9, 0, self.agent, attributes={"clew.run.id": self._id.hex(), **self.attributes}), 0.0)

    def _send(self, span: Span, lasts_s: float, status: str = "") -> None:
        now_ns = self.stage.now_ns
        own = {"clew.agent.name": self.agent} if self.announced else {}
        self.stage.send(
            msgspec.structs.replace(
                span,
                trace_id=self.trace_id,
                span_id=self.stage.rng.randbytes(8),
                parent_span_id=self._id,
                start_ns=now_ns - round(lasts_s * SECOND),
                end_ns=now_ns,
                status_code=2 if status else 0,
                status_message=status,
                attributes={**span.attributes, **own},
                resource=Resource({"service.name": self.agent}),
            )
        )

    def call(self, tool: str, arguments: Any, result: Any = "ok", error: str = "", lasts_s: float = 0.4) -> None:
        """Call a tool, after a while."""
        self.stage.wait(self.gap_s)
        told = {"gen_ai.tool.call.arguments": arguments if isinstance(arguments, str) else json.dumps(arguments)}
        if not error:
            told["gen_ai.tool.call.result"] = result if isinstance(result, str) else json.dumps(result)
        else:
            told["error.type"] = "ToolError"
        self._send(tool_span(1, tool, attributes=told), lasts_s, error)

    def think(self, words: str = "", usd: float | None = None, tokens: tuple[int, int] = (300, 40), **fields: Any) -> None:
        """Ask a model, after a while."""
        self.stage.wait(self.gap_s)
        attributes: dict[str, Any] = {"gen_ai.input.messages": "[]", **fields}
        if words:
            said = [{"role": "assistant", "parts": [{"type": "reasoning", "content": words}]}]
            attributes["gen_ai.output.messages"] = json.dumps(said)
        else:
            attributes["gen_ai.output.messages"] = "[]"
        if usd is not None:
            attributes["clew.cost.usd"] = usd
        self._send(llm_span(1, tokens=tokens, attributes=attributes), min(self.gap_s, 1.5))

    def ask_agent(self, name: str, asked: str, answer: str) -> None:
        """Have another agent run below this one, whole."""
        self.stage.wait(self.gap_s)
        heard = {"gen_ai.input.messages": _message("user", asked), "gen_ai.output.messages": _message("assistant", answer)}
        self._send(agent_span(1, name, attributes={**heard, "gen_ai.agent.name": name}), 1.0)

    def start_agents(self, name: str, count: int) -> None:
        """Have so many agents run below this one, in a request."""
        self.stage.wait(self.gap_s)
        now_ns = self.stage.now_ns
        asked = [_message("user", f"Look after item {self.stage.rng.randrange(10**9)}") for _ in range(count)]
        spans = [
            msgspec.structs.replace(
                agent_span(1, name, attributes={"gen_ai.agent.name": name, "gen_ai.input.messages": asked[number]}),
                trace_id=self.trace_id,
                span_id=self.stage.rng.randbytes(8),
                parent_span_id=self._id,
                start_ns=now_ns - SECOND,
                end_ns=now_ns - SECOND + number,
                resource=Resource({"service.name": self.agent}),
            )
            for number in range(count)
        ]
        self.stage.send(*spans)

    def end(self, answer: str = "done", error: str = "", **attributes: Any) -> None:
        """End the run."""
        self.stage.wait(self.gap_s)
        now_ns = self.stage.now_ns
        spoken = {"gen_ai.output.messages": _message("assistant", answer), **self.attributes, **attributes}
        root = agent_span(1, self.agent, attributes=spoken)
        self.stage.send(
            msgspec.structs.replace(
                root,
                trace_id=self.trace_id,
                span_id=self._id,
                start_ns=self.began_ns,
                end_ns=now_ns,
                status_code=2 if error else 0,
                status_message=error,
                resource=Resource({"service.name": self.agent}),
            )
        )


def _message(role: str, content: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": content}]}])


def whole_run(stage: Stage, agent: str, at_ns: int, usd: float = 0.02, lasts_s: float = 8.0, **fields: Any) -> list[Span]:
    """Build a finished run of one model call and one tool call, which began at a time."""
    trace_id, root = stage.trace_id(), stage.rng.randbytes(8)
    error, tool = fields.pop("error", ""), fields.pop("tool", "look_up")
    attributes = fields.pop("attributes", {})
    tokens = fields.pop("tokens", (900, 60))
    own = {"span_id": root, "trace_id": trace_id, "start_ns": at_ns, "end_ns": at_ns + round(lasts_s * SECOND)}
    below = {"trace_id": trace_id, "parent_span_id": root, "resource": Resource({"service.name": agent})}
    middle_ns = at_ns + round(lasts_s * SECOND / 2)
    asked = {"gen_ai.tool.call.arguments": json.dumps({"case": stage.rng.randrange(10**9)}), "gen_ai.tool.call.result": "found"}
    call = {"clew.cost.usd": usd, "gen_ai.input.messages": "[]", "gen_ai.output.messages": "[]"}
    replace = msgspec.structs.replace
    status = {"status_code": 2 if error else 0, "status_message": error}
    return [
        replace(agent_span(1, agent, attributes=attributes), **own, **status, resource=Resource({"service.name": agent})),
        replace(
            llm_span(2, tokens=tokens, attributes=call), **below, span_id=stage.rng.randbytes(8), start_ns=at_ns + SECOND, end_ns=middle_ns
        ),
        replace(
            tool_span(3, tool, attributes=asked), **below, span_id=stage.rng.randbytes(8), start_ns=middle_ns, end_ns=middle_ns + SECOND
        ),
    ]


# --- what came of it ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What was said of a scenario, and how long after the fact."""

    scenario: Scenario
    fired: frozenset[str]
    after_s: float | None
    """From the fact to the mail of the first of the rules that ought to speak; None where none did."""
    named: int | None = None
    """At which place, from 1, the guilty trace stands in that mail; 0 where it is not in it."""

    @property
    def found(self) -> bool:
        """Tell whether a rule that ought to speak did."""
        return bool(self.scenario.rules & self.fired)

    @property
    def false(self) -> frozenset[str]:
        """Return the rules that spoke without reason."""
        return self.fired - self.scenario.rules - self.scenario.also


def perform(scenario: Scenario, base: Path, directory: Path) -> Outcome:
    """Play a scenario on a store of its own, seeded by its name."""
    path = directory / f"{scenario.name}.db"
    shutil.copyfile(base, path)
    store = open_store(f"sqlite:///{path}")
    try:
        stage = make_stage(store, scenario.name, MONDAY_NS + (5 if scenario.base == "dawn" else 10) * HOUR)
        stage.night.tick()
        scenario.play(stage)
        stage.wait(70, 10 * SECOND)
        return _outcome(scenario, stage)
    finally:
        store.close()
        for one in directory.glob(f"{scenario.name}.db*"):
            one.unlink()


def make_stage(store: Any, seed: str, now_ns: int) -> Stage:
    """Return a stage with every rule at work, but those about this machine's disk."""
    tally = CallTally(lambda: night.now_ns)
    night = Night(store, now_ns, look=Looks(tally, Path("/nowhere")), tally=tally)
    return Stage(night, random.Random(seed))


_INFORMS = frozenset({"P3"})
"""Rules that no mail is about."""


def _outcome(scenario: Scenario, stage: Stage) -> Outcome:
    alerts = {one.id: one for one in stage.night.alerts()}
    told = [one for one in stage.night.parcels() if one.kind in ("firing", "raised", "digest")]
    spoke = {number for parcel in told for number in unpack_ids(parcel.alert_ids)}
    # Information is for the pages, not for mails: said is what the page has.
    fired = frozenset(one.rule for one in alerts.values() if one.id in spoke or one.severity == "info")
    if scenario.rules <= _INFORMS and scenario.rules & fired and stage.fact_ns is not None:
        shown = next(one for one in alerts.values() if one.rule in scenario.rules)
        return Outcome(scenario, fired, (shown.opened_ns - stage.fact_ns) / SECOND)
    first = next((p for p in told if any(alerts[n].rule in scenario.rules for n in unpack_ids(p.alert_ids))), None)
    if first is None or stage.fact_ns is None:
        return Outcome(scenario, fired, None)
    guilty = [one.hex() for one in stage.guilty]
    places = [first.body.find(f"/traces/{one}") for one in guilty]
    named = None if not guilty else _place(first.body, min((at for at in places if at >= 0), default=-1))
    return Outcome(scenario, fired, (first.created_ns - stage.fact_ns) / SECOND, named)


def _place(body: str, at: int) -> int:
    """Return which of the traces named in a mail stands at a place."""
    if at < 0:
        return 0
    before = [body[start + 8 : start + 40] for start in _starts(body, "/traces/") if start <= at]
    return len(dict.fromkeys(before))


def _starts(text: str, words: str) -> list[int]:
    found, at = [], text.find(words)
    while at >= 0:
        found.append(at)
        at = text.find(words, at + 1)
    return found


__all__ = ["HOUR", "MINUTE", "MONDAY_NS", "USD", "LiveRun", "Outcome", "Scenario", "Stage", "make_stage", "perform", "whole_run"]
