"""Reconstructed traces into the rows that the linker stores. Pure: the same trace gives the same rows, whatever stands beside it.

Rows are tuples in the column order of ``derived``, sorted by primary key, so that old and new compare as they are.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from ingest.chain.ledger import ledger_rows
from ingest.chain.signs import Sign, counted, signs_of
from ingest.chain.steps import in_order
from ingest.chain.summary import preview, summarise
from ingest.findings import Finding
from ingest.model import LedgerRow, Option, Run, Step, Totals, Trace, TraceSummary

from .clip import VALUE_BYTES, clip, clip_name, clip_optional, fold
from .derived import finding
from .long_chain import encode_chain
from .tally import Branches, Tally, encode_tally, tally_of

Row = tuple[object, ...]

_MOST = 2**53
"""Bound of every sum in a row, so that no sender's nonsense overflows the sums of sums."""

_LEDGER_TEXTS = 10
"""The dimensions, the session and the user of a ledger row."""

_TEXT_BYTES = 2000


class Derived(msgspec.Struct):
    """Everything one trace says in the derived tables. Rows are by table name."""

    rows: dict[str, list[Row]]
    options: dict[bytes, list[Row]]
    """Option sets by hash, each with its rows."""
    tally: Tally | None = None
    """What stands in the row of ``tally``."""
    branches: list[Row] = []
    signs: list[Row] = []
    """Rows of ``branch_point`` and ``sign``."""


PriceVersion = Callable[[str, str, int], str]
"""Says which price list priced (provider, model, hour); empty for no model."""


Inspect = Callable[[int, Sequence[Run]], Sequence[Sequence[Finding]]]
"""Looks for what is wrong with each of some runs of a project. Total, and a function of the run alone."""


def inspect_nothing(project_id: int, runs: Sequence[Run]) -> Sequence[Sequence[Finding]]:
    """Find nothing."""
    return [()] * len(runs)


def derive(project_id: int, traces: Sequence[Trace], price_version: PriceVersion, inspect: Inspect = inspect_nothing) -> list[Derived]:
    """Return the rows of each trace; one without runs has none. Stage by stage, see ``together``."""
    keys = [(project_id, trace.trace_id) for trace in traces]
    met = [Branches() for _ in traces]
    decided = list(map(_decisions, keys, traces, met))
    lines = list(map(summarise, traces))
    findings = _findings(keys, traces, inspect(project_id, [run for trace in traces for run in trace.runs]))
    signs = [[*signs_of(trace), *map(_sign_of, rows)] for trace, rows in zip(traces, findings, strict=True)]
    tallies = list(map(_tally, traces, lines, signs, met))
    rows: dict[str, list[list[Row]]] = {
        "summary": list(map(_summaries, keys, traces, lines)),
        "run": list(map(_runs, keys, traces)),
        "decision": [made for made, _ in decided],
        "ledger": [_ledger(key, trace, price_version) for key, trace in zip(keys, traces, strict=True)],
        "reference": list(map(_references, keys, traces)),
        "finding": findings,
        "long_chain": list(map(_long_chains, keys, traces)),
        "tally": [[] if one is None else [(*key, encode_tally(one))] for key, one in zip(keys, tallies, strict=True)],
    }
    branches = [_branch_rows(project_id, one) for one in met]
    shown = list(map(_sign_rows, keys, traces, lines, signs))
    return [
        Derived({table: each[place] for table, each in rows.items()}, decided[place][1], tallies[place], branches[place], shown[place])
        for place in range(len(traces))
    ]


def _tally(trace: Trace, line: TraceSummary | None, signs: Sequence[Sign], branches: Branches) -> Tally | None:
    return None if line is None else tally_of(trace, line, counted(signs), branches)


def _summaries(key: Row, trace: Trace, line: TraceSummary | None) -> list[Row]:
    return [] if line is None else [_summary(key, trace, line)]


def _runs(key: Row, trace: Trace) -> list[Row]:
    return [row for _, row in sorted({run.run_id: _run(key, run) for run in trace.runs}.items())]


