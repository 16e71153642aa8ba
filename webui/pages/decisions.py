"""Branch points: what was offered, how often each option was taken, and how that ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from webui.analysis.decisions import BranchStats, OptionStats
from webui.format import clip, count, plural, termination_word, tone

from .links import person_href, quoted
from .range import Range, chose, ended

_BRANCHES, _OPTIONS, _NEVER = 40, 14, 40


@dataclass(frozen=True, slots=True)
class EndingLink:
    """How some of an option's decisions ended."""

    word: str
    tone: str
    number: str
    href: str


@dataclass(frozen=True, slots=True)
class OptionRow:
    """One option of a branch point."""

    name: str
    number: str
    share: str
    bar: str
    completed: str
    endings: tuple[EndingLink, ...]
    href: str
    note: str


@dataclass(frozen=True, slots=True)
class BranchView:
    """One branch point."""

    key: str
    question: str
    agent: str
    agent_href: str
    source: str
    decisions: str
    href: str
    rows: tuple[OptionRow, ...]
    more: str
    never: tuple[str, ...]
    """Options that were never taken."""


@dataclass(frozen=True, slots=True)
class DecisionsPage:
    """All branch points."""

    range: Range
    branches: tuple[BranchView, ...]
    total: str
    more: str


def build_decisions_page(found: Sequence[BranchStats], range_: Range) -> DecisionsPage:
    """Return the page of branch points."""
    decided = sum(one.decisions for one in found)
    left = len(found) - _BRANCHES
    return DecisionsPage(
        range=range_,
        branches=tuple(branch_view(one, range_) for one in found[:_BRANCHES]),
        total=f"{plural(decided, 'decision')} at {plural(len(found), 'branch point')}" if found else "",
        more=f"{plural(left, 'branch point')} met less often not shown" if left > 0 else "",
    )


def branch_view(one: BranchStats, range_: Range) -> BranchView:
    """Return one branch point as shown."""
    branch = one.branch
    taken = [option for option in one.options if option.times]
    left = len(taken) - _OPTIONS
    varies = "options differ each time" if branch.varies else plural(len(branch.options), "option")
    return BranchView(
        key=branch.id,
        question=clip(branch.question, 160) or ("Which tool next?" if branch.source == "derived" else "Which way?"),
        agent=clip(branch.agent, 60),
        agent_href=person_href("agents", branch.agent),
        source=f"{branch.source}, {varies}",
        decisions=plural(one.decisions, "decision"),
        href=range_.runs(f"decision at {quoted(branch.id)}"),
        rows=tuple(_option_row(one, option, range_) for option in taken[:_OPTIONS]),
        more=plural(left, "more option") if left > 0 else "",
        never=tuple(clip(option.name, 60) for option in one.options if not option.times)[:_NEVER],
    )


def _option_row(one: BranchStats, option: OptionStats, range_: Range) -> OptionRow:
    at = chose(option.name, one.branch.id) if not one.branch.varies else f"decision at {quoted(one.branch.id)}"
    return OptionRow(
        name=clip(option.name, 80),
        number=count(option.times),
        share=f"{100 * option.share:.0f} %" if option.times else "never",
        bar=f"{100 * option.share:.1f}%",
        completed="–" if option.completed is None else f"{100 * option.completed:.0f} %",
        endings=tuple(
            EndingLink(termination_word(reason), tone(reason), count(number), range_.runs(at, ended(reason)))
            for reason, number in option.endings[:5]
        ),
        href=range_.runs(at) if option.times else "",
        note="" if option.is_offered else "not among the options",
    )
