"""Batches on disk while the backend is away: bounded, in order, and readable after the process was killed in the middle of a write.

A spool is a directory of segments, each a sequence of records with a checksum. Every process writes segments of its own, which it holds
locked; segments that nobody holds were left by a process that died, and whoever finds them sends them.
"""

import json
import logging
import os
import struct
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .encode import Batch
from .loss import SPOOL_AGE, SPOOL_FULL, Losses, Share

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger("clew")

_MAGIC = b"CLW1"
_HEAD = struct.Struct(">4sIII")
"""Magic, bytes of the description, bytes of the body, checksum of both."""
_SEGMENT_BYTES = 16 << 20
_LARGEST_RECORD_BYTES = 64 << 20
_LOOK_AGAIN_S = 60.0
"""How often it is looked whether another process left something."""


@dataclass(slots=True)
class _Segment:
    path: Path
    file: int
    """A descriptor; the lock belongs to it."""
    size: int
    offset: int = 0
    """What of it has been delivered."""


class Spool:
    """A directory of batches. Used by one thread; nothing of it raises but the making of it."""

    def __init__(self, directory: str, bounds: tuple[int, float], losses: Losses, epoch_s: Callable[[], float] = time.time) -> None:
        """Open a directory, and make it where there is none. Raises ``OSError`` where that cannot be."""
        self._directory = Path(directory)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._most_bytes, self._most_age_s = bounds
        self._losses = losses
        self._epoch_s = epoch_s
        self._is_broken = False
        self._number = 0
        self._segments: deque[_Segment] = deque()
        self._writing: _Segment | None = None
        self._first: tuple[Batch, int] | None = None
        self._looked_s = -_LOOK_AGAIN_S
        self._adopt()

    @property
    def has_any(self) -> bool:
        """Tell whether there is something to deliver."""
        if not self._segments:
            self._adopt()
        return bool(self._segments)

    def append(self, batch: Batch) -> bool:
        """Write a batch; False where it could not be written."""
        meta = json.dumps([batch.created_s, [[share.trace_id, share.run_id, share.spans] for share in batch.shares]]).encode()
        record = _HEAD.pack(_MAGIC, len(meta), len(batch.body), zlib.crc32(meta + batch.body)) + meta + batch.body
        if len(record) > min(self._most_bytes, _LARGEST_RECORD_BYTES) or not self._make_room(len(record)):
            self._losses.note(batch.shares, SPOOL_FULL)
            return True
        try:
            segment = self._segment_for(len(record))
            written = os.pwrite(segment.file, record, segment.size)
            if written != len(record):
                raise OSError("short write")
        except OSError as error:
            self._tell_broken(error)
            return False
        segment.size += written
        self._is_broken = False
        return True

    def first(self, now_s: float) -> Batch | None:
        """Return the oldest batch, or None. It stays until ``drop_first``. What is too old is lost and counted."""
        while self._first is None and self.has_any:
            segment = self._segments[0]
            self._first = _read_record(segment)
            if self._first is None:
                self._end_first()
            elif now_s - self._first[0].created_s > self._most_age_s:
                self._losses.note(self._first[0].shares, SPOOL_AGE)
                self.drop_first()
        return self._first[0] if self._first is not None else None

    def drop_first(self) -> None:
        """Forget the oldest batch: it was delivered. What a crash forgets to forget is delivered twice, which does no harm."""
        if self._first is not None:
            self._segments[0].offset = self._first[1]
            self._first = None
            if self._segments[0].offset >= self._segments[0].size:
                self._end_first()

    def close(self) -> None:
        """Leave what is there to the next process."""
        for segment in self._segments:
            _close(segment.file)
        self._segments.clear()
        self._writing = self._first = None
        self._looked_s = float("inf")

    def renew(self) -> None:
        """Begin anew: after a fork, the segments are the parent's, who keeps the locks."""
        self.close()
        self._looked_s = -_LOOK_AGAIN_S
        self._number = 0

    # --- segments -----------------------------------------------------------------------------------------------------

    def _segment_for(self, size: int) -> _Segment:
        if self._writing is None or self._writing.size + size > _SEGMENT_BYTES:
            self._writing = self._new_segment()
            self._segments.append(self._writing)
        return self._writing

    def _new_segment(self) -> _Segment:
        self._number += 1
        path = self._directory / f"{int(self._epoch_s() * 1000):015d}-{os.getpid()}-{self._number:06d}.clew"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        _lock(file)
        return _Segment(path, file, 0)

    def _end_first(self) -> None:
        """Remove the oldest segment: all of it was delivered or given up."""
        segment = self._segments.popleft()
        self._first = None
        if segment is self._writing:
            self._writing = None
        _remove(segment)

    def _make_room(self, size: int) -> bool:
        """Give up the oldest segments until there is room; False where others have taken it all."""
        while self._used_bytes() + size > self._most_bytes:
            if not self._segments:
                return False
            segment = self._segments[0]
            self._losses.note([share for batch in _batches_of(segment) for share in batch.shares], SPOOL_FULL)
            self._end_first()
        return True

    def _used_bytes(self) -> int:
        return sum(_size_of(path) for path in self._paths())

    def _paths(self) -> list[Path]:
        try:
            return sorted(self._directory.glob("*.clew"))
        except OSError:
            return []

    def _adopt(self) -> None:
        """Take over the segments that nobody holds."""
        now_s = time.monotonic()
        if now_s - self._looked_s < _LOOK_AGAIN_S:
            return
        self._looked_s = now_s
        held = {segment.path for segment in self._segments}
        found = [segment for path in self._paths() if path not in held and (segment := _take_over(path)) is not None]
        self._segments.extendleft(reversed(found))

    def _tell_broken(self, error: OSError) -> None:
        if not self._is_broken:
            self._is_broken = True
            why = os.strerror(error.errno) if error.errno else "short write"
            _log.warning("the spool cannot be written to (%s); batches wait in memory", why)


