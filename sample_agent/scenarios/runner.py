"""Plays a scenario as it is written and says what came out differently."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from ..agent import SchedulingAgent
from ..clock import SimulatedClock
from ..domain.appointments import Booking, cancel, get_appointment, insert_appointment, to_id
from ..domain.clients import get_client, save_client
from ..domain.model import Appointment
from ..domain.seed_data import Season, plant
from ..domain.store import DomainStore
from ..model_server.server import running_server
from ..models.settings import Endpoint
from ..settings import AgentSettings, Architecture
from ..state.store import StateStore
from ..tools.catalogue import TOOLS
from ..tools.contract import ToolContext, ToolError, ToolSpec
from ..truth import Entry
from ..visit import Answer, Request, World
from .format import Booked, Call, Expects, Kept, Scenario, Turn


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a scenario: an answer a turn, and every difference from what the file says."""

    scenario: Scenario
    architecture: Architecture
    answers: tuple[Answer, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """How scenarios are played: with which settings as a base, and on which clock."""

    settings: AgentSettings = field(default_factory=AgentSettings)
    clock: SimulatedClock | None = None
    """One that goes on from scenario to scenario; None begins each at its own time."""
    mocked: bool = False
    """Whether tools give the file's predetermined results instead of doing anything."""


def play(scenario: Scenario, architecture: Architecture, stage: Stage | None = None) -> Played:
    """Play a scenario on an architecture, against a model server of its own."""
    stage = stage or Stage()
    if scenario.only_mocked:
        stage = replace(stage, mocked=True)
    clock = stage.clock or SimulatedClock(scenario.now)
    with (
        DomainStore(":memory:", durable=False) as domain,
        StateStore(":memory:", durable=False) as state,
        running_server(seed=stage.settings.seed, faults=scenario.faults, now=clock.now) as server,
    ):
        _set(domain, scenario)
        settings = replace(_with(stage.settings, scenario.settings), architecture=architecture)
        models = replace(settings.models, primary=Endpoint(server.url), fallback=Endpoint(f"{server.url}/v1"))
        company = _Processes(World(domain, state, clock.now, clock.sleep), replace(settings, models=models), clock, stage, scenario)
        answers, problems = [], []
        with closing(company):
            for number, turn in enumerate(scenario.turns, 1):
                if turn.faults is not None:
                    server.faults.replace(turn.faults)
                answers.append(company.say(turn))
                found = check(answers[-1], turn.expects_of(architecture))
                problems += [f"turn {number}: {one}" for one in found]
        if not stage.mocked and not scenario.may_end_anyhow:
            problems += list(_check_calendars(domain, scenario))
    return Played(scenario, architecture, tuple(answers), tuple(problems))


class _Processes:
    """The processes that answer, one after another."""

    def __init__(self, world: World, settings: AgentSettings, clock: SimulatedClock, stage: Stage, scenario: Scenario) -> None:
        self._world = world
        self._settings = settings
        self._clock = clock
        self._scenario = scenario
        self._tools = mock_tools(scenario.mocks) if stage.mocked else TOOLS
        self._processes = 0
        self._agent = self._begin()

    def _begin(self) -> SchedulingAgent:
        self._processes += 1
        return SchedulingAgent(self._settings, self._world, tools=self._tools, also=self._clock.hear, owner=f"process {self._processes}")

    def close(self) -> None:
        """Let the process that answers end."""
        self._agent.close()

    def say(self, turn: Turn) -> Answer:
        """Say a turn's words, in its circumstances, and return the (last) answer."""
        self._clock.sleep(60 * turn.after_minutes)
        if turn.new_process:
            self.close()
            self._agent = self._begin()
        clients = frozenset(self._scenario.acts_for)
        who = turn.user or (f"client-{self._scenario.acts_for[0]}" if "*" not in clients else "staff-1")
        request = Request(turn.says, turn.session or f"s-{self._scenario.id}", who, clients, "staff" if "*" in clients else "client")
        for _ in range(turn.repeat):
            answer = self._agent.handle(request)
        return answer


def _with(settings: Any, changes: Mapping[str, Any]) -> Any:
    """Return settings with dotted names changed."""
    for name, value in changes.items():
        first, _, rest = name.partition(".")
        settings = replace(settings, **{first: _with(getattr(settings, first), {rest: value}) if rest else value})
    return settings


def _set(domain: DomainStore, scenario: Scenario) -> None:
    plant(domain, Season(date(2026, 1, 1), days=0))
    for booked in scenario.booked:
        _book(domain, booked)
    for client_id, notes in scenario.client_notes.items():
        save_client(domain, replace(get_client(domain, client_id), notes=notes))


def _book(domain: DomainStore, booked: Booked) -> None:
    with domain.change() as connection:
        booking = Booking(booked.client, tuple(booked.professionals), booked.starts_at, booked.minutes, "planned before")
        number = insert_appointment(connection, booking)
    if to_id(number) != booked.id:
        raise ValueError(f"{booked.id} is the appointment {to_id(number)}")
    if booked.cancelled:
        cancel(domain, booked.id, "before", key=f"before {booked.id}", now=booked.starts_at - timedelta(days=7))


def mock_tools(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, ToolSpec]:
    """Return tools that give predetermined results: one after another, the last one again and again; none for a tool without any."""
    return {name: replace(spec, run=_canned(spec, results.get(name, ()))) for name, spec in TOOLS.items()}


def _canned(spec: ToolSpec, results: Sequence[Mapping[str, Any]]) -> Any:
    waiting = list(results)

    def run(context: ToolContext, arguments: Any) -> Any:
        if not waiting:
            raise ToolError("unavailable", f"{spec.name} is not there. Hand over to a person.")
        result = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if "error" in result:
            raise ToolError(result.get("code", "unavailable"), result["error"])
        return spec.result.model_validate(result)

    return run


# --- what must hold -------------------------------------------------------------------------------------------------


def check(answer: Answer, expects: Expects) -> list[str]:
    """Return what is different from what is expected of a turn."""
    entries = list(all_entries(answer.ledger.runs))
    return [
        *_check_end(answer, expects),
        *_check_calls([one for one in entries if one["kind"] == "tool"], expects),
        *_check_steps(entries, expects),
    ]


def _check_end(answer: Answer, expects: Expects) -> Iterator[str]:
    wanted = [expects.termination] if isinstance(expects.termination, str) else expects.termination
    if answer.reason not in wanted:
        yield f"ended with {answer.reason} ({answer.detail}), not {' or '.join(wanted)}; it said: {answer.text}"
    for pattern in expects.says:
        if not re.search(pattern, answer.text, re.IGNORECASE):
            yield f"did not say {pattern!r} but: {answer.text}"
    for pattern in expects.never_says:
        if re.search(pattern, answer.text, re.IGNORECASE):
            yield f"said {pattern!r}: {answer.text}"


def _check_calls(calls: Sequence[Entry], expects: Expects) -> Iterator[str]:
    made = iter(calls)
    for wanted in expects.tools:
        if not any(_is_call(one, wanted) for one in made):
            made_ones = [_told(one) for one in calls]
            yield f"did not call {wanted.name} {wanted.arguments} -> {wanted.ends} in its place; calls were {made_ones}"
    for one in calls:
        if one["name"] in expects.never and one["code"] is None:
            yield f"called {_told(one)}"


def _is_call(made: Entry, wanted: Call) -> bool:
    arguments = made["arguments"]
    return (
        made["name"] == wanted.name
        and (made["code"] or "ok") == wanted.ends
        and all(_is_like(arguments.get(name), value) for name, value in wanted.arguments.items())
    )


def _is_like(made: Any, wanted: Any) -> bool:
    if isinstance(wanted, str) and isinstance(made, str) and wanted.startswith("~"):
        return re.search(wanted[1:], made, re.IGNORECASE) is not None
    return bool(made == wanted)


def _told(call: Entry) -> str:
    return f"{call['name']} {dict(call['arguments'])} -> {call['code'] or 'ok'}"


def _check_steps(entries: Sequence[Entry], expects: Expects) -> Iterator[str]:
    for kind, least in expects.happens.items():
        count = sum(one["kind"] == kind for one in entries)
        if count < least:
            yield f"there were {count} steps of kind {kind}, not {least}"
    tokens = tokens_of(entries)
    if tokens > expects.most_tokens:
        yield f"used {tokens} tokens, more than {expects.most_tokens}"


def tokens_of(entries: Iterable[Entry]) -> int:
    """Return the tokens that were used."""
    return sum(one["input_tokens"] + one["output_tokens"] for one in entries if one["kind"] == "llm" and one["error"] is None)


def all_entries(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield entries of a ledger with all that happened inside them, in reading order."""
    for entry in entries:
        yield entry
        yield from all_entries(entry["steps"])


def _check_calendars(domain: DomainStore, scenario: Scenario) -> Iterator[str]:
    there = {to_id(row["number"]): get_appointment(domain, to_id(row["number"])) for row in domain.rows("SELECT number FROM appointment")}
    wanted = scenario.ends_with or {one.id: _kept(one) for one in scenario.booked}
    for appointment_id in sorted(there.keys() | wanted.keys()):
        if appointment_id not in wanted:
            yield f"there is {there[appointment_id]}, which should not be"
        elif appointment_id not in there:
            yield f"there is no {appointment_id}"
        elif (told := _difference(there[appointment_id], wanted[appointment_id])) is not None:
            yield f"{appointment_id} has {told}"


def _kept(one: Booked) -> Kept:
    kept = Kept(client=one.client, starts_at=one.starts_at, minutes=one.minutes, professionals=one.professionals)
    return kept.model_copy(update={"status": "cancelled"}) if one.cancelled else kept


def _difference(one: Appointment, wanted: Kept) -> str | None:
    pairs = {
        "client": (one.client_id, wanted.client),
        "starts_at": (one.starts_at, wanted.starts_at),
        "minutes": (one.duration_minutes, wanted.minutes),
        "professionals": (sorted(one.professional_ids), sorted(wanted.professionals) if wanted.professionals is not None else None),
        "status": (one.status, wanted.status),
    }
    wrong = {name: f"{has} instead of {should}" for name, (has, should) in pairs.items() if should is not None and has != should}
    return str(wrong) if wrong else None
