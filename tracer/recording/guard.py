"""Hard ceilings of a run: what it used, what it may use, and whether somebody stopped it. Works with telemetry off."""

import os
import threading
import time
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Limit = Literal["tokens", "usd", "steps", "seconds"]


@dataclass(frozen=True, slots=True)
class Budget:
    """Ceilings of a run; None is no ceiling. A nested run uses up the budgets around it as well.

    ``tokens`` are input and output together, cached ones included. ``usd`` needs prices (``configure(prices=...)``) or stated
    costs (``call.cost``): what has no price counts for nothing, and ``run.used.unpriced_calls`` tells.
    """

    tokens: int | None = None
    usd: float | None = None
    steps: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Raise ``TypeError`` or ``ValueError`` for what is no ceiling: found out during a run, it would be too late."""
        for name in ("tokens", "usd", "steps", "seconds"):
            ceiling = getattr(self, name)
            if ceiling is not None and (isinstance(ceiling, bool) or not isinstance(ceiling, int | float)):
                raise TypeError(f"{name} of a budget is a number, not {type(ceiling).__name__}")
            if ceiling is not None and not ceiling >= 0:
                raise ValueError(f"{name} of a budget is not negative, and a number")


class Used(NamedTuple):
    """What a run has used so far, nested runs included."""

    tokens: int
    usd: float
    steps: int
    seconds: float
    unpriced_calls: int


class BudgetExhausted(RuntimeError):
    """Raised before a step or model call that a budget does not allow.

    ``limit`` names the ceiling (``tokens``, ``usd``, ``steps``, ``seconds``), ``used`` and ``budget`` are those of the run that has it,
    ``partial`` is what that run noted with ``run.partial``.
    """

    def __init__(self, limit: Limit, used: Used, budget: Budget, partial: Any = None) -> None:
        super().__init__(f"budget exhausted: {getattr(used, limit):g} of {getattr(budget, limit):g} {limit} used")
        self.limit = limit
        self.used = used
        self.budget = budget
        self.partial = partial


class RunStopped(RuntimeError):
    """Raised before the next step of a run that an operator or a rule stopped: ``by`` whom, for what ``reason``."""

    def __init__(self, by: str | None, reason: str | None) -> None:
        super().__init__(f"stopped by {by or 'the guard'}" + (f": {reason}" if reason else ""))
        self.by = by
        self.reason = reason


class Meter:
    """What one run has used, and what it may use. All of it is safe from any thread."""

    __slots__ = (
        "breached", "budget", "ended_s", "outer", "partial", "started_s", "steps", "stopped", "tokens", "unpriced_calls", "usd", "was_told",
    )  # fmt: skip

    def __init__(self, budget: Budget | None, outer: "Meter | None") -> None:
        self.budget = budget
        self.outer = outer
        self.tokens = 0
        self.usd = 0.0
        self.steps = 0
        self.unpriced_calls = 0
        self.started_s = time.monotonic()
        self.ended_s: float | None = None
        self.partial: Any = None
        self.breached: BudgetExhausted | None = None
        self.stopped: tuple[str | None, str | None] | None = None
        self.was_told = False
        """Whether the host was told by an exception that somebody stopped the run."""

    def check(self, steps: int = 1) -> None:
        """Count so many steps about to begin, here and in the runs around. Raises ``RunStopped`` or ``BudgetExhausted`` instead."""
        with _lock:
            if self.outer is None and self.budget is None and self.stopped is None:
                self.steps += steps
                return
            meter: Meter | None = self
            while meter is not None:
                if meter.stopped is not None:
                    meter.was_told = True
                    raise RunStopped(*meter.stopped)
                if meter.budget is not None and meter.ended_s is None:
                    meter._check_budget(meter.budget, steps)
                meter = meter.outer
            meter = self if steps else None
            while meter is not None:
                meter.steps += steps
                meter = meter.outer

    def _check_budget(self, budget: Budget, steps: int) -> None:
        if budget.tokens is not None and self.tokens >= budget.tokens:
            self._breach("tokens", budget)
        if budget.usd is not None and self.usd >= budget.usd:
            self._breach("usd", budget)
        if budget.steps is not None and self.steps + steps > budget.steps:
            self._breach("steps", budget)
        if budget.seconds is not None and time.monotonic() - self.started_s >= budget.seconds:
            self._breach("seconds", budget)

    def _breach(self, limit: Limit, budget: Budget) -> None:
        error = BudgetExhausted(limit, self.used(), budget, self.partial)
        # Kept without its traceback: it would hold the host's frames alive as long as the run.
        self.breached = self.breached or BudgetExhausted(limit, error.used, budget)
        raise error

    def add(self, tokens: int, usd: float, unpriced_calls: int) -> None:
        """Count what a model call used, here and in the runs around."""
        with _lock:
            meter: Meter | None = self
            while meter is not None:
                meter.tokens += tokens
                meter.usd += usd
                meter.unpriced_calls += unpriced_calls
                meter = meter.outer

    def end(self) -> None:
        """Stop the clock."""
        self.ended_s = time.monotonic()

    def used(self) -> Used:
        """Return what was used so far."""
        seconds = (self.ended_s or time.monotonic()) - self.started_s
        return Used(self.tokens, self.usd, self.steps, seconds, self.unpriced_calls)


# Reentrant: the garbage collector may close a generator, and so end a span, in a thread that is inside.
_lock = threading.RLock()


def _renew_lock() -> None:
    """Another thread may have held the lock when this process was forked, and that thread is not here."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
