"""A trace for a coding agent: its outline a page at a time, and one step whole, a piece at a time."""

from collections.abc import Iterator, Sequence

from ingest.model import Decision, Span, Step, Trace
from webui.api_json import dump, span_json, timestamp
from webui.format import duration, money
from webui.pages.steps import compact_json

from .errors import CliError
from .mcp_fence import MOST_CHARS, Data
from .outline import Line, outline_trace, title_of

_INDENT = "  "
_ENTRY_CHARS = 400
_PAGE_CHARS = MOST_CHARS - 2_000
_HEAD_SHARE = 0.6
"""Of the first page for the beginning; the rest shows the end, which is where a run that got lost says why it stopped."""
_PIECE_CHARS = MOST_CHARS - 1_000


def outline_page(trace: Trace, start: int) -> Data:
    """Return the entries of a trace from one on; the first page of a long one has both its ends."""
    entries = [_entry(line) for line in outline_trace(trace)]
    if start > 1:
        if start > len(entries):
            raise CliError(f"This trace has {len(entries):,} entries: start is at most that.")
        shown = _fitting(entries[start - 1 :], _PAGE_CHARS)
        return _page(shown, start, len(entries))
    head = _fitting(entries, _PAGE_CHARS)
    if len(head) == len(entries):
        return Data(head, after=_HOW)
    head = _fitting(entries, round(_PAGE_CHARS * _HEAD_SHARE))
    tail = _fitting(entries[len(head) : -1][::-1], round(_PAGE_CHARS * (1 - _HEAD_SHARE)) - len(entries[-1]))[::-1]
    left = len(entries) - len(head) - len(tail) - 1
    gap = [f"… {left:,} entries left out here, from {len(head) + 1}: ask with start={len(head) + 1} …"] if left else []
    return Data([*head, *gap, *tail, entries[-1]], f"Both ends of {len(entries):,} entries.", _HOW)


_HOW = "The tool step shows one step whole, by the id in its brackets."


def _page(shown: list[str], start: int, whole: int) -> Data:
    end = start + len(shown) - 1
    following = f" Ask with start={end + 1} for the next." if end < whole else ""
    return Data(shown, f"Entries {start:,} to {end:,} of {whole:,}.{following}", _HOW)


def _entry(line: Line) -> str:
    lead = _INDENT * line.depth
    text = line.text if len(line.text) <= _ENTRY_CHARS else f"{line.text[:_ENTRY_CHARS]}… ({len(line.text):,} characters)"
    about = ", ".join(part for part in (line.span_id.hex() if line.span_id else "", line.note) if part)
    return lead + text.rstrip().replace("\n", f"\n{lead}{_INDENT}") + (f"  [{about}]" if about else "")


def _fitting(entries: Sequence[str], room: int) -> list[str]:
    """Return the first entries that fit, one at least."""
    kept: list[str] = []
    for entry in entries:
        room -= len(entry) + 1
        if room < 0 and kept:
            break
        kept.append(entry)
    return kept


def find_step(trace: Trace, asked: str) -> Step:
    """Return a step by its span id, or by its number in the trace's first run. Raises ``CliError``."""
    text = asked.strip().lower()
    if text.isdecimal() and len(text) < 10:
        first = trace.runs[0].steps if trace.runs else trace.orphan_steps
        found = next((step for step in _walk(first) if step.index == int(text)), None)
    else:
        every = [*(step for run in trace.runs for step in run.steps), *trace.orphan_steps]
        found = next((step for step in _walk(every) if step.span_id.hex() == text), None)
    if found is None:
        raise CliError("This trace has no such step: give the number at its beginning or the id in its brackets, as outline shows them.")
    return found


def _walk(steps: Sequence[Step]) -> Iterator[Step]:
    # A stack instead of recursion, since nothing bounds how deep spans lie.
    stack = list(reversed(steps))
    while stack:
        step = stack.pop()
        yield step
        stack.extend(reversed(step.children))


def step_piece(step: Step, span: Span | None, offset: int) -> Data:
    """Return all there is of a step, as understood and then as stored, from a character on."""
    text = "\n".join(_step_lines(step, span))
    if offset and offset >= len(text):
        raise CliError(f"This step has {len(text):,} characters: offset is below that.")
    end = min(offset + _PIECE_CHARS, len(text))
    before = f"Characters {offset:,} to {end:,} of {len(text):,}." if offset or end < len(text) else ""
    after = f"Ask with offset={end} for what follows." if end < len(text) else ""
    return Data(_short_lines(text[offset:end]), before, after)


def _short_lines(text: str) -> list[str]:
    """Return lines that no bound of a line cuts."""
    return [line[at : at + 1_900] for line in text.split("\n") for at in range(0, max(len(line), 1), 1_900)]


def _step_lines(step: Step, span: Span | None) -> Iterator[str]:
    yield f"step {step.index}, {step.kind} {step.name}, {step.status}, span {step.span_id.hex()}"
    yield f"  {timestamp(step.started_ns)}, {duration(step.ended_ns - step.started_ns)}{', still open' if step.is_open else ''}"
    for name, value in _facts(step):
        if value:
            yield f"{name}: {value}"
    if step.decision is not None:
        yield from _decision_lines(step.decision)
    if span is not None:
        yield "the span as it is stored:"
        yield dump(span_json(span)).decode("utf-8", "replace")


def _facts(step: Step) -> Iterator[tuple[str, str | None]]:
    yield "model", " ".join(part for part in (step.provider, step.model) if part)
    yield "finish reason", step.finish_reason
    yield "tokens", dump({name: getattr(step.usage, name) for name in step.usage.__struct_fields__}).decode() if step.usage else None
    yield "cost", f"{money(step.cost_nanos)} ({step.cost_source})" if step.cost_nanos is not None else None
    yield "thought", step.thought
    yield "asked", step.input
    if step.tool is not None:
        yield "call", title_of(step)
        yield "result", step.tool.result if isinstance(step.tool.result, str | None) else compact_json(step.tool.result)
    yield "answered", step.output
    yield "error", (step.tool.error if step.tool is not None else None) or step.error


def _decision_lines(decision: Decision) -> Iterator[str]:
    yield f"decision ({decision.source}): {decision.question or ''} chose {decision.chosen}"
    if decision.because:
        yield f"  because: {decision.because}"
    for option in decision.alternatives:
        score = f", score {option.score:g}" if option.score is not None else ""
        yield f"  offered: {option.name}{score}{': ' + option.because if option.because else ''}"
