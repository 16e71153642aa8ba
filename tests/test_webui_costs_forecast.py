"""The forecast: an interval that holds what it says, and nothing where there is too little to go by."""

import math
import random

import pytest

from webui.analysis.forecast import add_up, outlook, pace_of

TODAY = 20_500
WEEK = (1.0, 1.1, 1.05, 1.1, 0.95, 0.45, 0.4)


def seasonal(rng: random.Random, days: int, likeness: float = 0.0) -> dict[int, int]:
    """Return days before and after today: weekends cost less, and what is left is noise of a third, alike from day to day or not."""
    found, noise = {}, 0.0
    for day in range(TODAY - days, TODAY + 40):
        noise = likeness * noise + rng.gauss(0, 0.3 * math.sqrt(1 - likeness**2))
        found[day] = int(1e9 * WEEK[day % 7] * math.exp(noise - 0.045))
    return found


@pytest.mark.parametrize("ahead", [3, 10, 25])
@pytest.mark.parametrize("likeness", [0.0, 0.6])
def test_the_interval_holds_four_fifths(ahead: int, likeness: float) -> None:
    """Of many seasonal bills, the 80 % interval holds 75 to 85 % of what then came."""
    rng, held, tries = random.Random(7), 0, 400
    for _ in range(tries):
        spent = seasonal(rng, 56, likeness)
        pace = pace_of({day: nanos for day, nanos in spent.items() if day < TODAY}, TODAY)
        assert pace is not None
        told = add_up(pace, range(TODAY, TODAY + ahead))
        held += told.low <= sum(spent[day] for day in range(TODAY, TODAY + ahead)) <= told.high
    assert 0.75 <= held / tries <= 0.85


def test_too_few_days_say_nothing() -> None:
    assert pace_of({}, TODAY) is None
    assert pace_of(dict.fromkeys(range(TODAY - 6, TODAY), 10**9), TODAY) is None
    assert pace_of({TODAY - 40: 10**9, TODAY - 1: 10**9}, TODAY) is None, "two days of spend"
    assert pace_of(dict.fromkeys(range(TODAY - 7, TODAY), 10**9), TODAY) is not None
    assert pace_of({TODAY: 10**12}, TODAY) is None, "today is not over"


def test_an_even_bill_goes_on_evenly() -> None:
    """Ten dollars a day come to ten dollars a day, and the budget ends when it must."""
    pace = pace_of(dict.fromkeys(range(TODAY - 30, TODAY), 10 * 10**9), TODAY)
    assert pace is not None
    ahead = outlook(pace, (100 * 10**9, 4 * 10**9), (TODAY, TODAY + 10), 150 * 10**9)
    assert ahead.total.expected == pytest.approx(196 * 10**9, rel=0.001)
    assert ahead.used_up is not None
    # Six more today, then four days and four tenths.
    assert ahead.used_up.expected == pytest.approx(TODAY + 5.4, abs=0.05)
    assert [round(one.expected / 10**9) for one in ahead.path[:3]] == [106, 116, 126]


def test_early_and_late_lie_around_the_middle() -> None:
    spent = seasonal(random.Random(3), 56)
    pace = pace_of(spent, TODAY)
    assert pace is not None
    ahead = outlook(pace, (5 * 10**9, 10**8), (TODAY, TODAY + 20), 14 * 10**9)
    assert ahead.used_up is not None
    assert TODAY < ahead.used_up.low < ahead.used_up.expected < ahead.used_up.high
    assert ahead.total.low < ahead.total.expected < ahead.total.high


def test_a_budget_may_last_or_be_gone() -> None:
    pace = pace_of(dict.fromkeys(range(TODAY - 30, TODAY), 10**9), TODAY)
    assert pace is not None
    lasting, gone = (outlook(pace, (5 * 10**9, 0), (TODAY, TODAY + 5), budget) for budget in (100 * 10**9, 5 * 10**9))
    assert lasting.used_up is not None
    assert math.isinf(lasting.used_up.expected)
    assert gone.used_up is not None
    assert gone.used_up.expected == TODAY
    assert outlook(pace, (0, 0), (TODAY, TODAY + 5), None).used_up is None


def test_days_without_spend_are_days() -> None:
    """What is spent every other day comes to half of it a day."""
    pace = pace_of(dict.fromkeys(range(TODAY - 40, TODAY, 2), 2 * 10 ** 9), TODAY)
    assert pace is not None
    assert add_up(pace, range(TODAY, TODAY + 14)).expected == pytest.approx(14 * 10**9, rel=0.1)
