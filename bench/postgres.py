"""A PostgreSQL server of our own in a temporary directory, with the settings it has by default."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import psycopg

from .server import ServerFailed, free_port

_START_TIMEOUT_S = 30.0
_USER = "postgres"


def binaries() -> Path | None:
    """Return the directory of the newest PostgreSQL on this machine; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


class Cluster:
    """A running server with one empty database. Leaving its ``with`` block stops it and removes it."""

    def __init__(self, bin_directory: Path) -> None:
        self._bin = bin_directory
        self._directory = tempfile.TemporaryDirectory(prefix="bench-pg-")
        self._data = Path(self._directory.name) / "data"
        self._port = free_port()
        self._process: psutil.Popen | None = None
        self.url = f"postgresql+psycopg://{_USER}@127.0.0.1:{self._port}/clew"

    @property
    def pid(self) -> int:
        """The server's first process, above all others."""
        if self._process is None:
            raise ServerFailed("PostgreSQL is not running")
        pid: int = self._process.pid
        return pid

    def __enter__(self) -> "Cluster":
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            # SIGINT is PostgreSQL's fast way down: it does not wait for clients.
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)
        self._directory.cleanup()

    def _start(self) -> None:
        drop_root = _as_other_user(Path(self._directory.name))
        made = subprocess.run(
            [*drop_root, self._bin / "initdb", "-D", self._data, "-U", _USER, "-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8"],
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
        )
        if made.returncode:
            raise ServerFailed(f"initdb: {made.stderr.strip()}")
        command = [*drop_root, str(self._bin / "postgres"), "-D", str(self._data), "-p", str(self._port), "-k", ""]
        self._process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        self._make_database()

    def _make_database(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                with psycopg.connect(f"host=127.0.0.1 port={self._port} user={_USER} dbname=postgres", autocommit=True) as connection:
                    connection.execute("CREATE DATABASE clew")
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def _as_other_user(directory: Path) -> list[str]:
    """Return what to put before a command so that it does not run as root, which PostgreSQL refuses."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam(_USER)
    os.chown(directory, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
