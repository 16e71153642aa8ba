"""What a rule would have found: the stored runs and days of the last fortnight, read and judged anew under other thresholds."""

import msgspec
from sqlalchemy import select

from ingest.chain.reconstruct import TraceContext, reconstruct
from ingest.chain.steps import Price
from ingest.findings import Finding
from ingest.store.derived import summary
from ingest.store.engine import Store
from ingest.store.reader import read_traces
from webui.analysis.detectors.catalogue import Rule
from webui.analysis.detectors.drift import DEFAULT as DRIFT
from webui.analysis.detectors.drift import Drift
from webui.analysis.detectors.model import Rules
from webui.analysis.detectors.registry import DETECTORS, inspect

from .days import day_of, drifts_since

DAYS = 14
_DAY_NS = 86_400 * 10**9
MOST_TRACES = 300
_READ_AT_ONCE = 16
_MOST_SPANS = 5_000
"""A giant run is left out: a preview must answer while somebody waits."""

_PER_CALL = ("L1", "L2", "L3", "L4", "L6")
"""Rules about tool calls: who made fewer than three cannot break them."""


class Preview(msgspec.Struct, frozen=True):
    """What a rule would have done: how often it would have fired, on which runs, and how many runs that is from."""

    rule: str
    found: tuple[tuple[bytes, Finding], ...]
    looked: int
    of: int
    """How many runs there are; the newest were looked at."""
    drifts: tuple[Drift, ...] = ()
    """What it would have found in days rather than runs."""


class Question(msgspec.Struct, frozen=True):
    """What is asked: a rule under certain rules, of one agent (or all, where empty) of a project."""

    project_id: int
    rule: str
    agent: str
    rules: Rules


def can_preview(rule: Rule) -> bool:
    """Tell whether it can be said what a rule would have found: of those that look at single runs, and of drift."""
    return rule.id == "A3" or any(rule.id == one for one, _ in DETECTORS)


def preview(store: Store, question: Question, price: Price, now_ns: int) -> Preview:
    """Return what a rule would have found in the last fourteen days; at most 300 runs are looked at, the newest first.

    Nothing of rules of which ``can_preview`` is false.
    """
    if question.rule == "A3":
        return _preview_drift(store, question, now_ns)
    keys, total = _candidates(store, question, now_ns)
    found: list[tuple[bytes, Finding]] = []
    unreadable: list[bytes] = []
    for start in range(0, len(keys), _READ_AT_ONCE):
        with store.engine.connect() as conn:
            traces = read_traces(conn, question.project_id, keys[start : start + _READ_AT_ONCE], unreadable)
        for trace_id, stored in traces:
            context = TraceContext(trace_id, stored.first_seen_ns, stored.last_seen_ns, now_ns, price)
            for run in reconstruct(stored.spans, context).runs:
                if not question.agent or run.agent == question.agent:
                    found += [(trace_id, one) for one in inspect(run, question.rules) if one.rule == question.rule]
    return Preview(question.rule, tuple(found), len(keys) - len(unreadable), total)


def _preview_drift(store: Store, question: Question, now_ns: int) -> Preview:
    limit = question.rules.limits.get("A3", DRIFT).warning
    today = day_of(now_ns)
    with store.engine.connect() as conn:
        drifts = drifts_since(conn, question.project_id, range(today - DAYS, today), lambda agent: limit, question.agent)
        return Preview(question.rule, (), 0, 0, tuple(drifts))


def _candidates(store: Store, question: Question, now_ns: int) -> tuple[list[bytes], int]:
    s = summary.c
    recent = s.started_ns >= now_ns - DAYS * _DAY_NS
    wanted = select(s.trace_id, s.tool_calls, s.span_count).where(s.project_id == question.project_id, recent)
    if question.agent:
        wanted = wanted.where(s.agent == question.agent)
    with store.engine.connect() as conn:
        rows = conn.execute(wanted.order_by(s.started_ns.desc()).limit(20_000)).all()
    least = 3 if question.rule in _PER_CALL else 0
    fit = [bytes(row.trace_id) for row in rows if row.tool_calls >= least and row.span_count <= _MOST_SPANS]
    return fit[:MOST_TRACES], len(rows)
