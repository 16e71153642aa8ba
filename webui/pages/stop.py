"""Stopping a run from its page: the question, what was asked by whom, and what came of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from ingest.model import Run, Trace
from ingest.store.alert_model import StopRequest
from webui.analysis.detectors.catalogue import BY_ID
from webui.format import clip, clock, duration, termination_word

NO_REASON = "asked to stop"
"""What stands for a reason where none was given."""

_HEARD_WITHIN_NS = 60 * 10**9
"""A program with our SDK asks every few seconds: one that goes on longer than this did not hear."""

_DEAF = "It goes on: nothing shows that its program asks Clew whether to stop."


@dataclass(frozen=True, slots=True)
class StopView:
    """What a run page says about stopping."""

    can_ask: bool
    """Whether the run goes on and nobody has asked it to stop."""
    action: str
    run: str
    """The run shown, which the form names."""
    asked: tuple[str, str, str] | None
    """What stands before the name of who asked, the name, and what stands behind it."""
    by_href: str
    reason: str
    came: str
    """What came of it."""


def view_stop(trace: Trace, run: Run, wanted: StopRequest | None, now_ns: int) -> StopView:
    """Return what is said about stopping a run; ``wanted`` is who asked for it, if anybody."""
    can_ask = wanted is None and run.status == "running"
    form = (can_ask, f"/traces/{trace.trace_id.hex()}/stop", run.run_id.hex())
    if wanted is None:
        return StopView(*form, None, "", "", "")
    was_stopped = run.termination.reason == "stopped"
    name, href = _who(wanted.stopped_by)
    at = clock(wanted.asked_ns, now_ns)
    asked = ("Stopped by" if was_stopped else "Stop requested by", name, f"{', requested' if was_stopped else ''} at {at}")
    return StopView(*form, asked, href, clip(wanted.reason, 300) if wanted.reason != NO_REASON else "", _came_of(run, wanted, now_ns))


def _who(by: str) -> tuple[str, str]:
    """Return who asked, and where a rule is explained."""
    kind, _, name = by.partition(" ")
    rule = BY_ID.get(name) if kind == "rule" else None
    return (f"rule {rule.id}, {rule.name}", f"/alerts/rules#{rule.id}") if rule is not None else (clip(by, 80), "")


def _came_of(run: Run, wanted: StopRequest, now_ns: int) -> str:
    if run.ended_ns is not None:
        ended = f"ended at {clock(run.ended_ns, now_ns)}"
        if run.ended_ns < wanted.asked_ns:
            return f"It had {ended} by then."
        if run.termination.reason == "stopped":
            return f"It {ended}, {duration(run.ended_ns - wanted.asked_ns)} later."
        return f"It {ended} before that took effect: {termination_word(run.termination.reason)}."
    if run.status != "running":
        return "It fell silent without an end."
    return _DEAF if now_ns - wanted.asked_ns > _HEARD_WITHIN_NS else "It takes effect before the next step."


def stop_target(trace: Trace, run: Run) -> bytes:
    """Return the id under which a run is asked to stop: empty, for all of the trace, where it is the run around all others.

    Runs inside it may go on in other processes, which hear of their own runs and of whole traces alone.
    """
    tops = [one for one in trace.runs if one.parent_run_id is None]
    return b"" if tops == [run] else run.run_id


def lineage(trace: Trace, run: Run) -> Iterator[bytes]:
    """Yield the ids of a run and of the runs around it: whoever stops one of these stops it."""
    # Each once: what arrives late or forged may make runs each other's parents.
    known = {one.run_id: one for one in trace.runs if one is not run}
    at: Run | None = run
    while at is not None:
        yield at.run_id
        at = known.pop(at.parent_run_id or b"", None)
