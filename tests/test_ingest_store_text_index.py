"""SQLite's text index grows evenly: what is written while it merges its parts is in proportion to what came."""

import sqlite3
from pathlib import Path
from random import Random

import pytest

_COMMITS, _DOCUMENTS, _WORDS = 320, 40, 40


def _grow(file: Path) -> tuple[list[int], int]:
    """Index documents in many commits; return how many rows of the index each one changed, and how many parts it has at most."""
    rng = Random(1)
    connection = sqlite3.connect(file, isolation_level=None)
    changed: list[int] = []
    most_parts = 0
    for number in range(_COMMITS):
        before = connection.total_changes
        connection.execute("BEGIN")
        for place in range(_DOCUMENTS):
            body = " ".join(f"w{int(20_000 ** rng.random())}" for _ in range(_WORDS))
            connection.execute("INSERT INTO search_fts (rowid, body) VALUES (?, ?)", (number * _DOCUMENTS + place, body))
        connection.execute("COMMIT")
        changed.append(connection.total_changes - before)
        parts = connection.execute("SELECT count(DISTINCT segid) FROM search_fts_idx").fetchone()[0]
        most_parts = max(most_parts, parts)
    connection.close()
    return changed, most_parts


@pytest.mark.parametrize("at_once_from", [None, 16])
def test_a_commit_never_merges_all_of_a_level(sqlite_url: str, tmp_path: Path, at_once_from: int | None) -> None:
    """The dearest commit is a few times the usual one. Merged in one go, as FTS5 does by itself, it is many times that."""
    file = tmp_path / "clew.db"
    if at_once_from is not None:
        with sqlite3.connect(file) as connection:
            connection.execute("INSERT INTO search_fts (search_fts, rank) VALUES ('crisismerge', ?)", (at_once_from,))
    changed, most_parts = _grow(file)
    dearest = max(changed) / sorted(changed)[_COMMITS // 2]
    print(f"dearest commit {dearest:.1f} x the usual one, {most_parts} parts")
    assert most_parts < 60
    assert (dearest < 10) is (at_once_from is None)
