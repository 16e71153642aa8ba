"""Ids that no run was ever given, put in place of those that an agent passed to its tools; and how many of them are noticed."""

import random
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from ingest.model import Run, Span, Trace
from webui.pages.lore import Lore
from webui.pages.origin import Origin, trace_arguments
from webui.pages.panel import told_before
from webui.pages.steps import Placed, place_steps

_ID = re.compile(r"#?[A-Za-z]{0,12}[_-]?\d{4,18}")
"""Values that can be ids only, of five characters and more. Shorter ones stand everywhere by chance, and are not flagged by intent."""


_VARIANTS = 3


@dataclass
class Noticed:
    """How many values were said to come from nowhere."""

    planted: int = 0
    flagged: int = 0
    true: int = 0
    """Values that agents passed themselves, of whatever kind."""
    false: int = 0
    """Those of them that were flagged."""

    def __str__(self) -> str:
        return f"{self.flagged} of {self.planted} planted ids flagged, {self.false} of {self.true} true values"


def plant_everywhere(trace: Trace, read_span: Callable[[bytes], Span | None], noticed: Noticed, chance: random.Random) -> Iterator[Origin]:
    """Judge each tool call of a trace as it is, and three times for each id in it with that id gone wrong; yield true values flagged."""
    lore = Lore(read_span)
    for run in trace.runs:
        placed = place_steps(run.steps)
        for at, item in enumerate(placed):
            if item.step.tool is None or not isinstance(item.step.tool.arguments, dict):
                continue
            origins = _origins(placed, at, run, lore)
            noticed.true += len(origins)
            noticed.false += sum(one.unknown for one in origins)
            yield from (one for one in origins if one.unknown)
            for path, value in _VARIANTS * list(_ids(item.step.tool.arguments)):
                wrong = _gone_wrong(value, chance)
                placed[at] = _with_argument(item, path, wrong)
                noticed.planted += 1
                noticed.flagged += any(one.unknown and one.value == str(wrong) for one in _origins(placed, at, run, lore))
            placed[at] = item


def _origins(placed: list[Placed], at: int, run: Run, lore: Lore) -> tuple[Origin, ...]:
    return trace_arguments(placed[at], placed[:at], run, lambda: told_before(placed, at, lore))


_Path = tuple[str | int, ...]


def _ids(value: Any, path: _Path = ()) -> Iterator[tuple[_Path, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _ids(inner, (*path, key))
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            yield from _ids(inner, (*path, n))
    elif isinstance(value, str) and len(value) >= 5 and _ID.fullmatch(value):
        yield path, value


def _gone_wrong(value: str, chance: random.Random) -> str:
    """Return an id with its last two digits changed, as a model that misremembers it writes it."""
    last = [place for place, letter in enumerate(value) if letter.isdigit()][-2:]
    return "".join(chance.choice([d for d in "0123456789" if d != letter]) if n in last else letter for n, letter in enumerate(value))


def _with_argument(item: Placed, path: _Path, value: str) -> Placed:
    tool = item.step.tool
    assert tool is not None
    arguments = deepcopy(tool.arguments)
    inner = arguments
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return item._replace(step=structs.replace(item.step, tool=structs.replace(tool, arguments=arguments)))
