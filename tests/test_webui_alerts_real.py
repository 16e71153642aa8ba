"""Loop rules on real agents' runs, where they lie beside the checkout, by their labels; ``-s`` shows the figures of docs/alerts.md."""

import json
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from ingest.store.derived import finding
from ingest.store.engine import Store
from ingest.store.prepare import prepare
from ingest.store.writer import Segments, write_batches

from .test_real_runs import REAL, index, read
from .wire import NOW, link_all

pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the recordings of real runs are not beside this checkout")

_LOOP_RULES = ("L1", "L2", "L3", "L4", "L5", "L6")


def labels() -> dict[str, str]:
    """Return loop, no-loop or ambiguous by trace."""
    lines = (REAL / "loops.jsonl").read_text().splitlines()
    return {one["trace_id"]: one["label"] for one in map(json.loads, lines)}


def worst_by_trace(store: Store) -> dict[str, str]:
    """Return the worst severity that a loop rule has for each trace."""
    f = finding.c
    worst: dict[str, str] = {}
    with store.engine.connect() as conn:
        for row in conn.execute(select(f.trace_id, f.severity).where(f.rule.in_(_LOOP_RULES))):
            trace_id = bytes(row[0]).hex()
            worst[trace_id] = "critical" if "critical" in (row[1], worst.get(trace_id)) else "warning"
    return worst


def test_loops_are_told_from_work(sqlite_store: Store) -> None:
    """No run labelled no-loop is critical; of those that any rule speaks of nearly all are loops."""
    known: dict[str, Any] = labels()
    for entry in index():
        if entry["trace_id"] in known:
            spans, records = read(entry)
            write_batches(sqlite_store, [prepare(1, spans, records, NOW)], Segments())
    link_all(sqlite_store)
    worst = worst_by_trace(sqlite_store)
    seen = Counter((label, worst.get(trace_id, "nothing")) for trace_id, label in known.items())
    spoken = {label: sum(n for (one, said), n in seen.items() if said != "nothing" and one == label) for label in ("loop", "no-loop")}
    told, right = sum(spoken.values()), spoken["loop"]
    loops = sum(n for (label, _), n in seen.items() if label == "loop")
    print(f"\nprecision {right / told:.3f} ({right} of {told}), recall {right / loops:.3f} ({right} of {loops})")
    print(dict(sorted(seen.items())))
    assert seen["no-loop", "critical"] == 0
    assert right / told >= 0.85
