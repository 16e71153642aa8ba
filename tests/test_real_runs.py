"""Real agents' runs, where they lie beside the checkout: any delivery of them gives the same answers, bill and lists."""

import gzip
import json
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ingest.model import LogRecord, Span
from ingest.otlp.protobuf import decode_logs, decode_traces
from ingest.store.engine import Store, open_store
from ingest.store.ledger import check_reconciles
from ingest.store.maintenance import relink_all
from ingest.store.prepare import prepare
from ingest.store.reader import read_span
from ingest.store.writer import Segments, write_batches
from webui.cli.rulebook import make_rulebook

from .builders import T0
from .planted_ids import Noticed, plant_everywhere
from .wire import NOW, answer, bill, link_all, stored_trace

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"
SEEDS = (1, 2)

pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the recordings of real runs are not beside this checkout")


def index() -> list[dict[str, Any]]:
    """Return what is known of each run."""
    return [json.loads(line) for line in (REAL / "index.jsonl").read_text().splitlines()]


def read(entry: dict[str, Any]) -> tuple[list[Span], list[LogRecord]]:
    """Return the spans and log records of a run."""
    spans = decode_traces(gzip.decompress((REAL / entry["file"]).read_bytes()), T0).spans
    logs = entry.get("logs_file")
    records = decode_logs(gzip.decompress((REAL / logs).read_bytes()), T0).records if logs else []
    return spans, records


def deliveries(entries: list[dict[str, Any]], seed: int) -> Iterator[tuple[list[Span], list[LogRecord]]]:
    """Yield requests: the runs as recorded for seed 0, else shuffled, split and partly repeated."""
    for entry in entries:
        spans, records = read(entry)
        if not seed:
            yield spans, records
            continue
        order = random.Random(f"{seed} {entry['trace_id']}")
        mixed: list[Any] = [*spans, *records]
        mixed += order.sample(mixed, len(mixed) // 3)
        order.shuffle(mixed)
        while mixed:
            size = order.randrange(1, 40)
            part, mixed = mixed[:size], mixed[size:]
            yield [one for one in part if isinstance(one, Span)], [one for one in part if isinstance(one, LogRecord)]


@pytest.fixture(scope="module")
def stores(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Store]]:
    """Store all runs once as recorded and then in other orders."""
    opened = []
    for seed in (0, *SEEDS):
        path = tmp_path_factory.mktemp("real") / f"{seed}.db"
        path.write_bytes(sqlite_template.read_bytes())
        store = open_store(f"sqlite:///{path}")
        for number, (spans, records) in enumerate(deliveries(index(), seed)):
            write_batches(store, [prepare(1, spans, records, NOW)], Segments())
            if seed and number % 400 == 0:
                link_all(store)
        link_all(store)
        opened.append(store)
    yield opened
    for store in opened:
        store.close()


def test_any_delivery_gives_the_same_answers(stores: list[Store]) -> None:
    """Shuffled, split and repeated deliveries are answered to the byte as the recorded ones, and billed to the nano-dollar."""
    for entry in index():
        trace_id = bytes.fromhex(entry["trace_id"])
        answers = {answer(store, trace_id) for store in stores}
        assert len(answers) == 1, entry["file"]
    assert len({sums for store in stores for sums in bill(store)}) == 1


def test_every_span_is_there(stores: list[Store]) -> None:
    """Each run has as many spans as were recorded."""
    for entry in index():
        answered = json.loads(answer(stores[1], bytes.fromhex(entry["trace_id"])))
        assert (answered[0]["span_count"], len(answered[1])) == (entry["n_spans"], entry["n_spans"]), entry["file"]


def test_relink_changes_nothing(stores: list[Store]) -> None:
    """Linking all of it again writes no row."""
    for store in stores:
        report = relink_all(store, None, NOW, make_rulebook(store))
        assert (report.traces, report.changed, report.failed) == (len(index()), 0, [])
        assert check_reconciles(store, 1) == {}


def test_ids_from_nowhere_are_noticed(stores: list[Store], capsys: pytest.CaptureFixture[str]) -> None:
    """Of ids planted into what real agents passed to their tools at least 95 % are flagged; of what they really passed less than 2 %."""
    noticed, chance = Noticed(), random.Random(11)
    with stores[0].engine.connect() as conn:
        for entry in index():
            trace_id = bytes.fromhex(entry["trace_id"])
            for _ in plant_everywhere(stored_trace(stores[0], trace_id, NOW), partial(read_span, conn, 1, trace_id), noticed, chance):
                pass
    with capsys.disabled():
        print(f"\n  {noticed}")
    assert noticed.planted > 1_000
    assert noticed.flagged / noticed.planted >= 0.95
    assert noticed.false / noticed.true < 0.02