def _ledger(key: Row, trace: Trace, price_version: PriceVersion) -> list[Row]:
    return [(*key, place, *_ledger_row(entry, price_version)) for place, entry in enumerate(ledger_rows(trace, ""))]


def _long_chains(key: Row, trace: Trace) -> list[Row]:
    kept = encode_chain(trace)
    return [] if kept is None else [(*key, kept)]


_SIGN_SLOTS = 3


def _sign_of(row: Row) -> Sign:
    """Return a finding, by its row, as a sign."""
    named: dict[str, Any] = dict(zip(finding.c.keys(), row, strict=True))
    return Sign(named["agent"], f"finding {named['rule']}", named["run_id"], named["spans"][:8], named["sentence"], failed=True)


def _sign_rows(key: tuple[int, bytes], trace: Trace, line: TraceSummary | None, signs: Iterable[Sign]) -> list[Row]:
    return [] if line is None else [_sign_row(key, trace, sign) for sign in signs]


def _sign_row(key: tuple[int, bytes], trace: Trace, sign: Sign) -> Row:
    started_ns = next((run.started_ns for run in trace.runs if run.run_id == sign.run_id), trace.first_seen_ns)
    slot = key[1][-1] % _SIGN_SLOTS
    place = (key[0], clip_name(sign.agent), clip_name(sign.name), int(sign.failed), slot)
    return (*place, started_ns, key[1], sign.run_id, sign.span_id, clip(sign.words, VALUE_BYTES))


def _branch_rows(project_id: int, branches: Branches) -> list[Row]:
    return [
        (project_id, one.id, one.agent, one.question, one.source, msgspec.json.encode(one.options).decode(), int(one.varies))
        for one in branches.met().values()
    ]


_MOST_FINDINGS = 100
"""Of one trace: one that has more is no worse."""

_SPANS_SHOWN = 7


def _findings(keys: Sequence[Row], traces: Sequence[Trace], by_run: Iterable[Sequence[Finding]]) -> list[list[Row]]:
    """Return the rows of each trace, given what was found in each run of one trace after the other."""
    found = iter(by_run)
    return [_finding_rows(key, trace, [one for _ in trace.runs for one in next(found)]) for key, trace in zip(keys, traces, strict=True)]


def _finding_rows(key: Row, trace: Trace, found: Sequence[Finding]) -> list[Row]:
    return [(*key, place, *_finding(one), trace.last_seen_ns) for place, one in enumerate(found[:_MOST_FINDINGS])]


def _finding(finding: Finding) -> Row:
    return (
        finding.run_id,
        finding.rule,
        finding.severity,
        clip_name(finding.agent),
        clip_name(finding.subject),
        float(finding.observed),
        float(finding.limit),
        finding.since_ns,
        finding.last_ns,
        b"".join(finding.spans[:_SPANS_SHOWN]),
        clip(finding.sentence, VALUE_BYTES),
        clip(finding.detail, VALUE_BYTES),
        None if finding.wasted_nanos is None else _bounded(finding.wasted_nanos),
        finding.wasted_ns,
    )


def _clip_text(text: str | None) -> str | None:
    return None if text is None else clip(text, _TEXT_BYTES)


def _summary(key: Row, trace: Trace, line: TraceSummary) -> Row:
    totals = line.totals
    waits = [run.lost_after_ns for run in trace.runs if run.status == "running" and run.lost_after_ns is not None]
    return (
        *key,
        line.run_id,
        line.started_ns,
        line.ended_ns,
        None if line.ended_ns is None else line.ended_ns - line.started_ns,
        clip_name(line.agent),
        line.status,
        line.termination,
        line.termination_source,
        line.state,
        *map(clip_optional, (line.service, line.version, line.environment, line.session_id, line.user_id)),
        line.span_count,
        line.run_count,
        _bounded((totals.usage.input_tokens or 0) + (totals.usage.output_tokens or 0)),
        *_totals(totals),
        min(waits, default=None),
        _clip_text(line.input),
        _clip_text(line.output),
    )


