"""The daily sums of tallies, moved by the difference in the transaction that replaces a trace's tally; branch points; newest signs.

As with the bill: after each transaction the daily sums equal those of all tallies, whatever came twice, late or was linked again.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import add, sub

from .bulk import Row, Transaction, marks, take_turn, transaction
from .derived import branch_point, sign, tally, tally_day
from .engine import Store
from .tally import TALLY_SUMS, Tally, decode_tally

_KEYS = ("project_id", "topic", "day", "agent", "a", "b", "c")
_SET = ", ".join(f"{name} = tally_day.{name} + excluded.{name}" for name in TALLY_SUMS)
_ADD = f"({', '.join(_KEYS)}) DO UPDATE SET {_SET}"
_DELETE_NOTHING = f"DELETE FROM tally_day WHERE {' AND '.join(f'{name} = ?' for name in _KEYS)} AND traces = 0"
_KEEP_BRANCH = "(project_id, branch) DO NOTHING"
_NEWER = (
    "(project_id, agent, name, failed, slot) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in ("started_ns", "trace_id", "run_id", "span_id", "words"))
    + " WHERE sign.started_ns <= excluded.started_ns"
)

Sums = dict[Row, list[int]]


def move_tallies(tx: Transaction, old: Iterable[Row], new: Iterable[tuple[int, Tally]]) -> None:
    """Move the daily sums by the difference between tallies that went, by their rows, and those of projects' traces that came."""
    moved: Sums = {}
    for project_id, came in new:
        _move(moved, project_id, came, add)
    for project_id, _, data in old:
        _move(moved, project_id, decode_tally(data), sub)
    changed = sorted((*key, *sums) for key, sums in moved.items() if any(sums))
    tx.insert(tally_day.name, tally_day.c.keys(), changed, _ADD)
    tx.many(_DELETE_NOTHING, [row[: len(_KEYS)] for row in changed if row[len(_KEYS)] < 0])


def _move(moved: Sums, project_id: int, found: Tally, how: Callable[[int, int], int]) -> None:
    """Add a tally to sums, or take it away from them."""
    day = found.day
    for one in found.entries:
        key = (project_id, one.topic, day, one.agent, one.a, one.b, one.c)
        sums = moved.get(key)
        if sums is None:
            sums = moved[key] = [0] * len(one.sums)
        sums[:] = map(how, sums, one.sums)


def read_tallies(tx: Transaction, project_id: int, trace_ids: Sequence[bytes]) -> list[Row]:
    """Return the tallies of some traces."""
    statement = f"SELECT project_id, trace_id, entries FROM tally WHERE project_id = ? AND trace_id IN ({marks(trace_ids)})"
    return tx.rows(statement, (project_id, *trace_ids))


def store_branches(tx: Transaction, rows: Iterable[Row]) -> None:
    """Keep branch points that are not known yet."""
    tx.insert(branch_point.name, branch_point.c.keys(), sorted(set(rows)), _KEEP_BRANCH)


def store_signs(tx: Transaction, rows: Sequence[Row]) -> None:
    """Keep the newest examples of signs, three of each."""
    newest: dict[Row, Row] = {}
    for row in sorted(rows, key=lambda row: (row[5], row[6])):
        newest[row[:5]] = row
    tx.insert(sign.name, sign.c.keys(), [newest[key] for key in sorted(newest)], _NEWER)


def forget_signs(tx: Transaction, project_id: int, trace_ids: Sequence[bytes]) -> None:
    """Drop the examples that are in some traces. The table holds some hundred rows, whatever is stored."""
    if trace_ids:
        tx.run(f"DELETE FROM sign WHERE project_id = ? AND trace_id IN ({marks(trace_ids)})", (project_id, *trace_ids))


def rebuild_tallies(store: Store, project_id: int) -> bool:
    """Bring a project's daily sums in line with its tallies; returns whether anything was wrong."""
    with transaction(store) as tx:
        take_turn(tx)
        truth: Sums = {}
        for _, _, data in tx.rows(f"SELECT project_id, trace_id, entries FROM {tally.name} WHERE project_id = ?", (project_id,)):
            _move(truth, project_id, decode_tally(data), add)
        wanted = sorted((*key, *sums) for key, sums in truth.items())
        columns = ", ".join(tally_day.c.keys())
        stored = sorted(tx.rows(f"SELECT {columns} FROM {tally_day.name} WHERE project_id = ?", (project_id,)))
        if [tuple(row) for row in stored] == wanted:
            return False
        tx.run(f"DELETE FROM {tally_day.name} WHERE project_id = ?", (project_id,))
        tx.insert(tally_day.name, tally_day.c.keys(), wanted)
        return True