def _take_over(path: Path) -> _Segment | None:
    try:
        file = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return None
    # It may have been delivered and removed between looking and locking.
    if _lock(file) and path.exists():
        return _Segment(path, file, os.fstat(file).st_size)
    _close(file)
    return None


def _lock(file: int) -> bool:
    """Lock a segment for this process; True as well where the system has no such locks."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _close(file: int) -> None:
    try:
        os.close(file)
    except OSError:
        return


def _remove(segment: _Segment) -> None:
    segment.path.unlink(missing_ok=True)
    _close(segment.file)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _batches_of(segment: _Segment) -> Iterator[Batch]:
    at = _Segment(segment.path, segment.file, segment.size, segment.offset)
    while (found := _read_record(at)) is not None:
        at.offset = found[1]
        yield found[0]


def _read_record(segment: _Segment) -> tuple[Batch, int] | None:
    """Return the next whole record and where it ends; what is torn or damaged before it is passed over."""
    offset = segment.offset
    while offset + _HEAD.size <= segment.size:
        found = _parse(segment, offset)
        if found is not None:
            return found
        following = _find_magic(segment, offset + 1)
        if following is None:
            return None
        offset = following
    return None


def _parse(segment: _Segment, offset: int) -> tuple[Batch, int] | None:
    try:
        magic, meta_bytes, body_bytes, checksum = _HEAD.unpack(os.pread(segment.file, _HEAD.size, offset))
        total = meta_bytes + body_bytes
        if magic != _MAGIC or total > _LARGEST_RECORD_BYTES or offset + _HEAD.size + total > segment.size:
            return None
        content = os.pread(segment.file, total, offset + _HEAD.size)
        if zlib.crc32(content) != checksum:
            return None
        created_s, shares = json.loads(content[:meta_bytes])
        return Batch(content[meta_bytes:], tuple(Share(*share) for share in shares), created_s), offset + _HEAD.size + total
    except (OSError, ValueError, TypeError, struct.error):
        return None


def _find_magic(segment: _Segment, offset: int) -> int | None:
    step = 1 << 16
    while offset < segment.size:
        try:
            window = os.pread(segment.file, step + len(_MAGIC) - 1, offset)
        except OSError:
            return None
        at = window.find(_MAGIC)
        if at >= 0:
            return offset + at
        offset += step
    return None
