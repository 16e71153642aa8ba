"""Starting on an empty store, and what Clew holds in memory when nobody uses it."""

import time
from collections.abc import Iterator

from .figures import Figure, median
from .scale import Scale
from .server import ClewServer, FloorServer

_START_S = 2.5
_IDLE_MB = 250.0
_SETTLE_S = 5.0
"""After this time a started server has nothing left to do."""


def measure(scale: Scale) -> Iterator[Figure]:
    """Measure from starting the process to its first ready answer, migrations included, then its memory at rest."""
    starts, sizes, idle_shares = [], [], []
    for turn in range(scale.starts):
        with ClewServer() as server:
            starts.append(server.start_s)
            if turn == 0:
                time.sleep(_SETTLE_S)
                cpu_s = server.cpu_s()
                time.sleep(_SETTLE_S)
                idle_shares.append(100 * (server.cpu_s() - cpu_s) / _SETTLE_S)
                sizes.append(server.memory())
    with FloorServer() as server:
        floor_s, floor_mb = server.start_s, server.memory().pss_mb
    yield Figure("start to ready on an empty store", median(starts), "s", _START_S, floor=floor_s, note=f"slowest {max(starts):.2f} s")
    note = f"RSS, shared pages counted in each process: {sizes[0].rss_mb:.0f} MB"
    yield Figure("memory of all processes, idle", sizes[0].pss_mb, "MB PSS", _IDLE_MB, floor=floor_mb, note=note)
    yield Figure("CPU of all processes, idle", idle_shares[0], "% of a core")
