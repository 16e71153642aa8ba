"""What a server's processes used: processor time, and memory as the kernel counts it."""

import contextlib
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import psutil

_SAMPLE_S = 0.25
_MB = 1 << 20


class Memory(NamedTuple):
    """Memory of several processes together."""

    rss_mb: float
    """Pages shared between processes counted in each."""
    pss_mb: float
    """Shared pages counted once: what stopping all of them would give back."""


class ProcessTree:
    """A process and all below it."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)

    def members(self) -> list[psutil.Process]:
        """Return the processes alive now; nothing once the root is gone."""
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def cpu_s(self) -> float:
        """Return the processor seconds used so far, those of ended and waited-for children included."""
        total = 0.0
        for process in self.members():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def memory(self) -> Memory:
        """Return the memory in use now."""
        sizes = [_memory_of(process.pid) for process in self.members()]
        return Memory(sum(size.rss_mb for size in sizes), sum(size.pss_mb for size in sizes))


def _memory_of(pid: int) -> Memory:
    found = {"Rss": 0, "Pss": 0}
    with contextlib.suppress(OSError):
        # The kernel's own sum over all mappings: reading each mapping would cost the server time.
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in found:
                found[name] = int(rest.split()[0]) * 1024
    return Memory(found["Rss"] / _MB, found["Pss"] / _MB)


class PeakMemory:
    """Watches memory while a ``with`` block runs; ``peak`` holds the largest of each figure."""

    def __init__(self, trees: Iterable[ProcessTree]) -> None:
        self._trees = list(trees)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak = Memory(0.0, 0.0)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLE_S):
            now = [tree.memory() for tree in self._trees]
            self.peak = Memory(max(self.peak.rss_mb, sum(one.rss_mb for one in now)), max(self.peak.pss_mb, sum(one.pss_mb for one in now)))
