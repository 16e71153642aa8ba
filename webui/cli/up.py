"""``clew up``: migrates, then runs ingest, web and worker as processes of their own until one ends or it is told to stop.

This process only watches, and imports nothing of what its parts need. All start at once, since importing is most of a start;
each then waits until the store is migrated.
"""

import argparse
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from .errors import CliError
from .parser import SETTING_OPTIONS
from .supervised import ready_line

PARTS = ("ingest", "web", "worker")
_LISTENERS = {"otlp-http", "otlp-grpc", "web", "worker"}
"""Who says that it is ready: the ingest part twice, once for each of its protocols."""

_STOP_S = 13.0
"""Parts have so long to finish what they accepted; the whole ends within 15 s."""

_POLL_S = 0.05


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Run until SIGTERM or Ctrl-C, then return 0. Raises ``CliError`` where a part fails, with what it said."""
    del environ  # The parts inherit it, and check it.
    supervisor = Supervisor(arguments)
    try:
        supervisor.run()
    finally:
        supervisor.stop()
    return 0


class Part:
    """A part's process, seen from ``clew up``."""

    def __init__(self, name: str, options: list[str]) -> None:
        self.name = name
        self.problem = ""
        child_reads, self._orders = os.pipe()
        self.reports, child_writes = os.pipe()
        fds = (child_reads, child_writes)
        # -P: a module in the directory where somebody happens to be must not stand in for one of ours.
        command = [sys.executable, "-P", "-m", "webui.cli.child", name, *options, "--supervised", str(child_reads), str(child_writes)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=fds)
        for fd in fds:
            os.close(fd)
        self._rest = b""

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

    def close(self) -> None:
        """Close both pipes."""
        os.close(self._orders)
        os.close(self.reports)


class Supervisor:
    """Starts the parts, tells when each is ready, and stops all together."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        options = [word for name in SETTING_OPTIONS if (value := getattr(arguments, name, None)) is not None
                   for word in (f"--{name.replace('_', '-')}", value)]  # fmt: skip
        self._options = [*options, *(["--debug"] if arguments.debug else [])]
        self._has_demo = arguments.demo
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
        part = Part(name, self._options)
        self._running.append(part)
        self._selector.register(part.reports, selectors.EVENT_READ, part)
        return part

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
            if self._has_demo:
                self._start("demo").begin(f"{self._web_url} {self._otlp_url}")

    def _end(self, part: Part) -> None:
        """Take note that a part has ended: those that have a last step are expected to, the others are not."""
        self._selector.unregister(part.reports)
        self._running.remove(part)
        part.close()
        status = part.process.wait()
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
            _wait(part.process, deadline)
            part.close()
        self._running = []


def _wait(process: "subprocess.Popen[Any]", deadline: float) -> None:
    try:
        process.wait(max(deadline - time.monotonic(), _POLL_S))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _ignore(number: int, frame: object) -> None:
    """Do nothing: the signal has been written to the wake-up pipe."""
