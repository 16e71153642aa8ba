"""The timeline strip: the whole run on one line, drawn in percent of its width."""

from collections.abc import Sequence
from dataclasses import dataclass

from webui.format import duration, percent

from .scale import Scale, Tick
from .steps import Placed, is_cause, look_of

_MOST_BARS = 500
_MOST_DERIVED = 60
_LEAST_WIDTH = 0.3
_LABEL_ROOM = 16.0
"""Percent of the width that a label needs."""
_RANK = {"fail": 6, "decision": 5, "agent": 4, "recover": 3, "tool": 2, "think": 1, "llm": 1, "rule": 0}


@dataclass(frozen=True, slots=True)
class Bar:
    """One coloured stretch of the strip."""

    look: str
    x: str
    width: str


@dataclass(frozen=True, slots=True)
class Label:
    """A word above the strip, at a point in time."""

    x: str
    text: str
    look: str
    needle: bool
    at_end: bool
    optional: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """The strip of one run."""

    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    labels: tuple[Label, ...]
    decisions: tuple[str, ...]
    description: str
    selected: str
    """Where the selected step begins; empty without one."""


@dataclass(frozen=True, slots=True)
class Mention:
    """Something worth a label: where, what, in which colour; the most important first."""

    at_ns: int
    text: str
    look: str
    needle: bool = False


def draw_strip(placed: Sequence[Placed], span_ns: tuple[int, int], mentions: Sequence[Mention], ending: str, bad: bool) -> Strip:
    """Return the strip of a run that lasted from ``span_ns[0]`` to ``span_ns[1]``."""
    start, end = span_ns
    length = max(end - start, 1)
    labels = _labels(mentions, start, length)
    labels.append(Label("100%", ending, "t-bad" if bad else "", needle=bad, at_end=True, optional=False))
    told = "; ".join(f"{label.text}" for label in labels)
    return Strip(
        bars=tuple(_bars(placed, start, length)),
        ticks=Scale(start, start + length).ticks(),
        labels=tuple(labels),
        decisions=tuple(_decisions(placed, start, length)),
        description=f"Timeline, {duration(length)}: {told}"[:600],
        selected="",
    )


def place_on(at_ns: int, span_ns: tuple[int, int]) -> str:
    """Return where a time lies on a strip, in percent of its width."""
    return f"{_place(at_ns, span_ns[0], max(span_ns[1] - span_ns[0], 1)):.2f}%"


def _place(at_ns: int, start: int, length: int) -> float:
    return min(max(percent(at_ns - start, length), 0.0), 100.0)


def _look(item: Placed) -> str:
    if is_cause(item.step):
        return "fail"
    look = look_of(item.step)
    return "rule" if look == "other" else look


def _bars(placed: Sequence[Placed], start: int, length: int) -> list[Bar]:
    """Draw each step, or, for a long run, the most telling step of each slot."""
    drawn = [item for item in placed if _is_drawn(item)]
    if len(drawn) > _MOST_BARS:
        return _slots(drawn, start, length)
    bars = []
    for item in drawn:
        x = _place(item.step.started_ns, start, length)
        ended = start + length if item.step.is_open else item.step.ended_ns
        width = min(max(_place(ended, start, length) - x, _LEAST_WIDTH), 100.0)
        bars.append(Bar(f"f-{_look(item)}", f"{min(x, 100 - _LEAST_WIDTH):.2f}%", f"{width:.2f}%"))
    # What failed is drawn last, so that nothing that ran beside it hides it; what holds others is drawn below them.
    return sorted(bars, key=lambda bar: (bar.look == "f-fail", bar.look != "f-agent"))


def _is_drawn(item: Placed) -> bool:
    """Tell whether a step takes time that no step inside it shows better."""
    if item.step.kind == "other":
        return not (item.step.children or item.depth)
    return item.step.kind != "decision"


def _slots(drawn: Sequence[Placed], start: int, length: int) -> list[Bar]:
    best: dict[int, str] = {}
    ranks = [-1] * _MOST_BARS
    for item in drawn:
        slot = min(max((item.step.started_ns - start) * (_MOST_BARS - 1) // length, 0), _MOST_BARS - 1)
        look = _look(item)
        if _RANK[look] > ranks[slot]:
            best[slot], ranks[slot] = look, _RANK[look]
    width = 100 / _MOST_BARS
    return [Bar(f"f-{look}", f"{slot * width:.2f}%", f"{width:.2f}%") for slot, look in sorted(best.items())]


def _decisions(placed: Sequence[Placed], start: int, length: int) -> list[str]:
    """Mark declared decisions, and those read from tool calls where they are few enough to be told apart."""
    chosen = [(item.step.started_ns, item.step.decision.source) for item in placed if item.step.decision is not None]
    if len(chosen) > _MOST_DERIVED:
        chosen = [one for one in chosen if one[1] == "declared"]
    return [f"{place / 2}%" for place in sorted({round(_place(at_ns, start, length) * 2) for at_ns, _ in chosen})]


def _labels(mentions: Sequence[Mention], start: int, length: int) -> list[Label]:
    """Write the mentions that find room, the important ones first."""
    taken = [100.0]
    labels = []
    for number, mention in enumerate(mentions):
        x = _place(mention.at_ns, start, length)
        if any(abs(x - other) < _LABEL_ROOM for other in taken):
            continue
        taken.append(x)
        labels.append(Label(f"{x:.2f}%", mention.text, mention.look, needle=mention.needle, at_end=False, optional=number > 0))
    return labels
