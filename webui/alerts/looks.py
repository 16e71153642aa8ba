"""Looking at tables: each rule that needs more than one run, how often it is asked, and what happens when it fails."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from ingest.findings import Severity
from ingest.store import agent_days, samples
from ingest.store.access import list_projects
from ingest.store.alert_model import AlertRun
from ingest.store.engine import Store
from ingest.store.watchbook import RuleSetting
from webui.analysis.detectors.budgets import Budget, Excess, budget_level, burn_rate, costly, velocity
from webui.analysis.detectors.drift import DEFAULT as DRIFT
from webui.analysis.detectors.model import Limits, Rules
from webui.analysis.detectors.series import Series, failing, percentile, silence, unusual_hours

from .days import day_of, drifts_since
from .engine import Signal, fingerprint, run_goes_on
from .health import health
from .rules import rules_of
from .tally import SLOT_NS, CallTally
from .watch import Seen, Settings

log = logging.getLogger(__name__)

_SECOND_NS = 1_000_000_000
_MINUTE_NS = 60 * _SECOND_NS
_HOUR_NS = 60 * _MINUTE_NS
_DAY_NS = 24 * _HOUR_NS

_FAILURES = 3
_DAYS_AT_ONCE = 100
"""So many days of agents are noted in one look: they are some milliseconds each."""
_MONTH_MINUTES = 43_200


class Ground(msgspec.Struct, frozen=True):
    """Where an aspect is asked: one project, at one time."""

    conn: Connection
    project_id: int
    settings: Settings
    now_ns: int
    memory: dict[object, tuple[int, object]]
    """What was computed before and until when it will do."""

    def rules(self, agent: str = "") -> Rules:
        """Return the rules of an agent."""
        return rules_of(self.settings, self.project_id, agent)

    def limits(self, rule: str, default: Limits, agent: str = "") -> Limits | None:
        """Return a rule's thresholds for an agent; None where it is switched off."""
        rules = self.rules(agent)
        return None if rule in rules.off else rules.limits.get(rule, default)


Ask = Callable[[Ground], Iterable[Signal]]


class Aspect(msgspec.Struct, frozen=True):
    """Rules that are asked together, and how often."""

    rules: tuple[str, ...]
    every_ns: int
    ask: Ask


def _signal(ground: Ground, found: Excess, runs: Sequence[AlertRun] = ()) -> Signal:
    return Signal(
        ground.project_id, found.rule, found.agent, found.subject, found.severity, found.observed, found.threshold, found.sentence,
        expected=found.expected, runs=tuple(runs),
    )  # fmt: skip


def _signals(ground: Ground, found: Iterable[Excess | None]) -> Iterator[Signal]:
    return (_signal(ground, one) for one in found if one is not None)


# --- money --------------------------------------------------------------------------------------------------------

_BURN_WINDOWS = (5, 30, 60, 360, 4_320)


def money_signals(ground: Ground) -> Iterator[Signal]:
    """B2, B3 and B4: budgets, burn rate, velocity."""
    general = ground.settings.get((ground.project_id, "", "*"))
    minute, day = ground.now_ns // _MINUTE_NS, ground.now_ns // _DAY_NS
    spent = samples.spent_within(ground.conn, ground.project_id, minute, (10, *_BURN_WINDOWS))
    said = general or RuleSetting()
    month = _first_of_month(ground.now_ns)
    asked = (("day", said.day_nanos, 1_440, day), ("month", said.month_nanos, _MONTH_MINUTES, month))
    level, burn = ground.limits("B2", Limits(0.5, 1.0)), ground.limits("B3", Limits(1.0, 6.0))
    for period, nanos, length, since in asked:
        if not nanos:
            continue
        budget = Budget(period, nanos, length)
        if level is not None:
            yield from _signals(ground, [budget_level(budget, samples.spent_since_day(ground.conn, ground.project_id, since), level)])
        if burn is not None:
            yield from _signals(ground, [burn_rate(budget, spent, burn)])
    speed = ground.limits("B4", Limits(1.0, 3.0))
    if speed is not None and spent[10]:
        yield from _signals(ground, [velocity(spent[10], spent[60], _usual_tens(ground, minute), speed)])


