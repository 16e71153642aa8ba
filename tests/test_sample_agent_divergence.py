"""The sample agent's runs beside each other: where one went wrong is where Clew says that they part; and ids from nowhere are noticed.

``-s`` shows the figures; ``TEST_MISHAP_SHARE=1`` lets every mishap happen on every task and architecture.
"""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations

import pytest

from sample_agent.settings import ARCHITECTURES, Architecture
from webui.analysis.compare import compare_traces

from .agent_twins import MISHAPS, TASKS, Circumstances, LivedRun, Mishap, Task, Twins, twins
from .planted_ids import Noticed, plant_everywhere

SHARE = int(os.environ.get("TEST_MISHAP_SHARE", "6"))
"""Of the mishaps one of so many happens on each task and architecture, on each a different one."""

SAME, OTHER = Circumstances(week=2), (Circumstances("10466", week=1, seed=9), Circumstances("10417", week=3, seed=11))
"""The same client two weeks later, and other clients in other weeks with other calendars."""


@dataclass
class Good:
    """Good runs of a task on an architecture that did the same: called the same tools with the same outcome, and ended alike."""

    task: Task
    architecture: Architecture
    first: LivedRun
    same: LivedRun
    others: list[LivedRun] = field(default_factory=list)


@dataclass
class Lived:
    """All good runs, and the means to live more."""

    twins: Twins
    good: list[Good] = field(default_factory=list)


@pytest.fixture(scope="module")
def lived() -> Iterator[Lived]:
    """Let the agent do each task well, four times on each architecture."""
    with twins() as means:
        found = Lived(means)
        for architecture in ARCHITECTURES:
            for task in TASKS:
                live = partial(means.live, task, architecture)
                first, same, *others = (live(one) for one in (Circumstances(), SAME, *OTHER))
                found.good.append(Good(task, architecture, first, same, [one for one in others if one.done == first.done]))
        yield found


def test_good_runs_of_a_task_have_no_material_difference(lived: Lived, capsys: pytest.CaptureFixture[str]) -> None:
    """Weeks, ids, free times, wording, clients and offices make none."""
    compared, apart = 0, []
    for one in lived.good:
        assert one.first.done == one.same.done
        for a, b in combinations((one.first, one.same, *one.others), 2):
            compared += 1
            found = compare_traces(a.trace, b.trace)
            if found.first is not None:
                apart.append(f"{one.architecture}, {one.task.name}: {found.pairs[found.first].differences[:1]}")
    with capsys.disabled():
        print(f"\n  {compared - len(apart)} of {compared} pairs of good runs without a material difference")
    assert compared >= 60
    assert not apart, "\n".join(apart)


def test_the_first_divergence_is_where_it_went_wrong(lived: Lived, capsys: pytest.CaptureFixture[str]) -> None:
    """At least nine of ten, beside a good run of the same client and beside one of another client."""
    hits: dict[str, list[bool]] = {"the same client": [], "another client": []}
    missed = []
    for number, (one, mishap) in enumerate((one, mishap) for one in lived.good for mishap in MISHAPS):
        if number % SHARE:
            continue
        bad = lived.twins.live(one.task, one.architecture, Circumstances(), mishap)
        if bad.struck is None:
            continue
        for beside, good in _beside(one, mishap):
            is_hit = _first_place(bad, good) in bad.places()
            hits[beside].append(is_hit)
            if not is_hit:
                missed.append(f"{one.architecture}, {one.task.name}, {mishap.name}, beside {beside}")
    with capsys.disabled():
        for beside, found in hits.items():
            print(f"\n  first divergence at the step that went wrong, beside a run of {beside}: {sum(found)} of {len(found)}", end="")
        print("".join(f"\n    not {one}" for one in missed))
    for beside, found in hits.items():
        assert len(found) > 400 / SHARE, beside
        assert sum(found) / len(found) >= 0.9, "\n".join(missed)


def _beside(one: Good, mishap: Mishap) -> Iterator[tuple[str, LivedRun]]:
    yield "the same client", one.same
    if not mishap.is_fate:
        yield from (("another client", other) for other in one.others)


def _first_place(bad: LivedRun, good: LivedRun) -> int | None:
    found = compare_traces(bad.trace, good.trace)
    side = found.pairs[found.first].a if found.first is not None else None
    return side.place if side is not None else None


def test_a_mishap_is_no_difference_from_itself(lived: Lived) -> None:
    """The comparison can say no: of two runs with the same mishap at the same step none is the odd one."""
    mishap = next(one for one in MISHAPS if one.name == "nothing is free")
    bad, again = (lived.twins.live(TASKS[0], "react", around, mishap) for around in (Circumstances(), SAME))
    assert bad.struck == again.struck == ("check_availability", 1)
    assert _first_place(bad, again) is None


def test_ids_from_nowhere_are_noticed(lived: Lived, capsys: pytest.CaptureFixture[str]) -> None:
    """Of ids planted into what the agent passed to its tools at least 95 % are flagged; of what it really passed less than 2 %."""
    noticed, chance, wrongly = Noticed(), random.Random(11), []
    for one in lived.good:
        for run in (one.first, one.same, *one.others):
            wrongly += list(plant_everywhere(run.trace, partial(lived.twins.read_span, run), noticed, chance))
    with capsys.disabled():
        print(f"\n  {noticed}")
    assert noticed.planted >= 200
    assert noticed.flagged / noticed.planted >= 0.95
    assert noticed.false / noticed.true < 0.02, wrongly[:5]
