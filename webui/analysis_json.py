"""What analyses of many runs, or of two, say in the API's JSON."""

from ingest.model import Trace
from ingest.store.people import People, PersonKind
from webui.analysis.compare import Comparison
from webui.analysis.decisions import BranchStats
from webui.analysis.differences import Pair
from webui.analysis.nearest import Nearest
from webui.analysis.readiness import Judgement
from webui.analysis.sequence import Side
from webui.analysis.tools import ToolStats

from .api_json import Json, duration_ms, summary_json, timestamp, usd
from .reads_analysis import Days


def nearest_json(trace_id: bytes, found: list[Nearest]) -> Json:
    """Return the nearest successful runs of a run."""
    items = [summary_json(one.summary) | {"likeness": one.likeness, "why": list(one.why)} for one in found]
    return {"trace_id": trace_id.hex(), "nearest": items[0] if items else None, "items": items, "next": None}


def comparison_json(found: Comparison) -> Json:
    """Return two runs, aligned."""
    first = found.pairs[found.first] if found.first is not None else None
    return {
        "a": _run_json(found.a),
        "b": _run_json(found.b),
        "verdict": "no_material_difference" if first is None else "diverged",
        "first_divergence": _pair_json(found.first, first) if found.first is not None and first is not None else None,
        "shows_at": found.shows,
        "inputs_that_differed": [
            {"kind": one.kind, "a": one.a, "b": one.b, "path": one.path or None, "pair": one.pair} for one in found.inputs
        ],
        "pairs": [_pair_json(n, pair) for n, pair in enumerate(found.pairs)],
        "truncated": found.truncated,
    }


def _run_json(trace: Trace) -> Json:
    run = next(iter(trace.runs), None)
    if run is None:
        return {"trace_id": trace.trace_id.hex()}
    return {
        "trace_id": trace.trace_id.hex(),
        "run_id": run.run_id.hex(),
        "agent": run.agent,
        "version": run.version,
        "environment": run.environment,
        "started_at": timestamp(run.started_ns),
        "duration_ms": duration_ms(run.started_ns, run.ended_ns),
        "status": run.status,
        "termination": {"reason": run.termination.reason, "source": run.termination.source},
        "cost_usd": usd(run.totals.cost_nanos),
        "step_count": run.totals.steps,
    }


def _pair_json(n: int, pair: Pair) -> Json:
    return {
        "pair": n,
        "a": _side_json(pair.a),
        "b": _side_json(pair.b),
        "differences": [
            {"what": one.what, "path": one.path or None, "a": one.a, "b": one.b, "material": one.material} for one in pair.differences
        ],
    }


def _side_json(side: Side | None) -> Json | None:
    if side is None:
        return None
    step = side.step
    return {
        "index": step.index,
        "span_id": step.span_id.hex(),
        "run_id": side.run.run_id.hex(),
        "agent": side.run.agent,
        "kind": step.kind,
        "name": side.name,
        "status": step.status,
        "duration_ms": duration_ms(step.started_ns, None if step.is_open else step.ended_ns),
        "cost_usd": usd(step.cost_nanos),
    }


def tools_json(found: list[ToolStats], days: Days) -> Json:
    """Return tools with their figures."""
    items = [
        {
            "tool": one.name,
            "calls": one.calls,
            "errors": one.failed,
            "p50_ms": _ms(one.p50_ns),
            "p95_ms": _ms(one.p95_ns),
            "cost_usd": usd(one.cost_nanos),
            "repeated_calls": one.repeats,
            "wasted_ms": _ms(one.wasted_ns),
            "wasted_usd": usd(one.wasted_nanos),
            "agents": [{"agent": agent, "calls": calls} for agent, calls in one.agents],
            "argument_shapes": [{"shape": shape.shape, "calls": shape.calls, "errors": shape.failed} for shape in one.shapes],
        }
        for one in found
    ]
    return {"items": items, "next": None} | _days_json(days)


def _ms(length_ns: int | None) -> float | None:
    return None if length_ns is None else length_ns // 1000 / 1000


def _days_json(days: Days) -> Json:
    return {"from": timestamp(days.from_ns), "to": timestamp(days.to_ns)}


def decisions_json(found: list[BranchStats], days: Days) -> Json:
    """Return branch points with how often each option was taken and how that ended."""
    items = [
        {
            "branch": one.branch.id,
            "agent": one.branch.agent,
            "question": one.branch.question or None,
            "source": one.branch.source,
            "options_vary": one.branch.varies,
            "decisions": one.decisions,
            "completed_share": round(one.completed, 4),
            "options": [
                {
                    "name": option.name,
                    "chosen": option.times,
                    "share": round(option.share, 4),
                    "completed_share": None if option.completed is None else round(option.completed, 4),
                    "endings": [{"termination": reason, "decisions": number} for reason, number in option.endings],
                }
                for option in one.options
            ],
        }
        for one in found
    ]
    return {"items": items, "next": None} | _days_json(days)


def people_json(kind: PersonKind, found: People, days: Days) -> Json:
    """Return sessions or users; ``complete_from`` is since when all of their runs are added up."""
    items = [
        {
            "kind": kind,
            "name": who.name,
            "traces": who.traces,
            "terminations": who.endings,
            "agents": who.agents,
            "first_started_at": timestamp(who.first_ns),
            "last_started_at": timestamp(who.last_ns),
            "tokens": who.tokens,
            "cost_usd": usd(who.cost_nanos),
            "unpriced_calls": who.unpriced_calls,
            "errors": who.errors,
        }
        for who in found.people
    ]
    since_ns = days.from_ns if found.read_since_ns is None else found.read_since_ns
    return {"items": items, "next": None, "complete_from": timestamp(since_ns), "to": timestamp(days.to_ns)}


def readiness_json(found: dict[str, list[Judgement]], days: Days) -> Json:
    """Return the checklist of each agent, with the spans that show it."""
    items = [
        {
            "agent": agent,
            "items": [
                {
                    "id": one.item.id,
                    "title": one.item.title,
                    "status": one.verdict.status.replace(" ", "_"),
                    "why": one.verdict.words,
                    "evidence": [
                        {
                            "trace_id": example.trace_id.hex(),
                            "run_id": example.run_id.hex(),
                            "span_id": example.span_id.hex() or None,
                            "started_at": timestamp(example.started_ns),
                            "words": example.words,
                        }
                        for example in one.examples
                    ],
                }
                for one in judged
            ],
        }
        for agent, judged in found.items()
    ]
    return {"items": items, "next": None} | _days_json(days)