def _first_of_month(now_ns: int) -> int:
    """Return the day, since the Unix epoch, on which the month began, in UTC."""
    today = datetime.fromtimestamp(now_ns // _SECOND_NS, UTC)
    return int(today.timestamp()) // 86_400 - (today.day - 1)


def _usual_tens(ground: Ground, minute: int) -> list[int]:
    return _kept(ground, ("tens", ground.project_id), 10 * _MINUTE_NS, lambda: samples.usual_tens(ground.conn, ground.project_id, minute))


def _kept(ground: Ground, key: object, for_ns: int, compute: Callable[[], list[int]]) -> list[int]:
    """Return what was computed lately, or compute it."""
    known = ground.memory.get(key)
    if known is None or not ground.now_ns < known[0] <= ground.now_ns + for_ns:
        if len(ground.memory) > 2_000:
            ground.memory.clear()
        known = ground.memory[key] = (ground.now_ns + for_ns, compute())
    return known[1]  # type: ignore[return-value]  # kept under its key by the line above


# --- single runs against the agent's others -----------------------------------------------------------------------

_LEAST_NANOS = 500_000_000
_LEAST_STEPS = 50
_FEWEST_RUNS = 50


def costly_signals(ground: Ground) -> Iterator[Signal]:
    """B5, and the half of L6 that compares steps with those of other runs."""
    for one in samples.touched_runs(ground.conn, ground.project_id, ground.now_ns - 2 * _MINUTE_NS, _LEAST_NANOS, _LEAST_STEPS):
        costs, steps = _past(ground, one.agent, 0), _past(ground, one.agent, 1)
        limits = ground.limits("B5", Limits(1.0, 3.3), one.agent)
        if limits is not None and one.cost_nanos is not None:
            found = costly(one.agent, one.cost_nanos, _others(costs, one.cost_nanos), limits)
            if found is not None:
                yield _signal(ground, found, [_behind(ground, found, one)])
        longest = 3 * percentile(steps, 0.99)
        if len(steps) >= _FEWEST_RUNS and one.steps > max(_LEAST_STEPS, longest) and "L6" not in ground.rules(one.agent).off:
            found = _too_long(one, longest, len(steps))
            yield _signal(ground, found, [_behind(ground, found, one)])


def _past(ground: Ground, agent: str, which: int) -> list[int]:
    """Return costs (0) or steps (1) of an agent's finished runs."""

    def compute() -> list[int]:
        return samples.past_runs(ground.conn, ground.project_id, agent, ground.now_ns)[which]

    return _kept(ground, ("past", which, ground.project_id, agent), 10 * _MINUTE_NS, compute)


def _others(costs: Sequence[int], own: int) -> Sequence[int]:
    """Return the costs without the run's own, which may be among them: nothing is unusual measured by itself."""
    place = costs.index(own) if own in costs else len(costs)
    return [*costs[:place], *costs[place + 1 :]]


def _too_long(one: samples.Touched, longest: float, runs: int) -> Excess:
    severity: Severity = "critical" if one.steps > 2 * max(_LEAST_STEPS, longest) else "warning"
    sentence = f"a run of {one.agent} has taken {one.steps:,} steps"
    expected = f"at most {longest:,.0f}: three times the 99th percentile of {runs:,} finished runs."
    return Excess("L6", severity, one.agent, "steps", one.steps, longest, sentence, expected)


def _behind(ground: Ground, found: Excess, one: samples.Touched) -> AlertRun:
    going = run_goes_on(one.ended_ns, one.last_seen_ns, ground.now_ns)
    return _run(ground, found, one.trace_id, one.run_id, going)


def _run(ground: Ground, found: Excess, trace_id: bytes, run_id: bytes, going: bool = False) -> AlertRun:
    """Return a run as evidence; no single step of it is to blame but the run itself."""
    return AlertRun(
        project_id=ground.project_id,
        fingerprint=fingerprint(ground.project_id, found.rule, found.agent, found.subject),
        trace_id=trace_id,
        run_id=run_id,
        alert_id=0,
        severity=found.severity,
        observed=found.observed,
        since_ns=ground.now_ns,
        last_ns=ground.now_ns,
        seen_ns=ground.now_ns,
        spans=run_id,
        sentence=found.sentence,
        detail="",
        wasted_nanos=None,
        is_open=int(going),
    )


# --- hours --------------------------------------------------------------------------------------------------------


def hourly_signals(ground: Ground) -> Iterator[Signal]:
    """A1 and A4: this hour so far and the one before against what such hours were."""
    hour = ground.now_ns // _HOUR_NS
    for one in samples.agent_hours(ground.conn, ground.project_id, hour - 7 * 168):
        values = {"cost": one.cost, "tokens": one.tokens, "runs": one.runs, "duration": one.duration}
        series = Series(one.agent, one.first_hour, one.runs, values)
        limits = ground.limits("A1", Limits(4.0, 6.0), one.agent)
        if limits is not None:
            yield from _signals(ground, (*unusual_hours(series, hour - 1, limits), *unusual_hours(series, hour, limits)))
        if ground.limits("A4", Limits(2.0, None), one.agent) is not None:
            yield from _signals(ground, [silence(series, hour - 1)])


def drift_signals(ground: Ground) -> Iterator[Signal]:
    """A3: what became sure with the last day that is over. What was so on earlier days was told then, or is history."""

    def limit_of(agent: str) -> float | None:
        limits = ground.limits("A3", DRIFT, agent)
        return None if limits is None else limits.warning

    today = day_of(ground.now_ns)
    for one in drifts_since(ground.conn, ground.project_id, range(today - 1, today), limit_of):
        yield _signal(ground, one.found)


def failing_signals(ground: Ground) -> Iterator[Signal]:
    """A2: the share of failing runs in the last quarter of an hour against the last week's."""
    day = ground.now_ns // _DAY_NS
    recent = samples.ended_lately(ground.conn, ground.project_id, ground.now_ns)
    if not any(total >= 20 for _, total in recent.values()):
        return
    week = samples.ended_in_days(ground.conn, ground.project_id, day - 7, day)
    for agent, counted in recent.items():
        limits = ground.limits("A2", Limits(0.0, 0.5), agent)
        if limits is not None:
            yield from _signals(ground, [failing(agent, counted, week.get(agent, (0, 0)), limits)])


# --- tools and calls ----------------------------------------------------------------------------------------------


def first_seen_signals(ground: Ground) -> Iterator[Signal]:
    """P2: tools that an agent never used before; critical where the run leaked something or was told something."""
    hour = ground.now_ns // _HOUR_NS
    for agent, tool in samples.tools_seen_first(ground.conn, ground.project_id, hour):
        if "P2" in ground.rules(agent).off:
            continue
        used = samples.runs_with_tool(ground.conn, ground.project_id, agent, tool, hour - 1)
        severity: Severity = "critical" if any(suspect for _, _, suspect in used) else "warning"
        where = " in a run that leaks or was injected" if severity == "critical" else ""
        sentence = f"{agent} used {tool} for the first time in 30 days{where}"
        found = Excess("P2", severity, agent, tool, 1.0, 1.0, sentence, "tools that this agent used in the last 30 days.")
        yield _signal(ground, found, [_run(ground, found, trace_id, run_id) for trace_id, run_id, _ in used])


_FEWEST_CALLS = 50


def repeated_signals(ground: Ground) -> Iterator[Signal]:
    """L7: the same call in many runs within a quarter of an hour."""
    slot = ground.now_ns // SLOT_NS
    for agent, digest, tool, calls, runs in samples.calls_since(ground.conn, ground.project_id, slot - 2, _FEWEST_CALLS):
        limits = ground.limits("L7", Limits(_FEWEST_CALLS, 3 * _FEWEST_CALLS), agent)
        if limits is None or runs < 2:
            continue
        past, first = samples.call_counts(ground.conn, ground.project_id, agent, slot - 2_016, slot - 3)
        usual = 10 * percentile(past, 0.99) if first is not None and slot - first >= 864 else 0.0
        limit = max(limits.warning or _FEWEST_CALLS, usual)
        if calls <= limit:
            continue
        severity: Severity = "critical" if calls > 3 * limit else "warning"
        sentence = f"{agent} called {tool} with the same arguments {calls:,} times in {runs:,} runs within 15 minutes"
        basis = "ten times the 99th percentile of 7 days" if usual > _FEWEST_CALLS else "while little is known"
        expected = f"at most {limit:,.0f}, {basis}."
        found = Excess("L7", severity, agent, tool, calls, limit, sentence, expected)
        behind = samples.runs_of_call(ground.conn, ground.project_id, agent, digest, ground.now_ns - _DAY_NS)
        yield _signal(ground, found, [_run(ground, found, *pair) for pair in behind])


ASPECTS: tuple[Aspect, ...] = (
    Aspect(("B2", "B3", "B4"), 15 * _SECOND_NS, money_signals),
    Aspect((), 15 * _SECOND_NS, costly_signals),
    Aspect(("L7",), 15 * _SECOND_NS, repeated_signals),
    Aspect(("A2",), 60 * _SECOND_NS, failing_signals),
    Aspect(("P2",), 60 * _SECOND_NS, first_seen_signals),
    Aspect(("A1", "A4"), 5 * _MINUTE_NS, hourly_signals),
    Aspect(("A3",), 10 * _MINUTE_NS, drift_signals),
)
"""Everything that needs tables. A new one is a function and a line here. Rules about runs end with their runs, not here."""


class Looks:
    """Asks every aspect when it is due. One that fails leaves its alerts as they are; three times in a row is told."""

    def __init__(self, tally: CallTally, data_dir: Path, aspects: Sequence[Aspect] = ASPECTS) -> None:
        self._tally, self._data_dir, self._aspects = tally, data_dir, aspects
        self._asked_ns: dict[int, int] = {}
        self._failures: dict[int, int] = {}
        self._memory: dict[object, tuple[int, object]] = {}
        self._sampled_ns: int | None = None
        self._noted_ns = 0
        self._began_ns: int | None = None
        self._health_ns = 0

    def __call__(self, store: Store, settings: Settings, now_ns: int) -> Seen:
        """Return what is seen now."""
        self._began_ns = now_ns if self._began_ns is None else min(self._began_ns, now_ns)
        projects = [one.id for one in list_projects(store)]
        self._sample(store, now_ns)
        self._note_days(store, projects, now_ns)
        signals: list[Signal] = []
        evaluated: set[str] = set()
        for place, aspect in enumerate(self._aspects):
            if 0 <= now_ns - self._asked_ns.get(place, 0) < aspect.every_ns:
                continue
            self._asked_ns[place] = now_ns
            found = self._ask(store, place, projects, Ground(None, 0, settings, now_ns, self._memory))  # type: ignore[arg-type]
            if found is not None:
                signals += found
                evaluated |= set(aspect.rules)
        if not 0 <= now_ns - self._health_ns < 15 * _SECOND_NS:
            self._health_ns = now_ns
            signals += health(store, self._data_dir, self._broken(), self._began_ns, now_ns)
            evaluated.add("H1")
        return Seen(tuple(signals), frozenset(evaluated))

    def _ask(self, store: Store, place: int, projects: Sequence[int], ground: Ground) -> list[Signal] | None:
        found: list[Signal] = []
        try:
            for project_id in projects:
                with store.engine.connect() as conn:
                    found += self._aspects[place].ask(msgspec.structs.replace(ground, conn=conn, project_id=project_id))
        except Exception:
            log.exception("a rule could not be evaluated")
            self._failures[place] = self._failures.get(place, 0) + 1
            return None
        self._failures.pop(place, None)
        return found

    def _broken(self) -> list[str]:
        """Return the rules that could not be evaluated three times in a row."""
        failed = [place for place, number in self._failures.items() if number >= _FAILURES]
        return sorted(rule for place in failed for rule in self._aspects[place].rules or ("B5",))

    def _sample(self, store: Store, now_ns: int) -> None:
        """Take the samples that later looks read: what the bill grew by, and calls of many runs."""
        if self._sampled_ns is not None and 0 <= now_ns - self._sampled_ns < 10 * _SECOND_NS:
            return
        samples.sample_spend(store, now_ns, self._sampled_ns or now_ns)
        counts = self._tally.drain()
        if counts:
            samples.add_calls(store, counts, now_ns // SLOT_NS - 2_304)
        self._sampled_ns = now_ns

    def _note_days(self, store: Store, projects: Sequence[int], now_ns: int) -> None:
        """Note days of agents that are over; where there are many, as after an import, the rest in the next looks."""
        if 0 <= now_ns - self._noted_ns < 10 * _MINUTE_NS:
            return
        noted = [agent_days.note_days(store, one, day_of(now_ns), _DAYS_AT_ONCE) for one in projects]
        if max(noted, default=0) < _DAYS_AT_ONCE:
            self._noted_ns = now_ns
