"""The bill of a trace: one row per run, hour, model, tool and operation, summed over leaf calls only."""

from collections.abc import Iterable, Sequence
from typing import Any

from ingest.model import LedgerRow, Run, Step, Trace

from .steps import in_order
from .totals import is_unpriced

HOUR_NS = 3_600_000_000_000

_Key = tuple[int, str, str, str, str]
"""hour, model, provider, tool, operation"""


def ledger_rows(trace: Trace, price_version: str) -> list[LedgerRow]:
    """Return the trace's ledger rows. What lies outside of any run is billed to the first run, or to none without runs."""
    rows: list[LedgerRow] = []
    for place, run in enumerate(trace.runs):
        outside = trace.orphan_steps if place == 0 else ()
        rows.extend(_rows_of(run, (*run.steps, *outside), price_version))
    return rows


def _rows_of(run: Run, steps: Sequence[Step], price_version: str) -> Iterable[LedgerRow]:
    entries: dict[_Key, list[int]] = {}
    for step in in_order(steps):
        key = _key(step)
        if key is None:
            continue
        sums = entries.get(key)
        if sums is None:
            entries[key] = sums = [0] * 11
        _add(sums, step)
    first_hour: dict[tuple[str, ...], int] = {}
    for hour, *rest in entries:
        first_hour[tuple(rest)] = min(hour, first_hour.get(tuple(rest), hour))
    yield _row(run, (run.started_ns // HOUR_NS, "", "", "", "run"), [0] * 10 + [_duration(run)], 1, price_version)
    for key, sums in sorted(entries.items()):
        yield _row(run, key, sums, int(first_hour[key[1:]] == key[0]), price_version)


def _key(step: Step) -> _Key | None:
    hour = step.started_ns // HOUR_NS
    if step.tool is not None:
        return (hour, "", "", step.tool.name, step.operation or "execute_tool")
    if step.usage is not None or step.cost_nanos is not None or step.kind == "llm":
        return (hour, step.model or "unknown", step.provider or "", "", step.operation or step.kind)
    return None


def _add(sums: list[int], step: Step) -> None:
    kind, usage = step.kind, step.usage
    if kind == "llm":
        sums[0] += 1
    elif kind == "tool":
        sums[1] += 1
    if step.status == "error":
        sums[2] += 1
    if usage is not None:
        read, write = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
        reasoning = usage.reasoning_tokens or 0
        # The parts are clamped to their whole, so that no sender's nonsense makes a class negative.
        sums[3] += max((usage.input_tokens or 0) - read - write, 0)
        sums[4] += read
        sums[5] += write
        sums[6] += max((usage.output_tokens or 0) - reasoning, 0)
        sums[7] += reasoning
        sums[9] += is_unpriced(step)
    sums[8] += step.cost_nanos or 0
    sums[10] += step.ended_ns - step.started_ns


def _duration(run: Run) -> int:
    return (run.ended_ns or run.started_ns) - run.started_ns


def _row(run: Run, key: _Key, sums: list[int], runs: int, price_version: str) -> LedgerRow:
    hour, model, provider, tool, operation = key
    identity = (run.run_id, hour, run.agent, model, provider, tool, operation, run.service or "", run.environment or "")
    ending = (run.termination.reason, run.session_id or "", run.user_id or "")
    values: tuple[Any, ...] = (*identity, *ending, runs, *sums, price_version)
    return LedgerRow(*values)
