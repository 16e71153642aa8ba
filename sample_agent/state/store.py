"""The store of everything that outlives a process: sessions, notes, intents, agreements, limits, spending, the queue, episodes, answers."""

from pathlib import Path

from ..sqlite_file import SqliteFile

TABLES = """
CREATE TABLE IF NOT EXISTS session (
    id TEXT PRIMARY KEY, user_id TEXT NOT NULL, owner TEXT NOT NULL, touched_s INTEGER NOT NULL, summary TEXT NOT NULL,
    version INTEGER NOT NULL, continues TEXT REFERENCES session, closed_because TEXT
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS session_after ON session (continues);
CREATE INDEX IF NOT EXISTS session_open ON session (touched_s) WHERE closed_because IS NULL;
CREATE TABLE IF NOT EXISTS turn (number INTEGER PRIMARY KEY, session_id TEXT NOT NULL, role TEXT NOT NULL, text TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS turn_of ON turn (session_id);
CREATE TABLE IF NOT EXISTS note (number INTEGER PRIMARY KEY, session_id TEXT NOT NULL, content TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS note_of ON note (session_id);
CREATE TABLE IF NOT EXISTS intent (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, session_id TEXT NOT NULL, tool TEXT NOT NULL, arguments TEXT NOT NULL,
    outcome TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS intent_open ON intent (session_id) WHERE outcome IS NULL;
CREATE TABLE IF NOT EXISTS agreement (
    number INTEGER PRIMARY KEY, session_id TEXT NOT NULL, key TEXT NOT NULL, tool TEXT NOT NULL, arguments TEXT NOT NULL,
    question TEXT NOT NULL, asked_s INTEGER NOT NULL, status TEXT NOT NULL CHECK (status IN ('asked', 'granted', 'declined', 'spent'))
) STRICT;
CREATE INDEX IF NOT EXISTS agreement_of ON agreement (session_id, key);
CREATE TABLE IF NOT EXISTS admission (
    number INTEGER PRIMARY KEY, limit_name TEXT NOT NULL, whose TEXT NOT NULL, at_s REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS admission_of ON admission (limit_name, whose, at_s);
CREATE TABLE IF NOT EXISTS spending (session_id TEXT PRIMARY KEY, tokens INTEGER NOT NULL, touched_s INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS answered (
    whose TEXT NOT NULL, question TEXT NOT NULL, text TEXT NOT NULL, at_s INTEGER NOT NULL, PRIMARY KEY (whose, question)
) STRICT;
CREATE TABLE IF NOT EXISTS escalation (
    number INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL, user_id TEXT NOT NULL, content TEXT NOT NULL, at_s INTEGER NOT NULL,
    taken_by TEXT
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS escalation_open ON escalation (session_id) WHERE taken_by IS NULL;
CREATE TABLE IF NOT EXISTS episode (
    number INTEGER PRIMARY KEY, user_id TEXT NOT NULL, session_id TEXT NOT NULL, text TEXT NOT NULL, at_s INTEGER NOT NULL,
    vector BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS episode_of ON episode (user_id);
"""


class StateStore(SqliteFile):
    """The state of all sessions in an SQLite file that several processes share."""

    def __init__(self, path: Path | str, *, durable: bool = True) -> None:
        super().__init__(path, TABLES, durable=durable)
