"""Counting the same call over many runs, beside the detectors: kept small in memory, handed to the watch now and then."""

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable

from ingest.store.clip import clip
from ingest.store.samples import CallCount
from webui.analysis.detectors.model import Seen

SLOT_NS = 300_000_000_000

_MOST_RUNS = 12_000
_MOST_COUNTS = 20_000
_MOST_OF_A_RUN = 500
_OLD_NS = 24 * 3_600 * 10**9


class CallTally:
    """Counts calls by agent and digest. ``note`` is called by who links, ``drain`` by who watches."""

    def __init__(self, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._clock_ns = clock_ns
        self._lock = threading.Lock()
        self._runs: OrderedDict[tuple[int, bytes, int], Counter[str]] = OrderedDict()
        self._counts: dict[tuple[int, int, str, str], list[int]] = {}
        self._names: dict[tuple[int, int, str, str], tuple[str, bytes]] = {}

    def note(self, project_id: int, seen: Seen) -> None:
        """Count what a run calls more often than when it was last seen. What it did a day ago, or by design, does not count."""
        now_ns = self._clock_ns()
        oldest_ns = now_ns - _OLD_NS
        named = {call.digest: call.name for call in seen.calls if call.is_told and not call.polls and call.step.started_ns > oldest_ns}
        counted = Counter(call.digest for call in seen.calls if call.digest in named)
        with self._lock:
            # Ids of runs are unique within their trace alone, and which that is nobody says here.
            key = (project_id, seen.run.run_id, seen.run.started_ns)
            before = self._runs.pop(key, Counter())
            self._runs[key] = counted
            while len(self._runs) > _MOST_RUNS:
                self._runs.popitem(last=False)
            for digest, number in counted.most_common(_MOST_OF_A_RUN):
                more = number - before[digest]
                if more > 0:
                    place = (project_id, now_ns // SLOT_NS, clip(seen.run.agent), digest)
                    self._add(place, (more, digest not in before), (clip(named[digest]), seen.run.run_id))

    def _add(self, key: tuple[int, int, str, str], more: tuple[int, bool], name: tuple[str, bytes]) -> None:
        if key in self._counts or len(self._counts) < _MOST_COUNTS:
            sums = self._counts.setdefault(key, [0, 0])
            sums[0] += more[0]
            sums[1] += more[1]
            self._names[key] = name

    def drain(self) -> list[CallCount]:
        """Return what was counted since the last time, and forget it."""
        with self._lock:
            counts, names = self._counts, self._names
            self._counts, self._names = {}, {}
        return [(*key, names[key][0], calls, runs, names[key][1]) for key, (calls, runs) in sorted(counts.items())]
