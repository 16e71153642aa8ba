"""How ``clew up`` and its parts talk: a part is told when to begin, and reports that it is ready or why it cannot be.

Each part has two pipes. The one it reads from stays open as long as ``clew up`` lives: when that dies, however it dies, its
parts end too. The one it writes to stays open as long as the part lives. Both carry lines of JSON.
"""

import json
import os
import signal
import threading
from collections.abc import Sequence

_GRACE_S = 12.0
"""A part whose ``clew up`` has died has so long to end by itself."""


def ready_line(part: str, url: str) -> str:
    """Return the line that tells that a part works."""
    return f"ready  {part:<10} {url}".rstrip()


class Supervision:
    """A part's side of the two pipes."""

    def __init__(self, fds: Sequence[int]) -> None:
        read_fd, write_fd = fds
        self._orders = os.fdopen(read_fd, "r", encoding="utf-8")
        self._reports = os.fdopen(write_fd, "w", encoding="utf-8")

    def wait_to_begin(self) -> str:
        """Wait for the word to begin and return what comes with it; ends the process where the other side is gone."""
        line = self._orders.readline()
        if not line:
            raise SystemExit(1)
        threading.Thread(target=self._end_with_the_other_side, name="supervision", daemon=True).start()
        told: str = json.loads(line)
        return told

    def report(self, kind: str, *words: str) -> None:
        """Tell the other side something; nobody may be left to hear it."""
        try:
            self._reports.write(json.dumps([kind, *words]) + "\n")
            self._reports.flush()
        except BrokenPipeError:
            return

    def _end_with_the_other_side(self) -> None:
        self._orders.read()
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(_GRACE_S)
        os._exit(1)
