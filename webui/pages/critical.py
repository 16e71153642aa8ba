"""The critical path of a run: the steps that its length is made of. To make any other step faster makes the run no faster."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingest.model import Run, Step

from .scale import Interval

Below = Callable[[Step], Sequence[Step]]
"""Returns what happened inside a step: its children, or the steps of the run that it called."""


@dataclass(frozen=True, slots=True)
class CriticalPath:
    """Stretches of time by step, and those in which the run itself did what no step shows."""

    stretches: dict[int, list[Interval]]
    """By the identity of the step."""
    unseen_ns: int
    by_kind: tuple[tuple[str, int], ...]
    """Nanoseconds by kind of step, the longest first."""


def find_critical_path(run: Run, end_ns: int, below: Below) -> CriticalPath:
    """Return the critical path of a run until its end. Linear but for sorting siblings; total for any times."""
    stretches: dict[int, list[Interval]] = {}
    kinds: dict[str, int] = {}
    unseen = 0
    # (step, its members, from, until): what of the step lies before ``until`` is still to be explained.
    stack: list[tuple[Step | None, Sequence[Step], int, int]] = [(None, run.steps, run.started_ns, end_ns)]
    while stack:
        step, members, since, until = stack.pop()
        own, inner = _explain(members, since, until)
        stack.extend((member, below(member), member.started_ns, stop) for member, stop in inner)
        length = sum(b - a for a, b in own)
        if step is None:
            unseen += length
        elif own:
            stretches.setdefault(id(step), []).extend(own)
            kinds[step.kind] = kinds.get(step.kind, 0) + length
    return CriticalPath(stretches, unseen, tuple(sorted(kinds.items(), key=lambda pair: -pair[1])))


def _explain(members: Sequence[Step], since: int, until: int) -> tuple[list[Interval], list[tuple[Step, int]]]:
    """Go back in time from the end: what ended last before it was waited for; the rest is the step's own time."""
    own: list[Interval] = []
    inner: list[tuple[Step, int]] = []
    at = until
    ends = [(until if member.is_open else member.ended_ns, member) for member in members]
    for ended, member in sorted(ends, key=lambda pair: (-pair[0], -pair[1].started_ns)):
        if at <= since:
            break
        if ended > at or ended <= since:
            # Ran on beside what was waited for, or is over before it began.
            continue
        if ended < at:
            own.append((ended, at))
        inner.append((member, ended))
        at = max(member.started_ns, since)
    if at > since:
        own.append((since, at))
    return own, inner
