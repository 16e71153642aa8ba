"""``clew up`` as processes: its parts start, tell where they are, and end together, however they end."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from .tracer_play import switch_off
from .webui_cli import clew

LIMIT_S = 60
STOP_S = 15


class Up:
    """A running ``clew up`` on free ports."""

    def __init__(self, data_dir: Path, *options: str, **environ: str) -> None:
        ports = ("--port", "0", "--otlp-http-port", "0", "--otlp-grpc-port", "0")
        command = [sys.executable, "-m", "webui.cli", "up", "--data-dir", str(data_dir), *ports, *options]
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("CLEW_", "OTEL_"))}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean | environ)
        # A start that hangs must fail the test, not the whole run.
        self._guard = threading.Timer(LIMIT_S, self.process.kill)
        self._guard.start()
        self.lines: list[str] = []
        self.parts: list[psutil.Process] = []

    def until(self, start: str) -> str:
        """Read lines until one starts so, and return it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.startswith(start):
                self.parts = psutil.Process(self.process.pid).children()
                return self.lines[-1]
        raise AssertionError(f"it ended: {self.lines} {self.process.stderr.read() if self.process.stderr else ''}")

    def address(self, part: str) -> str:
        """Return where a part said that it is."""
        return next(line.split()[2] for line in self.lines if line.startswith(f"ready  {part} "))

    def end(self) -> tuple[int, str, float]:
        """Wait for the end; returns its status, what it said on stderr, and how long it took."""
        started = time.monotonic()
        _, said = self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode, said, time.monotonic() - started

    def alive(self) -> list[psutil.Process]:
        """Return the parts that do not end within the time they have."""
        return psutil.wait_procs(self.parts, timeout=STOP_S)[1]

    def close(self) -> None:
        """End everything."""
        self._guard.cancel()
        self.process.kill()
        for part in self.parts:
            with suppress(psutil.NoSuchProcess):
                part.kill()
        self.process.communicate()


@contextmanager
def running(data_dir: Path, *options: str, **environ: str) -> Iterator[Up]:
    """Start ``clew up`` and wait until all its parts are ready."""
    up = Up(data_dir, *options, **environ)
    try:
        up.until("Clew is up:")
        yield up
    finally:
        up.close()


def test_up_takes_a_span_and_ends_by_sigterm(tmp_path: Path) -> None:
    """Each part says where it is; a span sent by an exporter is read back; SIGTERM ends all within 15 s with status 0."""
    with running(tmp_path) as up:
        ready = [line.split()[1] for line in up.lines if line.startswith("ready")]
        assert sorted(ready) == ["otlp-grpc", "otlp-http", "web", "worker"]
        said = clew(f"sqlite:///{tmp_path / 'clew.db'}", *_doctor(up))
        assert (said.status, [line.split()[0] for line in said.out.splitlines()]) == (0, ["ok"] * 7), said.out
        up.process.send_signal(signal.SIGTERM)
        status, errors, took_s = up.end()
        assert (status, errors) == (0, "")
        assert took_s < STOP_S
        assert up.alive() == []


def _doctor(up: Up) -> list[str]:
    ports = [up.address(part).rpartition(":")[2] for part in ("web", "otlp-http", "otlp-grpc")]
    return ["doctor", *(word for pair in zip(("--port", "--otlp-http-port", "--otlp-grpc-port"), ports, strict=True) for word in pair)]


def test_parts_end_with_their_supervisor(tmp_path: Path) -> None:
    """A killed ``clew up`` leaves no part behind."""
    with running(tmp_path) as up:
        assert len(up.parts) == 3
        up.process.kill()
        assert up.alive() == []


def test_parts_have_names_and_ingest_yields(tmp_path: Path) -> None:
    """Who looks at a busy machine sees which part it is; where all want the processor, senders wait."""
    with running(tmp_path) as up:
        usual = psutil.Process(up.process.pid).nice()
        assert {part.name(): part.nice() - usual for part in up.parts} == {"clew ingest": 7, "clew web": 0, "clew worker": 0}


def test_a_part_that_dies_ends_the_whole(tmp_path: Path) -> None:
    """Nothing is restarted silently: the error is one line and the status is 1. Ctrl-C is no error."""
    with running(tmp_path) as up:
        worker = next(part for part in up.parts if part.name() == "clew worker")
        worker.kill()
        status, errors, _ = up.end()
        assert (status, errors) == (1, "clew: The worker part ended by signal 9.\n")
        assert up.alive() == []
    with running(tmp_path) as up:
        up.process.send_signal(signal.SIGINT)
        assert up.end()[:2] == (0, "")


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    """A part that cannot start ends the whole with what is wrong."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        up = Up(tmp_path, "--otlp-http-port", str(port))
        try:
            assert up.end()[:2] == (1, f"clew: Cannot listen on 127.0.0.1 port {port}: Address already in use.\n")
        finally:
            up.close()


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"CLEW_PROT": "1"}, "clew: There is no setting CLEW_PROT. Did you mean CLEW_PORT?\n"),
        (
            {"CLEW_DATABASE_URL": "mysql://x"},
            "clew: CLEW_DATABASE_URL must be sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME.\n",
        ),
    ],
)
def test_settings_that_cannot_be_are_one_line(tmp_path: Path, environ: dict[str, str], words: str) -> None:
    """All parts check the settings, and one line tells what is wrong."""
    up = Up(tmp_path, **environ)
    try:
        assert up.end()[:2] == (1, words)
    finally:
        up.close()


def test_the_demo_prints_links_that_lead_to_runs(tmp_path: Path) -> None:
    """The sample agent works against what was started; each of its runs has a link, and each link a page that tells how it ended."""
    with running(tmp_path, "--demo") as up:
        up.until("  what they cost:")
        links = re.findall(r"http://\S+/traces/[0-9a-f]{32}", "\n".join(up.lines))
        assert len(links) == len(set(links)) >= 5
        for link in links:
            with urllib.request.urlopen(link, timeout=10) as answer:
                assert b"scheduler" in answer.read()
        ends = " ".join(line.split("http")[0] for line in up.lines if "/traces/" in line)
        assert "completed" in ends
        assert "guardrail" in ends
        assert "model unavailable" in ends


def test_history_is_made_against_what_runs(tmp_path: Path) -> None:
    """``clew demo --days`` sends back-dated runs, and says where the incidents are; without a Clew it says so in one line."""
    assert clew("sqlite:///nowhere", "demo", "--port", "9").err == "clew: No Clew answers at http://127.0.0.1:9; clew up starts one.\n"
    with running(tmp_path) as up:
        ports = [address.rpartition(":")[2] for address in (up.address("web"), up.address("otlp-http"))]
        url = f"sqlite:///{tmp_path / 'clew.db'}"
        try:
            said = clew(url, "demo", "--port", ports[0], "--otlp-http-port", ports[1], "--days", "3", "--runs", "5", "--seed", "3")
        finally:
            switch_off()
        assert said.status == 0, said.err
        assert re.match(r"3 days of history: \d+ runs, among them\n  overnight loop", said.out)
        link = re.findall(r"/traces/([0-9a-f]{32})", said.out)[0]
        assert "stopped: step limit (declared)" in clew(url, "trace", link).out

