"""How a run ends that was not answered: what each exception means, what the user is told, and what a person is asked to settle."""

from typing import Any, NamedTuple

from tracer import BudgetExhausted, RunStopped, TerminationReason

from .architectures.desk import LoopDetected, OutOfTime, TurnsExhausted
from .models.types import BreakerOpen, ModelUnavailable, OutputInvalid, TokenBudgetSpent
from .settings import DEGRADED, OFFICE_PHONE

R = TerminationReason


class Ending(NamedTuple):
    """Why a run stops, in the tracer's words; whether the model may be asked to sum up, and whether a person takes over."""

    reason: R
    detail: str
    sums_up: bool = False
    escalates: bool = False


OUTAGES = frozenset({R.CIRCUIT_BREAKER, R.LLM_UNAVAILABLE})

OF_LIMIT = {"tokens": R.TOKEN_BUDGET, "usd": R.COST_BUDGET, "steps": R.MAX_STEPS, "seconds": R.TIMEOUT}

EXPECTED: tuple[type[Exception], ...] = (
    BreakerOpen, ModelUnavailable, TokenBudgetSpent, OutputInvalid, LoopDetected, TurnsExhausted, OutOfTime, BudgetExhausted, RunStopped,
)  # fmt: skip
"""What a run may end with; anything else is a mistake in the program, and goes on."""


def ending_of(error: Exception) -> Ending:
    """Return what one of the ``EXPECTED`` exceptions means."""
    match error:
        case BreakerOpen():
            return Ending(R.CIRCUIT_BREAKER, str(error))
        case ModelUnavailable():
            return Ending(R.LLM_UNAVAILABLE, str(error))
        case TokenBudgetSpent():
            return Ending(R.TOKEN_BUDGET, str(error), sums_up=True, escalates=True)
        case OutputInvalid():
            return Ending(R.VALIDATION_FAILED, f"the model's answer stayed invalid: {error.errors}"[:500], escalates=True)
        case LoopDetected():
            return Ending(R.LOOP, str(error), escalates=True)
        case TurnsExhausted():
            return Ending(R.MAX_STEPS, str(error), sums_up=True, escalates=True)
        case OutOfTime():
            return Ending(R.TIMEOUT, str(error), escalates=True)
        case BudgetExhausted():
            # The tracer's guard lets nothing more happen in this run: neither a model's summary nor a hand-over.
            return Ending(OF_LIMIT[error.limit], str(error))
        case RunStopped():
            return Ending(R.STOPPED, str(error))
    raise TypeError(f"{type(error).__name__} is no expected ending") from error


def words_of(ending: Ending, done: str, case_id: str | None) -> str:
    """Return what the user is told; ``done`` sums up what was done already and holds, "" for nothing."""
    if ending.reason in OUTAGES:
        return DEGRADED if not done else f"{done} {DEGRADED}"
    so_far = f"So far: {done}" if done else "Nothing was changed in the calendars."
    onward = (
        f"I have passed this on to a colleague with everything we have so far (case {case_id}); they will get in touch with you."
        if case_id
        else f"For anything else please call our office on {OFFICE_PHONE}."
    )
    return f"I had to stop before this was finished. {so_far} {onward}"


def done_in_words(done: list[dict[str, Any]]) -> str:
    """Say what was changed in the calendars, from the tools' own results and without a model."""
    return " ".join(
        _SAYING.get(one["tool"], "appointment {appointment_id} was changed.").format_map(_Known(one["content"])) for one in done
    )


class _Known(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return "?"


_SAYING = {
    "book_appointment": "appointment {appointment_id} is booked for {starts_at}.",
    "cancel_appointment": "appointment {appointment_id} is cancelled.",
    "reschedule_appointment": "appointment {appointment_id} is moved to {starts_at}.",
    "send_confirmation": "a confirmation of {appointment_id} was sent.",
}