def _totals(totals: Totals) -> Row:
    usage = totals.usage
    tokens = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens, usage.reasoning_tokens)
    tallies = (totals.unpriced_calls, totals.llm_calls, totals.tool_calls, totals.errors, totals.decisions, totals.steps)
    return (*(None if sum_ is None else _bounded(sum_) for sum_ in (*tokens, totals.cost_nanos)), *tallies)


def _bounded(number: int) -> int:
    return number if -_MOST < number < _MOST else max(-_MOST, min(number, _MOST))


def _run(key: Row, run: Run) -> Row:
    ending = run.termination
    return (
        *key,
        run.run_id,
        run.parent_run_id,
        run.started_ns,
        run.ended_ns,
        clip_name(run.agent),
        run.status,
        ending.reason,
        ending.source,
        _clip_text(preview(ending.detail)),
        *map(clip_optional, (run.service, run.version, run.environment, run.session_id, run.user_id)),
        *_totals(run.totals),
        run.budget_tokens,
        run.budget_nanos,
        run.budget_steps,
        run.lost_after_ns if run.status == "running" else None,
        _clip_text(preview(run.input)),
        _clip_text(preview(run.output)),
    )


def _decisions(key: Row, trace: Trace, branches: Branches) -> tuple[list[Row], dict[bytes, list[Row]]]:
    rows: list[Row] = []
    options: dict[bytes, list[Row]] = {}
    # By identity: reconstruction shares the list between calls that were offered the same, and the trace keeps it alive.
    seen: dict[int, bytes] = {}
    for run in trace.runs:
        for step in in_order(run.steps):
            if step.decision is None:
                continue
            offered = step.decision.alternatives
            set_hash = seen.get(id(offered))
            if set_hash is None:
                set_hash = seen[id(offered)] = option_hash(offered)
                options[set_hash] = _options(key[0], set_hash, offered)
            rows.append((*_decision((*key, len(rows)), run, step, set_hash), branches.of(run.agent, step.decision).id))
    return rows, options


def _decision(key: Row, run: Run, step: Step, set_hash: bytes) -> Row:
    made = step.decision
    assert made is not None
    return (
        *key,
        run.run_id,
        step.span_id,
        step.index,
        step.started_ns,
        clip_name(run.agent),
        clip(made.chosen, VALUE_BYTES),
        made.source,
        _clip_text(preview(made.question)),
        _clip_text(preview(made.because)),
        set_hash,
    )


def option_hash(options: Sequence[Option]) -> bytes:
    """Return the address of a set of options: equal sets, in equal order, have equal addresses."""
    return blake2b(msgspec.msgpack.encode(options), digest_size=8).digest()


def _options(project_id: object, set_hash: bytes, options: Iterable[Option]) -> list[Row]:
    return [
        (project_id, set_hash, place, clip(option.name, VALUE_BYTES), _clip_text(preview(option.because)), option.score)
        for place, option in enumerate(options)
    ]


def _ledger_row(entry: LedgerRow, price_version: PriceVersion) -> Row:
    run_id, hour, *rest = msgspec.structs.astuple(entry)[:-1]
    texts, sums = rest[:_LEDGER_TEXTS], rest[_LEDGER_TEXTS:]
    if max(sums) >= _MOST or min(sums) <= -_MOST:
        sums = list(map(_bounded, sums))
    return (run_id, hour, *map(clip_name, texts), *sums, price_version(entry.provider, entry.model, hour))


def _references(key: Row, trace: Trace) -> list[Row]:
    found: set[tuple[str, str, str]] = set()
    for run in trace.runs:
        if run.session_id:
            found.add(("session", "", run.session_id))
        if run.user_id:
            found.add(("user", "", run.user_id))
        found.update(("reference", name, value) for name, value in run.references.items())
    return sorted({(*key, kind, clip_name(name), clip(value, VALUE_BYTES), fold(value)) for kind, name, value in found})
