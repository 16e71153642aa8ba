"""Weeks of healthy agents as hourly sums, and what the hourly rules say of them, asked while each hour is still filling."""

import math
import random
from collections.abc import Iterator

from webui.analysis.detectors.budgets import Excess
from webui.analysis.detectors.model import Limits
from webui.analysis.detectors.series import Series, unusual_hours

_A1 = Limits(4.0, 6.0)
_ASKED_AT = (0.1, 0.4, 0.7, 1.0)
"""When in an hour the rule is asked."""


def healthy_week(seed: int, runs_an_hour: float, weeks: int) -> Iterator[Excess]:
    """Yield what is said of the last week of an agent: compound Poisson, log-normal runs, a day and a week, a level that drifts."""
    chance = random.Random(seed)
    hours = weeks * 168
    values: dict[str, dict[int, float]] = {name: {} for name in ("cost", "tokens", "runs", "duration")}
    level = 0.0
    for hour in range(hours):
        level = 0.995 * level + chance.gauss(0, 0.02)
        shape = 1.0 + 0.5 * math.sin(2 * math.pi * (hour % 24 - 9) / 24) * (0.5 if hour % 168 >= 120 else 1.0)
        runs = sorted((chance.random(), *_run(chance)) for _ in range(_poisson(chance, runs_an_hour * shape * math.exp(level))))
        judged = hour >= hours - 168
        for share in _ASKED_AT if judged else (1.0,):
            _fill(values, hour, [one for one in runs if one[0] <= share])
            if judged:
                yield from unusual_hours(Series("clerk", 0, values["runs"], values), hour, _A1)


def _run(chance: random.Random) -> tuple[float, float, float]:
    size = chance.gauss(0, 0.9)
    return 2e8 * math.exp(size), 4_000 * math.exp(size), 8e9 * math.exp(chance.gauss(0, 0.7))


def _fill(values: dict[str, dict[int, float]], hour: int, runs: list[tuple[float, ...]]) -> None:
    if runs:
        values["runs"][hour] = float(len(runs))
        values["cost"][hour] = sum(one[1] for one in runs)
        values["tokens"][hour] = sum(one[2] for one in runs)
        values["duration"][hour] = sum(one[3] for one in runs) / len(runs)


def _poisson(chance: random.Random, mean: float) -> int:
    """Return a number of events (Knuth)."""
    limit, product, number = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        number += 1
    return number
