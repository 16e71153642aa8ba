"""Every rule, in words and with its thresholds: what the editor shows, what a mail says of it, and how long it may be silent."""

from typing import Literal

import msgspec

from .ceilings import DEFAULT as CEILINGS
from .drift import DEFAULT as DRIFT
from .loops import DEFAULTS as LOOPS
from .model import Limits

Kind = Literal["run", "series", "ourselves"]

_MINUTE_NS = 60_000_000_000


class Rule(msgspec.Struct, frozen=True):
    """A rule: its name, one sentence, the unit of its thresholds, and when what it found is over."""

    id: str
    name: str
    sentence: str
    unit: str
    limits: Limits
    kind: Kind = "run"
    keep_ns: int = 5 * _MINUTE_NS
    """An alert is over when the condition has not held for so long."""
    cure: str = ""
    """What to do where it is meant to be so."""
    is_money: bool = False


_QUARTER_NS = 15 * _MINUTE_NS
_POLLING = "mark the tool as polling"


_MONEY = ("B2", "B3", "B4", "A1")


def _series(rule: str, name: str, sentence: str, unit: str, limits: Limits) -> Rule:
    return Rule(rule, name, sentence, unit, limits, "series", _QUARTER_NS, is_money=rule in _MONEY)


CATALOGUE: tuple[Rule, ...] = (
    Rule("L1", "Identical call", "The same tool, arguments and result again and again in one run; at the warning's number "
         "already critical once the run has cost a dollar.", "calls", LOOPS["L1"], cure=_POLLING),
    Rule("L2", "Identical call, other results", "The same tool with the same arguments again and again in one run, whatever it answers.",
         "calls", LOOPS["L2"], cure=_POLLING),
    Rule("L3", "Cycle", "Two to eight calls in the same order, over and over.", "rounds", LOOPS["L3"], cure=_POLLING),
    Rule("L4", "Error streak", "A tool fails every time it is called; critical only where it is the same error.", "errors", LOOPS["L4"]),
    Rule("L5", "Repeated thought", "Nine tenths of a thought are those of one of the last five.", "thoughts", LOOPS["L5"]),
    Rule("L6", "No progress", "Thirty calls or more of which too few differ, or more than three times the steps of 99 % of the "
         "agent's finished runs.", "share", LOOPS["L6"]),
    Rule("L7", "Loop across runs", "The same agent, tool and arguments in many runs within 15 minutes: 50, or ten times what 99 % of the "
         "last week's quarters of an hour had.", "calls", Limits(50, 150), "series", _QUARTER_NS, _POLLING),
    Rule("L8", "Fan-out", "A run that starts agents without end, or agents that start each other more than 20 deep.", "agents",
         LOOPS["L8"]),
    Rule("B1", "Run ceiling", "A run near or beyond its budget of tokens, money or steps; that of the project where it has none.",
         "share", CEILINGS, is_money=True),
    _series("B2", "Budget", "The day's or the month's spend as a share of its budget.", "share", Limits(0.5, 1.0)),
    _series("B3", "Burn rate", "Spend as a multiple of what the budget allows, over a long and a short window: 14.4 times over 1 h and "
            "5 min, 6 times over 6 h and 30 min, once over 3 days and 6 h.", "times", Limits(1.0, 6.0)),
    _series("B4", "Spend without a budget", "$10 or ten times the usual in 10 minutes, and $20 or five times in an hour.", "times",
            Limits(1.0, 3.0)),
    Rule("B5", "Costly run", "A run that costs more than $0.50, three times what 99 % of the agent's runs do, and ten times the median; "
         "after 50 finished runs.", "times", Limits(1.0, 3.3), is_money=True),
    _series("A1", "Unusual hour", "An agent's hourly cost, tokens, runs or mean duration far above what this hour of the week has been.",
            "sigma", Limits(4.0, 6.0)),
    _series("A2", "Failing runs", "The share of runs that did not complete is surely above twice, and five points over, what it was in the "
            "last week.", "share", Limits(0.0, 0.5)),
    _series("A3", "Slow drift", "What an agent's runs cost (the median of a day) or take (its 95th percentile) has crept up from day to "
            "day; after 28 days of 20 runs each.", "sigma", DRIFT),
    _series("A4", "Silence", "An agent that should have run 20 times an hour has not run for two hours.", "hours", Limits(2.0, None)),
    Rule("P1", "Leak", "A key, a person's number, an internal address or the project's canary in what a run says or hands to a tool.",
         "leaks", Limits(1, 1)),
    Rule("P2", "First seen", "A tool that the agent never used in 30 days; critical with a leak or an injected instruction in the "
         "same run.", "tools", Limits(1, 1), "series", _QUARTER_NS),
    Rule("P3", "Injected instruction", "An instruction to the model in a tool's answer: information, until something follows from it.",
         "texts", Limits(1, None)),
    Rule("P4", "Unchecked deed", "A call of high impact without a validation, confirmation or look-up before it in the run.", "calls",
         Limits(1, 1)),
    Rule("H1", "Clew itself", "Clew rejects spans, does not read the one it sends itself each minute, cannot keep up, deliver mails, or "
         "evaluate its rules.", "times", Limits(1.0, 5.0), "ourselves"),
)  # fmt: skip
"""All rules, in the order they are shown."""

BY_ID = {rule.id: rule for rule in CATALOGUE}

UNKNOWN_RULE = Rule("?", "Unknown rule", "A rule of another version of Clew.", "", Limits(None, None))


def rule_of(rule_id: str) -> Rule:
    """Return a rule by its id; one of another version is unknown."""
    return BY_ID.get(rule_id, UNKNOWN_RULE)
