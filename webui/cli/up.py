"""``clew up``: migrates, then runs ingest, web and worker as processes of their own until one ends or it is told to stop.

Importing is most of a start, and the parts need mostly the same: this process imports that once, while another migrates, and
forks the parts, which share its memory. From then on it only watches.
"""

import argparse
import gc
import json
import multiprocessing
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Mapping

from .child import run_part
from .errors import CliError
from .part import find_runner
from .supervised import Supervision, ready_line

PARTS = ("ingest", "web", "worker")
_MOST_NEEDED = "worker"
"""Of what this part needs, the others need nearly all too."""

_LISTENERS = {"otlp-http", "otlp-grpc", "web", "worker"}
"""Who says that it is ready: the ingest part twice, once for each of its protocols."""

_STOP_S = 13.0
"""Parts have so long to finish what they accepted; the whole ends within 15 s."""

_POLL_S = 0.05

_FORK = multiprocessing.get_context("fork")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Run until SIGTERM or Ctrl-C, then return 0. Raises ``CliError`` where a part fails, with what it said."""
    supervisor = Supervisor(arguments, environ)
    try:
        supervisor.run()
    finally:
        supervisor.stop()
    return 0


class Part:
    """A part's process, seen from ``clew up``."""

    def __init__(self, name: str, live: Callable[[str, Supervision], int]) -> None:
        """Fork a process that lives as told: ``live`` is called in it and returns its exit status."""
        self.name = name
        self.problem = ""
        self._child_ends, self._own_ends = _crossed_pipes()
        self.reports, self._orders = self._own_ends
        self._live = live
        self.process = _FORK.Process(target=self._be_born, name=name)
        self.process.start()
        for fd in self._child_ends:
            os.close(fd)
        self._rest = b""

    def _be_born(self) -> None:
        """Run in the new process. The supervisor's ends must not be held here: that they close is how a part hears of its end."""
        self.close()
        sys.exit(self._live(self.name, Supervision(self._child_ends)))

    def begin(self, told: str = "") -> None:
        """Give the word to begin; a part that has ended meanwhile does not hear it."""
        try:
            os.write(self._orders, json.dumps(told).encode() + b"\n")
        except BrokenPipeError:
            return

    def read(self) -> list[list[str]] | None:
        """Return what the part reported since the last time, None when it has ended."""
        data = os.read(self.reports, 1 << 16)
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def end(self, deadline: float) -> int:
        """Wait for its end until a monotonic time, then end it by force; returns its status, the negative signal where that ended it."""
        self.process.join(max(deadline - time.monotonic(), _POLL_S))
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        assert self.process.exitcode is not None
        return self.process.exitcode

    def close(self) -> None:
        """Close both pipes."""
        for fd in self._own_ends:
            os.close(fd)


def _crossed_pipes() -> tuple[tuple[int, int], tuple[int, int]]:
    """Return two pairs of descriptors, each to read from and to write to what the other writes and reads."""
    child_reads, own_writes = os.pipe()
    own_reads, child_writes = os.pipe()
    return (child_reads, child_writes), (own_reads, own_writes)


class Supervisor:
    """Starts the parts, tells when each is ready, and stops all together."""

    def __init__(self, arguments: argparse.Namespace, environ: Mapping[str, str]) -> None:
        self._arguments = arguments
        self._environ = environ
        self._selector = selectors.DefaultSelector()
        self._running: list[Part] = []
        self._ready: set[str] = set()
        self._web_url = ""
        self._otlp_url = ""
        self._stopping = False
        self._wake_reads, self._wake_writes = os.pipe()

    def run(self) -> None:
        """Run until told to stop. Raises ``CliError`` where a part fails."""
        self._listen_for_signals()
        self._start("migrate").begin()
        find_runner(_MOST_NEEDED)
        # What is loaded now is no garbage, and a collector that looked at it in a part would copy the memory it shares.
        gc.freeze()
        for name in PARTS:
            self._start(name)
        while not self._stopping:
            for key, _ in self._selector.select():
                if key.data is None:
                    self._stopping = True
                else:
                    self._hear(key.data)

    def _listen_for_signals(self) -> None:
        os.set_blocking(self._wake_writes, False)
        signal.set_wakeup_fd(self._wake_writes)
        for number in (signal.SIGTERM, signal.SIGINT):
            # The wake-up pipe is what tells; Python only needs a handler to write to it.
            signal.signal(number, _ignore)
        self._selector.register(self._wake_reads, selectors.EVENT_READ, None)

    def _start(self, name: str) -> Part:
        part = Part(name, self._live)
        self._running.append(part)
        self._selector.register(part.reports, selectors.EVENT_READ, part)
        return part

    def _live(self, name: str, supervision: Supervision) -> int:
        """Be a part, in its process: what is the supervisor's is let go of."""
        signal.set_wakeup_fd(-1)
        os.close(self._wake_reads)
        os.close(self._wake_writes)
        self._selector.close()
        for other in self._running:
            other.close()
        return run_part(name, self._arguments, self._environ, supervision)

    def _hear(self, part: Part) -> None:
        reports = part.read()
        if reports is None:
            self._end(part)
            return
        for kind, *words in reports:
            if kind == "error":
                part.problem = words[0]
            elif kind == "say":
                print(words[0], flush=True)
            elif part.name != "migrate":
                self._note_ready(*words)

    def _note_ready(self, name: str, url: str) -> None:
        print(ready_line(name, url), flush=True)
        self._ready.add(name)
        if name == "web":
            self._web_url = url
        if name == "otlp-http":
            self._otlp_url = url
        if self._ready == _LISTENERS:
            print(f"Clew is up: {self._web_url} (Ctrl-C ends it)", flush=True)
            if self._arguments.demo:
                self._start("demo").begin(f"{self._web_url} {self._otlp_url}")

    def _end(self, part: Part) -> None:
        """Take note that a part has ended: those that have a last step are expected to, the others are not."""
        self._selector.unregister(part.reports)
        self._running.remove(part)
        part.close()
        status = part.end(time.monotonic() + _STOP_S)
        if status == 0 and part.name == "migrate":
            for other in self._running:
                other.begin()
        elif status != 0 or part.name in PARTS:
            how = f"by signal {-status}" if status < 0 else f"with status {status}"
            raise CliError(part.problem or f"The {part.name} part ended {how}.")

    def stop(self) -> None:
        """Stop all parts: ask, wait, and end by force what has not ended by then."""
        for part in self._running:
            part.process.terminate()
        deadline = time.monotonic() + _STOP_S
        for part in self._running:
            part.end(deadline)
            part.close()
        self._running = []


def _ignore(number: int, frame: object) -> None:
    """Do nothing: the signal has been written to the wake-up pipe."""
