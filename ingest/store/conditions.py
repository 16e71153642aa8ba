"""Filters into SQL: what a condition on a trace, its steps or its decisions means in the tables."""

import operator
from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Exists, and_, exists, false, func, or_, select, true, tuple_

from .clip import clip, fold
from .derived import decision, ledger, option_set, reference, summary
from .query import And, Chose, Comparison, Filter, Not, Or, StepMatch, UnknownField, Value
from .schema import span
from .search import phrase, steps_with, traces_with

Condition = ColumnElement[bool]

_TEXTS: dict[str, Column[Any]] = {
    "agent": summary.c.agent, "service": summary.c.service, "environment": summary.c.environment, "version": summary.c.version,
    "status": summary.c.status, "termination": summary.c.termination, "session": summary.c.session_id, "user": summary.c.user_id,
    "input": summary.c.input, "output": summary.c.output,
}  # fmt: skip

_NUMBERS: dict[str, tuple[ColumnElement[int], float]] = {
    "started": (summary.c.started_ns, 1), "duration_ms": (summary.c.duration_ns, 1e6), "steps": (summary.c.steps, 1),
    "llm_calls": (summary.c.llm_calls, 1), "tool_calls": (summary.c.tool_calls, 1), "errors": (summary.c.errors, 1),
    "decisions": (summary.c.decisions, 1), "tokens": (summary.c.tokens, 1), "input_tokens": (summary.c.input_tokens, 1),
    "output_tokens": (summary.c.output_tokens, 1), "cost_usd": (summary.c.cost_nanos, 1e9),
}  # fmt: skip
"""Columns of numbers, and how many of their units one of the filter's is."""

_STEP_TEXTS: dict[str, Column[Any]] = {
    "name": span.c.name, "service": span.c.service, "model": span.c.model, "tool.name": span.c.tool_name,
}  # fmt: skip
_STEP_NUMBERS: dict[str, tuple[ColumnElement[int], float]] = {
    "started": (span.c.start_ns, 1), "duration_ms": (span.c.end_ns - span.c.start_ns, 1e6),
}  # fmt: skip
_STEP_SEARCHED = {"thought": "thought", "input": "input", "output": "output", "tool.text": "tool", "tool.error": "error", "error": "error"}
_SPAN_KINDS_OF = {"retrieval": ("retrieval", "embedding", "rerank"), "other": ("other", "chain", "evaluator", "prompt", "part")}
_FAILED = 2

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip

NEWEST_HITS = 2_000
"""A text condition on a trace looks at so many of the newest steps that hold the words,"""

NEWEST_STEPS = 400
"""and one inside ``any step`` at so many."""

RARE_CHOICES = 2_000
"""An option chosen no more often than this is looked up from its decisions."""

_LARGEST = 2**63 - 1


class Conditions:
    """Compiles filters for one project. A connection is needed where steps are searched for text."""

    def __init__(self, conn: Connection, project_id: int) -> None:
        self._conn = conn
        self._project_id = project_id

    def of_trace(self, asked: Filter) -> Condition:
        """Return the condition on rows of ``summary``. Raises ``UnknownField``."""
        if isinstance(asked, StepMatch):
            return self._step_match(asked.condition)
        if isinstance(asked, Chose):
            return self._chose(asked)
        return _joined(asked, self.of_trace, self._trace_comparison)

    def _trace_comparison(self, asked: Comparison) -> Condition:
        field = asked.field
        if field in _NUMBERS:
            return _compare_number(*_NUMBERS[field], asked)
        if field in ("thought", "input", "output") and (field not in _TEXTS or asked.op == "contains"):
            return _negatable(asked, lambda value: self._says(field, value))
        if field in _TEXTS:
            return _compare_text(_TEXTS[field], asked)
        if field in ("model", "provider"):
            return _negatable(asked, lambda value: self._billed(ledger.c[field], asked.op, value))
        if field in ("tool", "failed_tool"):
            return _negatable(asked, lambda value: self._called(asked.op, value, failed=field == "failed_tool"))
        if field.startswith("reference."):
            return _negatable(asked, lambda value: self._referred(field.removeprefix("reference."), asked.op, value))
        raise UnknownField(f"traces have no field {field}")

    def _says(self, field: str, value: str) -> Condition:
        terms = phrase(value)
        if not terms:
            return false()
        return summary.c.trace_id.in_(traces_with(self._conn.dialect.name, self._project_id, terms, field, NEWEST_HITS))

    def _billed(self, column: Column[Any], op: str, value: str) -> Exists:
        rows = exists().where(ledger.c.project_id == self._project_id, ledger.c.trace_id == summary.c.trace_id)
        return rows.where(_contains(column, value) if op == "contains" else column == clip(value))

    def _called(self, op: str, value: str, *, failed: bool) -> Condition:
        rows = self._billed(ledger.c.tool, op, value)
        return rows.where(ledger.c.errors > 0) if failed else rows

    def _referred(self, name: str, op: str, value: str) -> Condition:
        of_project = and_(reference.c.project_id == self._project_id, reference.c.kind == "reference")
        named = select(reference.c.trace_id).where(of_project, reference.c.name == clip(name))
        if op == "contains":
            return summary.c.trace_id.in_(named.where(_contains(reference.c.folded, fold(value))))
        return summary.c.trace_id.in_(named.where(reference.c.folded == fold(value), reference.c.value == value))

    def _chose(self, asked: Chose) -> Condition:
        meets = [decision.c.project_id == self._project_id]
        if asked.chosen is not None:
            meets.append(decision.c.chosen == asked.chosen)
        if asked.branch is not None:
            meets.append(decision.c.branch == asked.branch)
        if asked.over is not None:
            offered = exists().where(option_set.c.project_id == self._project_id, option_set.c.set_hash == decision.c.set_hash)
            meets += [decision.c.chosen != asked.over, offered.where(option_set.c.name == asked.over)]
        if asked.chosen is not None and self._is_rare(asked.chosen):
            return summary.c.trace_id.in_(select(decision.c.trace_id).where(*meets))
        # What is chosen every day is met by most traces: the newest are tried one by one instead of listing all that match.
        return exists().where(decision.c.trace_id == summary.c.trace_id, *meets)

    def _is_rare(self, chosen: str) -> bool:
        of_choice = select(decision.c.place).where(decision.c.project_id == self._project_id, decision.c.chosen == chosen)
        return len(self._conn.execute(of_choice.limit(RARE_CHOICES + 1)).all()) <= RARE_CHOICES

    def _step_match(self, asked: Filter) -> Condition:
        meets = and_(span.c.project_id == self._project_id, self._of_step(asked))
        if is_narrow(asked):
            # Few steps hold the words: their traces are found from them, not the other way round.
            return summary.c.trace_id.in_(select(span.c.trace_id).where(meets))
        return exists().where(span.c.trace_id == summary.c.trace_id, meets)

    def _of_step(self, asked: Filter) -> Condition:
        return _joined(asked, self._of_step, self._step_comparison)

    def _step_comparison(self, asked: Comparison) -> Condition:
        field = asked.field
        if field in _STEP_NUMBERS:
            return _compare_number(*_STEP_NUMBERS[field], asked)
        if field in _STEP_TEXTS:
            return _compare_text(_STEP_TEXTS[field], asked)
        if field == "kind":
            return _negatable(asked, lambda value: span.c.kind.in_(_SPAN_KINDS_OF.get(value, (value,))))
        if field == "status":
            return _negatable(asked, lambda value: span.c.status_code == _FAILED if value == "error" else span.c.status_code != _FAILED)
        if field in _STEP_SEARCHED:
            return _negatable(asked, lambda value: self._step_says(field, value))
        raise UnknownField(f"steps have no field {field}")

    def _step_says(self, field: str, value: str) -> Condition:
        terms = phrase(value)
        if not terms:
            return false()
        hits = steps_with(self._conn.dialect.name, self._project_id, terms, _STEP_SEARCHED[field], NEWEST_STEPS)
        said = tuple_(span.c.trace_id, span.c.span_id).in_(hits)
        return and_(said, span.c.tool_name.is_not(None)) if field.startswith("tool.") else said


