"""Copies of a store while it is in use."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL

from .engine import Store


class BackupError(Exception):
    """A backup that cannot be made; the text says why, in one sentence."""


def backup(store: Store, path: Path) -> None:
    """Write a consistent copy of the store to a new file, which appears only when it is whole. Raises ``BackupError``.

    A SQLite store becomes a SQLite file, a PostgreSQL one an archive for ``pg_restore``.
    """
    if path.exists():
        raise BackupError(f"{path} exists already; a backup never replaces a file.")
    if not path.parent.is_dir():
        raise BackupError(f"There is no directory {path.parent}.")
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.unlink(missing_ok=True)
    try:
        if store.dialect == "sqlite":
            _copy_sqlite(store.engine.url, unfinished)
        else:
            _dump_postgresql(store.engine.url, unfinished)
        _sync(unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _copy_sqlite(url: URL, target: Path) -> None:
    try:
        with closing(sqlite3.connect(str(url.database))) as conn:
            conn.execute("VACUUM INTO ?", (str(target),))
    except sqlite3.Error as error:
        raise BackupError(f"SQLite cannot copy the store: {error}.") from error


def _dump_postgresql(url: URL, target: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise BackupError("pg_dump is not on this machine's path; install the PostgreSQL client programs (postgresql-client).")
    # The password travels in the environment, because other users can read a command line.
    address = url.set(drivername="postgresql", password=None).render_as_string()
    environment = {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}
    command = [program, "--format=custom", "--no-owner", f"--file={target}", f"--dbname={address}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BackupError(f"pg_dump failed: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else done.returncode}")


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
