"""Branch points: how often each option was taken where it was offered, and how the runs that took it ended."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ingest.store.tally import Branch, Summed


@dataclass(frozen=True, slots=True)
class OptionStats:
    """One option of a branch point."""

    name: str
    times: int
    """Decisions for it; several options taken at once are an option of their own."""
    share: float
    endings: tuple[tuple[str, int], ...]
    """How the traces of these decisions ended: reason and decisions, the most frequent first."""
    completed: float | None
    """The share of its decisions whose traces completed; None where it was never taken."""
    is_offered: bool = True
    """False where it was taken without being among the options on record."""


@dataclass(frozen=True, slots=True)
class BranchStats:
    """One branch point."""

    branch: Branch
    decisions: int
    completed: float
    options: tuple[OptionStats, ...]


def branch_stats(rows: Iterable[Summed], branches: Mapping[str, Branch]) -> list[BranchStats]:
    """Return branch points from the sums of choices, the most frequent first; options likewise, those never taken last."""
    by_branch: dict[str, dict[str, dict[str, int]]] = {}
    for row in rows:
        endings = by_branch.setdefault(row.a, {}).setdefault(row.b, {})
        endings[row.c] = endings.get(row.c, 0) + row.times
    found = [_stats(branches[id_], chosen) for id_, chosen in by_branch.items() if id_ in branches]
    return sorted(found, key=lambda one: (-one.decisions, one.branch.agent, one.branch.id))


def _stats(branch: Branch, chosen: Mapping[str, Mapping[str, int]]) -> BranchStats:
    decisions = sum(sum(endings.values()) for endings in chosen.values())
    completed = sum(endings.get("completed", 0) for endings in chosen.values())
    taken = [_option(name, endings, decisions, branch) for name, endings in chosen.items()]
    never = [OptionStats(name, 0, 0.0, (), None) for name in branch.options if name not in chosen]
    taken.sort(key=lambda one: (-one.times, one.name))
    return BranchStats(branch, decisions, completed / decisions if decisions else 0.0, (*taken, *never))


def _option(name: str, endings: Mapping[str, int], decisions: int, branch: Branch) -> OptionStats:
    times = sum(endings.values())
    ranked = tuple(sorted(endings.items(), key=lambda one: (-one[1], one[0])))
    offered = branch.varies or name in branch.options or all(part in branch.options for part in name.split(", "))
    return OptionStats(name, times, times / decisions if decisions else 0.0, ranked, endings.get("completed", 0) / times, offered)
