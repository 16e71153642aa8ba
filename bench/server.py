"""Servers to measure: Clew as ``clew up`` starts it, and the floor. Each on free ports, with a store of its own."""

import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil
from sqlalchemy import create_engine, text

from .client import Answer, Connection
from .processes import Memory, ProcessTree

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 30.0
_READY_POLL_S = 0.01


class ServerFailed(Exception):
    """A server did not start, or stopped by itself; the text ends with what it said last."""


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A running server. Leaving its ``with`` block stops it and removes its store."""

    name = ""
    otlp_port = 0
    web_port = 0

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="bench-")
        self.directory = Path(self._directory.name)
        self._log = self.directory / "server.log"
        self._connection: Connection | None = None
        self.start_s = 0.0
        """From starting the process until its web port answers that it is ready and its OTLP port is open."""
        self.settings: dict[str, str] = {}
        """Variables of its environment, beside those of the caller's that are not Clew's own."""
        self.process: psutil.Popen
        self.trees: list[ProcessTree] = []
        """Its own processes, and a database server's where it uses one."""

    def command(self) -> Sequence[str]:
        """Return the command that starts it."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it and wait until it is ready. Raises ``ServerFailed``."""
        started = time.perf_counter()
        with self._log.open("ab") as log:
            self.process = psutil.Popen(self.command(), stdout=log, stderr=log, env=_environment(os.environ) | self.settings)
        self.trees = [ProcessTree(self.process.pid), *self.trees]
        deadline = started + _START_TIMEOUT_S
        while not (_is_ready(self.web_port) and _listens(self.otlp_port)):
            if self.process.poll() is not None or time.perf_counter() > deadline:
                raise ServerFailed(f"{self.name} did not start: {self.last_words()}")
            time.sleep(_READY_POLL_S)
        self.start_s = time.perf_counter() - started

    def last_words(self) -> str:
        """Return the end of what it wrote."""
        return self._log.read_text(errors="replace")[-2000:]

    def __enter__(self) -> "Server":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop it as a service manager would, then remove its store."""
        if self._connection is not None:
            self._connection.close()
        members = self.trees[0].members() if self.trees else []
        if members:
            self.process.send_signal(signal.SIGTERM)
            _, alive = psutil.wait_procs(members, timeout=_STOP_TIMEOUT_S)
            for process in alive:
                process.kill()
        self._directory.cleanup()

    def get(self, path: str) -> Answer:
        """Ask the web port over one kept-alive connection."""
        if self._connection is None:
            self._connection = Connection(self.web_port)
        return self._connection.get(path)

    def cpu_s(self) -> float:
        """Return the processor seconds that all its processes used so far."""
        return sum(tree.cpu_s() for tree in self.trees)

    def memory(self) -> Memory:
        """Return the memory of all its processes."""
        sizes = [tree.memory() for tree in self.trees]
        return Memory(sum(size.rss_mb for size in sizes), sum(size.pss_mb for size in sizes))

    def disk_bytes(self) -> int:
        """Return the size of its store, write-ahead log included."""
        return sum(file.stat().st_size for file in self.directory.rglob("*") if file.is_file() and file != self._log)

    def log_bytes(self) -> int:
        """Return what of its store is SQLite's write-ahead log."""
        return sum(file.stat().st_size for file in self.directory.rglob("*-wal"))

    def trace_path(self, trace_id: bytes) -> str:
        """Return the path of a trace."""
        raise NotImplementedError

    def span_count(self, trace_id: bytes) -> int:
        """Return how many spans of a trace can be read now."""
        answer = self.get(self.trace_path(trace_id))
        return int(answer.json()["span_count"]) if answer.status == 200 else 0

    def has_linked_all(self) -> bool:
        """Tell whether everything that arrived is in all lists and sums."""
        raise NotImplementedError


class FloorServer(Server):
    """The floor."""

    name = "floor"

    def __init__(self) -> None:
        super().__init__()
        self.web_port = self.otlp_port = free_port()

    def command(self) -> Sequence[str]:
        """Return the command that starts it."""
        return (sys.executable, "-m", "bench.floor", "--port", str(self.web_port), "--file", str(self.directory / "floor.db"))

    def trace_path(self, trace_id: bytes) -> str:
        """Return the path of a trace."""
        return f"/traces/{trace_id.hex()}"

    def has_linked_all(self) -> bool:
        """Tell that there is nothing to link."""
        return True


class ClewServer(Server):
    """Clew, all parts, on SQLite or on a PostgreSQL database."""

    name = "clew"

    def __init__(self, database_url: str | None = None, database_pid: int | None = None) -> None:
        super().__init__()
        self._database_url = database_url
        self.web_port, self.otlp_port, self._grpc_port = free_port(), free_port(), free_port()
        if database_url is not None:
            self.settings["CLEW_DATABASE_URL"] = database_url
        if database_pid is not None:
            self.trees = [ProcessTree(database_pid)]

    def command(self) -> Sequence[str]:
        """Return the command that starts it."""
        clew = Path(sys.executable).with_name("clew")
        return (
            str(clew), "up", "--port", str(self.web_port), "--otlp-http-port", str(self.otlp_port),
            "--otlp-grpc-port", str(self._grpc_port), "--data-dir", str(self.directory / "data"),
        )  # fmt: skip

    def disk_bytes(self) -> int:
        """Return the size of its store."""
        if self._database_url is None:
            return sum(file.stat().st_size for file in (self.directory / "data").rglob("*.db*"))
        engine = create_engine(self._database_url)
        with engine.connect() as conn:
            size: int = conn.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
        engine.dispose()
        return size

    def trace_path(self, trace_id: bytes) -> str:
        """Return the path of a trace."""
        return f"/api/v1/traces/{trace_id.hex()}"

    def has_linked_all(self) -> bool:
        """Tell whether the linker has nothing to do."""
        for line in self.get("/metrics").body.decode().splitlines():
            name, _, value = line.partition(" ")
            if name == "clew_traces_unlinked":
                return float(value) == 0
        raise ServerFailed("/metrics does not tell clew_traces_unlinked")


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which nothing of the caller's own Clew is set."""
    return {name: value for name, value in environ.items() if not name.startswith(("CLEW_", "OTEL_"))}


def _is_ready(port: int) -> bool:
    connection = Connection(port, timeout_s=5)
    try:
        return connection.get("/readyz").status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(claim: Callable[[], bool], timeout_s: float, poll_s: float = 0.03) -> float:
    """Wait until a claim is true and return the clock then (``time.perf_counter``). Raises ``TimeoutError``."""
    deadline = time.perf_counter() + timeout_s
    while not claim():
        if time.perf_counter() > deadline:
            raise TimeoutError(f"not within {timeout_s} s")
        time.sleep(poll_s)
    return time.perf_counter()
