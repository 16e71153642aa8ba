"""Clew's SDK: record what an agent does, decides and spends, as plain OpenTelemetry spans. Everything public is here.

With nothing configured every call does nothing, at next to no cost; budgets hold all the same.
"""

from .anthropic import instrument_anthropic
from .calls import llm_call
from .configure import configure, flush
from .guard import Budget, BudgetExhausted, RunStopped
from .propagation import inject
from .records import record
from .runs import agent_run, current_run
from .steps import decision, handoff, plan, retrieval, step
from .termination import TerminationReason
from .tools import tool

__all__ = [
    "Budget",
    "BudgetExhausted",
    "RunStopped",
    "TerminationReason",
    "agent_run",
    "configure",
    "current_run",
    "decision",
    "flush",
    "handoff",
    "inject",
    "instrument_anthropic",
    "llm_call",
    "plan",
    "record",
    "retrieval",
    "step",
    "tool",
]
