"""``clew up --demo``: a handful of recorded agent runs, imported as if they had just happened."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from ingest.model import Event, LogRecord, Span, TraceSummary
from ingest.settings import Settings
from ingest.store.engine import open_store
from ingest.store.lists import read_summaries
from ingest.store.reader import which_stored
from webui.format import clip, money, plural, termination_word

from .intake import Decoded, Intake, decode
from .otlp_files import read_requests

DIRECTORY = Path(__file__).parent / "demo"

_PROJECT = 1
_AGO_NS = 60 * 10**9
"""How long before now the newest recorded run ends."""


def import_demo(settings: Settings, web_url: str, say: Callable[[str], None]) -> None:
    """Import the recorded runs that are not stored yet, their times moved to now, and say where to look at each."""
    content = [decode(request) for path in sorted(DIRECTORY.iterdir()) for request in read_requests(path)]
    trace_ids = list(dict.fromkeys(span.trace_id for one in content for span in one.spans))
    store = open_store(settings.database_url)
    try:
        with store.engine.connect() as conn:
            stored = which_stored(conn, _PROJECT, trace_ids)
        intake = Intake(store, _PROJECT)
        for one in _moved_to_now(content):
            intake.add([s for s in one.spans if s.trace_id not in stored], [r for r in one.records if r.trace_id not in stored])
        intake.flush()
        intake.link(lambda done, total: None)
        known = read_summaries(store, _PROJECT, trace_ids)
    finally:
        store.close()
    for line in _links([known[trace_id] for trace_id in trace_ids if trace_id in known], web_url):
        say(line)


def _links(found: Sequence[TraceSummary], web_url: str) -> Iterator[str]:
    """Yield a line for each run that asked a model anything: what it was, why it stopped, its cost, and where it is."""
    shown = [one for one in found if one.totals.llm_calls]
    yield f"{plural(len(shown), 'recorded agent run')} to look at, their times moved to now:"
    for one in shown:
        cost = money(one.totals.cost_nanos)
        yield f"  {clip(one.agent, 20):<20} {termination_word(one.termination):<18} {cost:>9}  {web_url}/traces/{one.trace_id.hex()}"
    yield f"  what they cost: {web_url}/costs   all runs: {web_url}/runs"


def _moved_to_now(content: Sequence[Decoded]) -> Iterator[Decoded]:
    """Yield the content with all times moved by one and the same distance."""
    newest_ns = max((span.end_ns for one in content for span in one.spans), default=0)
    by_ns = time.time_ns() - _AGO_NS - newest_ns
    for one in content:
        yield Decoded([_move_span(span, by_ns) for span in one.spans], [_move_record(record, by_ns) for record in one.records])


def _move_span(span: Span, by_ns: int) -> Span:
    events = [_move_event(event, by_ns) for event in span.events]
    return msgspec.structs.replace(span, start_ns=span.start_ns + by_ns, end_ns=span.end_ns + by_ns, events=events)


def _move_event(event: Event, by_ns: int) -> Event:
    return msgspec.structs.replace(event, time_ns=event.time_ns + by_ns)


def _move_record(record: LogRecord, by_ns: int) -> LogRecord:
    return msgspec.structs.replace(record, time_ns=record.time_ns + by_ns)
