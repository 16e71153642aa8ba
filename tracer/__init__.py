"""Clew's SDK: record what an agent does, decides and spends, as plain OpenTelemetry spans. Everything public is here.

With nothing configured every call does nothing, at next to no cost; budgets hold all the same.
"""

from .configure import configure, flush
from .instruments.anthropic import instrument_anthropic
from .recording.calls import llm_call
from .recording.guard import Budget, BudgetExhausted, RunStopped
from .recording.propagation import inject
from .recording.records import record
from .recording.runs import agent_run, current_run
from .recording.steps import decision, handoff, plan, retrieval, step
from .recording.termination import TerminationReason
from .recording.tools import tool

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
