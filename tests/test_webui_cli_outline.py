"""A trace as text, whatever its shape: deep, circular, or without a run."""

from collections.abc import Sequence

from ingest.model import Decision, Option, Run, Step, Termination, ToolCall, Totals, Trace
from webui.cli.outline import MOST_CHARS, Line, cut, outline_trace
from webui.cli.trace import text_of

from .builders import SECOND, T0, TRACE_ID, span_id


def step(number: int, kind: str = "tool", **fields: object) -> Step:
    """Build a step of one second."""
    return Step(span_id(number), kind, f"step {number}", T0, T0 + SECOND, index=number, **fields)  # type: ignore[arg-type]  # any field


def a_run(number: int, steps: Sequence[Step], parent: int | None = None) -> Run:
    """Build a run that completed."""
    parent_id = None if parent is None else span_id(parent)
    return Run(
        span_id(number), parent_id, f"agent {number}", T0, T0 + SECOND, "ok", Termination("completed", "inferred"), Totals(), list(steps)
    )


def a_trace(runs: Sequence[Run], orphans: Sequence[Step] = ()) -> Trace:
    """Build a trace."""
    return Trace(TRACE_ID, "complete", 1, 0, 0, 0, 0, T0, T0, list(runs), list(orphans))


def texts(lines: Sequence[Line]) -> list[str]:
    """Return the words of lines of a kind that tests look at."""
    return [line.text.split(" UTC")[0] for line in lines if line.style in ("run", "step", "ok")]


def test_a_chain_of_any_depth_is_written() -> None:
    """Ten thousand levels are ten thousand lines, indented up to a bound."""
    deepest = step(10_000)
    for number in range(9_999, 0, -1):
        deepest = step(number, children=[deepest])
    lines = list(outline_trace(a_trace([a_run(1, [deepest])])))
    assert sum(line.style == "step" for line in lines) == 10_000
    assert max(line.depth for line in lines) < 20


def test_a_run_inside_a_run_stands_at_its_step() -> None:
    """The steps of a called agent stand below the step that called it, and its end after them."""
    inner = a_run(20, [step(21)], parent=1)
    outer = a_run(1, [step(20, "agent", run_id=span_id(20)), step(3)])
    said = texts(list(outline_trace(a_trace([inner, outer]))))
    assert said == [
        "agent 1", " 20 agent step 20", " 21 tool step 21", "stopped: completed (inferred)",
        "  3 tool step 3", "stopped: completed (inferred)",
    ]  # fmt: skip


def test_every_run_is_written_once() -> None:
    """Runs that name each other in a circle, or that no step leads to, are neither lost nor repeated."""
    circle = [a_run(1, [step(2, "agent", run_id=span_id(2))], parent=2), a_run(2, [step(1, "agent", run_id=span_id(1))], parent=1)]
    lost = a_run(3, [step(33)], parent=1)
    said = texts(list(outline_trace(a_trace([*circle, lost], [step(44)]))))
    ends = "stopped: completed (inferred)"
    assert said[:5] == ["agent 1", "  2 agent step 2", "  1 agent step 1", ends, ends]
    assert said[5:] == ["agent 3", " 33 tool step 33", ends, "steps of no run", " 44 tool step 44"]


def test_a_decision_shows_the_roads_not_taken() -> None:
    """What was chosen, over what, and why; a failed tool shows its error."""
    chosen = Decision("refund", "declared", "what now?", None, [Option("refund", "within policy"), Option("escalate")])
    failed = step(2, status="error", tool=ToolCall("refund", arguments={"id": 7}, error="declined"))
    lines = [text_of(line) for line in outline_trace(a_trace([a_run(1, [step(1, "decision", decision=chosen), failed])]))]
    assert "      decision (declared): what now? chose refund over escalate" in lines
    assert "        because: within policy" in lines
    assert '    2 tool refund({"id":7})  [1.00 s]' in lines
    assert "      error: declined" in lines


def test_long_texts_are_cut_and_say_so() -> None:
    """A text beyond the bound ends with how long it is."""
    assert cut("x" * MOST_CHARS) == "x" * MOST_CHARS
    assert cut("x" * (MOST_CHARS + 1)).endswith(f"x… ({MOST_CHARS + 1:,} characters)")
