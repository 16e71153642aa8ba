"""A trace in one line, for lists."""

from ingest.model import Trace, TraceSummary

from .reconstruct import settled_state
from .totals import add_totals

PREVIEW_CHARS = 300


def summarise(trace: Trace) -> TraceSummary | None:
    """Return the line of a trace: its first top run speaks for it, totals cover all its top runs. None without runs."""
    tops = [run for run in trace.runs if run.parent_run_id is None]
    if not tops:
        return None
    first = tops[0]
    ends = [run.ended_ns for run in tops]
    return TraceSummary(
        trace_id=trace.trace_id,
        run_id=first.run_id,
        agent=first.agent,
        service=first.service,
        version=first.version,
        environment=first.environment,
        session_id=first.session_id,
        user_id=first.user_id,
        started_ns=min(run.started_ns for run in tops),
        ended_ns=max(end for end in ends if end is not None) if None not in ends else None,
        status="running" if any(run.status == "running" for run in tops) else first.status,
        termination=first.termination.reason,
        termination_source=first.termination.source,
        state=settled_state(trace),
        input=preview(first.input),
        output=preview(first.output),
        span_count=trace.span_count,
        run_count=len(trace.runs),
        totals=first.totals if len(tops) == 1 else add_totals([run.totals for run in tops]),
    )


def preview(text: str | None) -> str | None:
    """Cut a text to what a list shows."""
    return text if text is None or len(text) <= PREVIEW_CHARS else text[: PREVIEW_CHARS - 1] + "…"
