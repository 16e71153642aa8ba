"""A PostgreSQL of the tests' own: a new cluster in a temporary directory, reached over a socket, gone when they end."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def find_binaries() -> Path | None:
    """Return the directory of PostgreSQL's server programs, the newest first, or None where it is not installed."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    for directory in (*candidates, *([Path(on_path).resolve().parent] if on_path else [])):
        if (directory / "postgres").exists() and (directory / "initdb").exists():
            return directory
    return None


def _owner() -> str | None:
    """Return the user to run as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@contextmanager
def run_postgres(binaries: Path) -> Iterator[str]:
    """Start a cluster and yield the URL of its database ``postgres``; every database in it dies with it."""
    directory = Path(tempfile.mkdtemp(prefix="clew-pg-"))
    owner = _owner()
    if owner is not None:
        shutil.chown(directory, owner)
    data = str(directory / "data")

    def run(program: str, *arguments: str) -> None:
        command = [str(binaries / program), "-D", data, *arguments]
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(directory)}
        subprocess.run(command, user=owner, cwd=directory, env=env, check=True, stdout=subprocess.DEVNULL)

    try:
        run("initdb", "-U", "clew", "--auth=trust", "--encoding=UTF8", "--no-sync")
        # A log file of its own: an inherited pipe would keep whoever waits for it waiting.
        run("pg_ctl", "-l", str(directory / "log"), "-w", "-o", f"-c listen_addresses='' -k {directory}", "start")
        yield f"postgresql+psycopg://clew@/postgres?host={directory}"
    finally:
        if (directory / "data" / "postmaster.pid").exists():
            run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(directory, ignore_errors=True)
