"""How every guard tells what it decided: as a step of the trace, and to the ledger of truth."""

from tracer import step

from ..observe import Guarded, Observe


def record_verdict(verdict: Guarded, observe: Observe) -> None:
    """Record that a guard let something pass, changed it or refused it."""
    with step(verdict.name, kind="guardrail") as guard:
        guard.input(verdict.subject)
        guard.output({"verdict": verdict.verdict, "because": verdict.because})
        observe(verdict)
