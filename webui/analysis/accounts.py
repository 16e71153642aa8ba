"""What is known of money at one time: budgets, the month, the rate, the runs behind a bill. Values alone."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from ingest.model import TraceSummary
from ingest.store.alert_model import Alert
from ingest.store.bill import Deploy, Entry
from ingest.store.cube import CubeRow
from ingest.store.tally import Summed

from .forecast import Outlook
from .repricing import PriceChange


@dataclass(frozen=True, slots=True)
class Dear:
    """A run that cost much, and what on."""

    summary: TraceSummary
    entries: Sequence[Entry]
    finding: str
    """What was found to be wasted in it, in words; empty for nothing."""


@dataclass(frozen=True, slots=True)
class Tallies:
    """Daily tallies of whole UTC days: by the day on which runs began."""

    first_day: int
    ends: Sequence[Summed]
    again: Sequence[Summed]
    tools: Sequence[Summed]
    turns: Sequence[Summed]


@dataclass(frozen=True, slots=True)
class Budgets:
    """What a project, or one agent, may spend a day and a month; None where nobody said."""

    day_nanos: int | None
    month_nanos: int | None


@dataclass(frozen=True, slots=True)
class Month:
    """The month so far, and what it will be where there is enough to say so."""

    first_day: int
    end_day: int
    today: int
    days: Mapping[int, int]
    """Nano-dollars by day."""
    budget_nanos: int | None
    outlook: Outlook | None

    @property
    def spent_nanos(self) -> int:
        """Return what the month cost so far."""
        return sum(self.days.values())


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast money is spent now, by when it became known, and how fast it usually is."""

    ten_minutes: int
    hour: int
    """Nano-dollars of the last sixty minutes."""
    usual_tens: Sequence[int]
    """Of the tens of minutes of the last week in which anything was spent."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What happened in a time that may explain its bill."""

    deploys: Sequence[Deploy]
    prices: Sequence[PriceChange]
    alerts: Sequence[Alert]


@dataclass(frozen=True, slots=True)
class Changes:
    """The last 24 hours beside the 24 before, and what was known earlier."""

    now: Sequence[CubeRow]
    before: Sequence[CubeRow]
    earlier: Set[tuple[str, str, str]]
    """The agents, models and tools of the thirty days before these."""
    deploys: Sequence[Deploy]
