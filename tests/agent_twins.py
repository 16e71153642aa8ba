"""The sample agent at the same task twice: well both times, or once with something going wrong at a step that is known.

What goes wrong lies in what surrounds the agent: a tool's answer, or the model server's fault plan. The agent deals with it as it
does, so that everything after that step may differ too.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import tracer
from ingest.model import Span, Trace
from ingest.store.reader import read_span
from sample_agent.clock import SimulatedClock
from sample_agent.domain.seed_data import CLIENTS, PROFESSIONALS, Season
from sample_agent.model_server.faults import TRANSPORT, Fault, Seen
from sample_agent.model_server.misbehaviour import spoil
from sample_agent.model_server.policy.reading import Conversation, Said
from sample_agent.model_server.server import ModelServer
from sample_agent.models.prices import usd_by_class
from sample_agent.scenarios.runner import all_entries
from sample_agent.settings import Architecture
from sample_agent.tools.catalogue import TOOLS
from sample_agent.tools.contract import ToolError, ToolSpec
from webui.analysis.sequence import Side, sequence_of

from .sample_agent_clew import Clew, running_clew
from .sample_agent_office import office
from .tracer_play import switch_off
from .wire import stored_trace

FIRST_WEEK = datetime(2026, 3, 2, 9, tzinfo=UTC)


@dataclass(frozen=True)
class Task:
    """What a client says, turn by turn; the last turn's run is the one that counts."""

    name: str
    says: tuple[str, ...]


_BOOK = "Please book 30 minutes on Thursday afternoon."
TASKS = (
    Task("book", (_BOOK,)),
    Task("book with somebody", ("I need an appointment with {who} on Wednesday morning, 45 minutes.",)),
    Task("ask for free times", ("When is {who} free on Friday?",)),
    Task("list", ("What appointments do I have?",)),
    Task("ask for a rule", ("What is your cancellation policy?",)),
    Task("move", (_BOOK, "Please move my next appointment to Friday afternoon.", "The first one.")),
    Task("cancel", (_BOOK, "Cancel my next appointment.", "The first one.")),
)


@dataclass(frozen=True)
class Circumstances:
    """Who asks in which week: what two good runs of a task may differ in."""

    client_id: str = "10405"
    week: int = 0
    seed: int = 7


@dataclass(frozen=True)
class Mishap:
    """Something that goes wrong once: a tool's first answer, or a model call that fits a fault of the model server."""

    name: str
    tool: str = ""
    answer: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    """Makes another answer of a tool's, or raises."""
    fault: Fault | None = None
    is_fate: bool = False
    """Whether it may as well be the lot of another client: other free times, no appointments."""


@dataclass
class LivedRun:
    """A run as Clew has it, and which of its steps went wrong: the nth call of a tool, or of any model ("")."""

    trace: Trace
    struck: tuple[str, int] | None = None
    done: tuple[str, ...] = ()
    """The tools it called and how it ended, by its own ledger: twins do the same."""

    def places(self) -> range:
        """Return the places of what went wrong in the sequence of the run: one step, or a model call and the tool that it chose."""
        assert self.struck is not None
        tool, nth = self.struck
        steps = sequence_of(self.trace)
        fits = [side.place for side in steps if _is_call(side, tool)]
        if len(fits) < nth:
            return range(0)
        place = fits[nth - 1]
        after = [side.step.kind for side in steps[place + 1 : place + 3]]
        chosen = 0 if tool else 1 if after[:1] == ["tool"] else 2 if after == ["decision", "tool"] else 0
        return range(place, place + 1 + chosen)


def _is_call(side: Side, tool: str) -> bool:
    return side.step.kind == "llm" if not tool else side.step.tool is not None and side.step.tool.name == tool


@dataclass
class Twins:
    """Lives runs and gives them as Clew reconstructs them."""

    clew: Clew
    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(FIRST_WEEK))

    def now_ns(self) -> int:
        return self.clock.now_ns()

    def live(self, task: Task, architecture: Architecture, around: Circumstances, mishap: Mishap | None = None) -> LivedRun:
        """Let the agent do a task in a firm of its own; a mishap strikes in the last turn."""
        starts_at = FIRST_WEEK + timedelta(weeks=around.week)
        self.clock = clock = SimulatedClock(starts_at)
        struck = _Struck(mishap)
        # The calendars move with the week: the same times are free.
        season = Season((starts_at - timedelta(days=7)).date(), days=35, seed=around.seed)
        client = around.client_id
        session, user = f"chat-{around.week}-{client}", f"client-{client}"
        with (
            office(clock, season) as firm,
            patch("sample_agent.model_server.server.spoil", struck.spoil),
            closing(firm.agent(tools=struck.tools(), architecture=architecture)) as agent,
        ):
            for number, says in enumerate(task.says, 1):
                struck.begin(firm.server, is_last=number == len(task.says))
                answer = firm.ask(agent, says.format(who=_professional_of(client)), session, user, clients=frozenset({client}))
        assert tracer.flush(30.0)
        calls = (one for run in answer.ledger.runs for one in all_entries([run]) if one["kind"] == "tool")
        done = (*(f"{one['name']} {one['code']}" for one in calls), answer.reason)
        return LivedRun(stored_trace(self.clew.store, bytes.fromhex(answer.trace_id), time.time_ns()), struck.at, done)

    def read_span(self, run: LivedRun, span_id: bytes) -> Span | None:
        """Read a stored span of a run."""
        with self.clew.store.engine.connect() as conn:
            return read_span(conn, 1, run.trace.trace_id, span_id)


