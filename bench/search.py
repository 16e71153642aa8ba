"""Search in thoughts: a word that one trace has, a word that most have, and one that none has."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from .figures import Figure, percentile
from .fill import FilledStore
from .payloads import COMMON_WORD
from .scale import Scale
from .timing import Check, time_reads, with_query

_SEARCH_MS = 30.0


def measure(store: FilledStore, scale: Scale) -> Iterator[Figure]:
    """Measure searches through the list's filter; the one trace that has a rare word must be the answer."""
    rng = Random(store.traces)
    common = COMMON_WORD.decode()
    kinds: tuple[tuple[str, Callable[[], tuple[str, Check]]], ...] = (
        ("a rare word", lambda: _rare(store, rng)),
        ("a common word", lambda: (common, lambda answer: len(answer["items"]) == 50)),
        ("a word that is nowhere", lambda: (f"zz{rng.randrange(10**9)}", lambda answer: answer["items"] == [])),
    )
    for name, asked in kinds:
        took_ms = time_reads(store.server, [_search(*asked()) for _ in range(scale.requests)])
        note = f"p95 {percentile(took_ms, 95):.1f} ms"
        yield Figure(f"search in thoughts for {name} p50, {store.spans:,} spans", percentile(took_ms, 50), "ms", _SEARCH_MS, note=note)


def _rare(store: FilledStore, rng: Random) -> tuple[str, Check]:
    stored = store.pick_rare(rng)

    def is_right(answer: Any) -> bool:
        return stored.trace_id.hex() in [item["trace_id"] for item in answer["items"]]

    return stored.workload.word(stored.number), is_right


def _search(word: str, is_right: Check) -> tuple[str, Check]:
    return with_query("/api/v1/traces", filter=f'thought contains "{word}"'), is_right
