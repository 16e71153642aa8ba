"""Figures of a benchmark: what was measured, the limit it has to keep, and a table to show them."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. Without a limit it is only stated."""

    name: str
    measured: float
    unit: str
    limit: float | None = None
    bound: Literal["at most", "at least"] = "at most"
    floor: float | None = None
    """The same measure of the floor in the same run, where the floor can do it."""
    note: str = ""

    @property
    def keeps_limit(self) -> bool | None:
        """Tell whether the limit is kept; None where there is none."""
        if self.limit is None:
            return None
        return self.measured <= self.limit if self.bound == "at most" else self.measured >= self.limit


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)]


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def table(figures: Sequence[Figure]) -> str:
    """Return figures as a Markdown table that reads well as plain text too."""
    head = ("measure", "measured", "limit", "of limit", "floor", "of floor", "verdict", "note")
    rows = [head, *(_cells(figure) for figure in figures)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _cells(figure: Figure) -> tuple[str, ...]:
    sign = "<=" if figure.bound == "at most" else ">="
    verdict = {True: "PASS", False: "MISS", None: "-"}[figure.keeps_limit]
    return (
        figure.name,
        f"{_number(figure.measured)} {figure.unit}".strip(),
        "-" if figure.limit is None else f"{sign} {_number(figure.limit)}",
        "-" if not figure.limit else f"{figure.measured / figure.limit:.2f}",
        "-" if figure.floor is None else _number(figure.floor),
        "-" if not figure.floor else f"{figure.measured / figure.floor:.2f}",
        verdict,
        figure.note,
    )


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
