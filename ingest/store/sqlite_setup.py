"""SQLite told, before it begins, not to count the memory it takes: each allocation waits for a lock otherwise.

SQLite itself advises to build it so (https://sqlite.org/compile.html, SQLITE_DEFAULT_MEMSTATUS); Linux distributions do not. Nothing
here asks for the counts.
"""

import ctypes
import importlib.util

_CONFIG_MEMSTATUS = 9


def count_no_memory() -> bool:
    """Turn the counting off; to be called before ``sqlite3`` is imported. Returns whether it is off.

    Where SQLite has begun already it refuses, and where Python holds it in a way that cannot be reached nothing is done: all works
    the same, a little slower.
    """
    found = importlib.util.find_spec("_sqlite3")
    try:
        # The driver's own library, so that it is the very SQLite that the driver uses.
        library = ctypes.CDLL(found.origin if found is not None else None)
        return bool(library.sqlite3_config(_CONFIG_MEMSTATUS, 0) == 0)
    except (OSError, AttributeError):
        return False