def is_narrow(asked: Filter) -> bool:
    """Tell whether few traces or steps can meet a condition, so that they are better found first and sorted then."""
    if isinstance(asked, And):
        return any(map(is_narrow, asked.parts))
    if isinstance(asked, StepMatch):
        return is_narrow(asked.condition)
    if not isinstance(asked, Comparison) or asked.op not in ("=", "contains"):
        return False
    return asked.field in _STEP_SEARCHED or asked.field.startswith("reference.")


def _joined(asked: Filter, part: Callable[[Filter], Condition], single: Callable[[Comparison], Condition]) -> Condition:
    if isinstance(asked, And):
        return and_(true(), *map(part, asked.parts))
    if isinstance(asked, Or):
        return or_(false(), *map(part, asked.parts))
    if isinstance(asked, Not):
        # Not NOT: what is unknown does not hold, so that its negation does.
        return part(asked.part).is_not(true())
    if isinstance(asked, Comparison):
        return single(asked)
    raise UnknownField(f"{type(asked).__name__} does not stand inside a step's condition")


def _values(asked: Comparison) -> tuple[Value, ...]:
    return asked.value if isinstance(asked.value, tuple) else (asked.value,)


def _negatable(asked: Comparison, holds: Callable[[str], Condition]) -> Condition:
    """Compile what can only hold or not: ``=`` and ``contains``, their negation, and any of several values."""
    if asked.op not in ("=", "!=", "in", "contains"):
        raise UnknownField(f"{asked.field} has no order: {asked.op} does not apply")
    found = or_(false(), *(holds(str(value)) for value in _values(asked)))
    return found.is_not(true()) if asked.op == "!=" else found


def _compare_text(column: Column[Any], asked: Comparison) -> Condition:
    values = [clip(str(value)) for value in _values(asked)]
    if asked.op == "contains":
        return _contains(column, str(asked.value))
    if asked.op == "!=":
        return column.is_distinct_from(values[0])
    if asked.op in _COMPARE:
        compared: Condition = _COMPARE[asked.op](column, values[0])
        return compared
    return column.in_(values)


def _contains(column: Column[Any], value: str) -> Condition:
    return func.lower(column).contains(value.lower(), autoescape=True)


def _compare_number(column: ColumnElement[int], scale: float, asked: Comparison) -> Condition:
    if asked.op == "contains":
        raise UnknownField(f"{asked.field} is a number: contains does not apply")
    values = [_scaled(value, scale) for value in _values(asked)]
    if asked.op == "!=":
        return column.is_distinct_from(values[0])
    if asked.op in _COMPARE:
        compared: Condition = _COMPARE[asked.op](column, values[0])
        return compared
    return column.in_(values)


def _scaled(value: Value, scale: float) -> int | float:
    """Return a number in the column's unit. Parts of what is counted in ones stay: more than 1.5 calls are two."""
    if isinstance(value, str):
        raise UnknownField(f"{value!r} is no number")
    number = value if scale == 1 else round(value * scale)
    return max(-_LARGEST, min(number, _LARGEST))