class _Struck:
    """Lets a mishap happen and remembers where it did."""

    def __init__(self, mishap: Mishap | None) -> None:
        self._mishap = mishap
        self._is_last = False
        self._calls = 0
        self.at: tuple[str, int] | None = None

    def begin(self, server: ModelServer, *, is_last: bool) -> None:
        """Begin a turn."""
        self._is_last, self._calls = is_last, 0
        if not is_last or self._mishap is None or self._mishap.fault is None:
            return
        server.faults.replace([self._mishap.fault])
        strike = server.faults.strike

        def counted(seen: Seen) -> list[Fault]:
            self._calls += 1
            hit = strike(seen)
            if any(fault.kind in TRANSPORT for fault in hit):
                self._mark()
            return hit

        server.faults.strike = counted  # type: ignore[method-assign]  # the real one, counted

    def spoil(self, answer: Said, conversation: Conversation, faults: list[Fault]) -> tuple[Said, bool]:
        """Do what the model server does, and see whether it changed anything: there may be no tool call to repeat."""
        spoiled, is_cut = spoil(answer, conversation, faults)
        if spoiled != answer:
            self._mark()
        return spoiled, is_cut

    def _mark(self) -> None:
        self.at = self.at or ("", self._calls)

    def tools(self) -> Mapping[str, ToolSpec]:
        """Return the agent's tools, one of them spoiled."""
        mishap = self._mishap
        if mishap is None or mishap.answer is None:
            return TOOLS
        spec, answer = TOOLS[mishap.tool], mishap.answer

        def run(context: Any, arguments: Any) -> Any:
            found = spec.run(context, arguments)
            if not self._is_last or self.at is not None:
                return found
            self.at = (mishap.tool, 1)
            return spec.result.model_validate(answer(found.model_dump(mode="json")))

        return {**TOOLS, mishap.tool: replace(spec, run=run)}


def _professional_of(client_id: str) -> str:
    office = next(one.office_id for one in CLIENTS if one.id == client_id)
    return next(name for _, name, _, place in PROFESSIONALS if place == office)


@contextmanager
def twins() -> Iterator[Twins]:
    """Open a Clew into which the agent's runs go."""
    with tempfile.TemporaryDirectory() as directory, running_clew(Path(directory)) as clew:
        found = Twins(clew)
        tracer.configure(
            endpoint=clew.endpoint, service="sample-agent", redact="off", heartbeat_s=0.0, clock_ns=found.now_ns, prices=usd_by_class
        )
        try:
            yield found
        finally:
            switch_off()


# --- what goes wrong --------------------------------------------------------------------------------------------------


def _fails(_: dict[str, Any]) -> dict[str, Any]:
    raise ToolError("unavailable", "The calendars cannot be reached at the moment. Try once more, then hand over to a person.")


def _crashes(_: dict[str, Any]) -> dict[str, Any]:
    raise RuntimeError("the calendar's page was not what it was")


def _finds_nothing(found: dict[str, Any]) -> dict[str, Any]:
    return found | {"free": [], "total": 0, "pages": 0, "hint": "Nothing is free then."}


def _is_of_somebody_else(found: dict[str, Any]) -> dict[str, Any]:
    return found | {"client_id": "10513", "name": "Samuel Adeyemi", "preferred_professional_id": "P21", "upcoming": [], "upcoming_total": 0}


def _offers_other_times(found: dict[str, Any]) -> dict[str, Any]:
    def late(text: str) -> str:
        return (datetime.fromisoformat(text) + timedelta(hours=1, minutes=15)).isoformat()

    return found | {"free": [one | {"starts_at": late(one["starts_at"]), "ends_at": late(one["ends_at"])} for one in found["free"]]}


def _lists_nothing(found: dict[str, Any]) -> dict[str, Any]:
    return found | {"upcoming": [], "upcoming_total": 0}


_TOOL_MISHAPS = (
    Mishap("availability fails", "check_availability", answer=_fails),
    Mishap("availability crashes", "check_availability", answer=_crashes),
    Mishap("nothing is free", "check_availability", answer=_finds_nothing),
    Mishap("other times are free", "check_availability", answer=_offers_other_times, is_fate=True),
    Mishap("preferences fail", "get_client_preferences", answer=_fails),
    Mishap("somebody else's preferences", "get_client_preferences", answer=_is_of_somebody_else),
    Mishap("no appointments", "get_client_preferences", answer=_lists_nothing, is_fate=True),
    Mishap("booking fails", "book_appointment", answer=_fails),
    Mishap("booking crashes", "book_appointment", answer=_crashes),
)

_MODEL_MISHAPS = (
    *(
        Mishap(f"{kind} at call {first}", fault=Fault(kind=kind, first=first, times=1))
        for kind in ("rate_limit", "error", "overloaded", "reset", "empty", "wrong_schema", "truncated_json", "loop", "leak_canary")
        for first in (1, 2, 3, 5)
    ),
    *(
        Mishap(f"{name} for {calls}", fault=Fault(kind="hallucinate", calls=calls, arguments=arguments))
        for calls, name, arguments in (
            ("book_appointment", "invented client", {"client_id": "10999"}),
            ("book_appointment", "wrong length", {"duration_minutes": 90}),
            ("book_appointment", "invented professional", {"professional_ids": ["P77"]}),
            ("check_availability", "wrong length", {"duration_minutes": 120}),
            ("check_availability", "wrong day", {"earliest": "2026-04-21", "latest": "2026-04-21"}),
            ("check_availability", "invented client", {"client_id": "10998"}),
            ("get_client_preferences", "invented client", {"client": "10997"}),
            ("cancel_appointment", "invented appointment", {"appointment_id": "A29999"}),
            ("reschedule_appointment", "invented appointment", {"appointment_id": "A29999"}),
        )
    ),
)

MISHAPS: Sequence[Mishap] = (*_TOOL_MISHAPS, *_MODEL_MISHAPS)
