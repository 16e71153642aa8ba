"""What SQLite is told before it begins; it can be told only once in a process, so each case has its own."""

import subprocess
import sys
from pathlib import Path

_USED = """
import ctypes, importlib.util
library = ctypes.CDLL(importlib.util.find_spec("_sqlite3").origin)
library.sqlite3_memory_used.restype = ctypes.c_int64
"""


def _say(program: str, *arguments: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


def test_clew_does_not_let_sqlite_count_its_memory(tmp_path: Path) -> None:
    """A command that opens a store has SQLite count nothing, although much is in use."""
    program = f"""{_USED}
import sys
from webui.cli.main import main
status = main(["migrate", "--data-dir", sys.argv[1]])
import sqlite3
connection = sqlite3.connect(sys.argv[1] + "/again.db")
connection.execute("CREATE TABLE one (a)")
print(status, library.sqlite3_memory_used())
"""
    assert _say(program, str(tmp_path))[-2:] == ["0", "0"]


def test_an_sqlite_that_has_begun_goes_on_as_it_is() -> None:
    """Too late is no error: SQLite refuses, and counts on."""
    program = f"""{_USED}
import sqlite3
connection = sqlite3.connect(":memory:")
connection.execute("CREATE TABLE one (a)")
from ingest.store.sqlite_setup import count_no_memory
print(count_no_memory(), library.sqlite3_memory_used() > 0, connection.execute("SELECT 1").fetchone()[0])
"""
    assert _say(program) == ["False", "True", "1"]


def test_a_python_without_the_driver_of_its_own() -> None:
    """Where SQLite cannot be reached nothing is done."""
    program = """
import importlib.util
importlib.util.find_spec = lambda name: None
from ingest.store.sqlite_setup import count_no_memory
print(count_no_memory())
"""
    assert _say(program) == ["False"]
