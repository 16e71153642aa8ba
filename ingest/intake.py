"""What both receivers call: a request is inflated, decoded and prepared off the event loop, then stored durably."""

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import msgspec

from .budget import Overloaded
from .heartbeat import Counts
from .otlp import json as otlp_json
from .otlp import protobuf as otlp_protobuf
from .otlp.decoded import DecodedLogs, DecodedSpans, TooLarge, Undecodable
from .otlp.export import Authenticate, Export, Outcome, Take
from .otlp.inflate import inflate
from .store.prepare import Prepared, prepare
from .store.writer import Writer

__all__ = ["Authenticate", "Export", "Intake", "Outcome", "Take", "prepare_export"]

log = logging.getLogger(__name__)

_PROCESSES_FROM_CORES = 4
"""With fewer cores the event loop, the writer, the linker and the senders need what there is: two processes on two cores
took in no more than one thread did. Two threads took in a fifth less, fighting over the interpreter's lock."""

_MOST_PROCESSES = 4

_LARGE_BYTES = 8 << 20
"""Larger requests have a thread of their own, so that others do not wait behind them."""


class PreparedExport(msgspec.Struct):
    """A request ready to be stored, and what to tell its sender."""

    batch: Prepared | None
    """None where there is nothing to store."""
    outcome: Outcome


def prepare_export(export: Export, limit_bytes: int, now_ns: int) -> PreparedExport:
    """Inflate, decode and prepare a request. Pure; raises ``Undecodable``, ``TooLarge``."""
    body = inflate(export.body, limit_bytes) if export.gzipped else export.body
    if len(body) > limit_bytes:
        raise TooLarge(f"The body is larger than {limit_bytes} bytes.")
    codec = otlp_json if export.is_json else otlp_protobuf
    if export.signal == "traces":
        decoded = codec.decode_traces(body, now_ns)
        batch = prepare(export.project_id, decoded.spans, (), now_ns) if decoded.spans else None
        return PreparedExport(batch, _spans_outcome(decoded))
    said = codec.decode_logs(body, now_ns)
    batch = prepare(export.project_id, (), said.records, now_ns) if said.records else None
    return PreparedExport(batch, _logs_outcome(said))


def _spans_outcome(decoded: DecodedSpans) -> Outcome:
    return Outcome(decoded.rejected, _sentences(decoded.problems, decoded.rejected))


def _logs_outcome(decoded: DecodedLogs) -> Outcome:
    sentences = _sentences(decoded.problems, decoded.rejected)
    if decoded.not_kept:
        kept = f"Log records that name no span are not kept: {decoded.not_kept}."
        sentences = f"{sentences} {kept}".lstrip()
    return Outcome(decoded.rejected, sentences)


def _sentences(problems: list[str], rejected: int) -> str:
    more = rejected - len(problems)
    return " ".join([*problems, f"And {more} more."] if more > 0 else problems)


class Intake:
    """Takes requests in. ``take`` is used on one event loop; ``close`` ends the workers, not the writer."""

    def __init__(self, writer: Writer, limit_bytes: int, cores: int | None = None) -> None:
        self.counts = Counts()
        self._writer = writer
        self._limit = limit_bytes
        self._cores = len(os.sched_getaffinity(0)) if cores is None else cores
        self._has_lanes = self._cores < _PROCESSES_FROM_CORES
        self._lanes = self._start_workers()

    def _start_workers(self) -> tuple[Executor, Executor]:
        """Return who works on requests of usual size and who on large ones."""
        if self._has_lanes:
            return ThreadPoolExecutor(1, thread_name_prefix="intake"), ThreadPoolExecutor(1, thread_name_prefix="large-intake")
        # Spawned, not forked: this process has threads, and gRPC does not survive a fork.
        context = multiprocessing.get_context("spawn")
        workers = ProcessPoolExecutor(min(self._cores - 1, _MOST_PROCESSES), context, _begin_worker)
        return workers, workers

    async def take(self, export: Export) -> Outcome:
        """Take a request in; return when it is durable.

        Raises ``Undecodable`` and ``TooLarge`` for good, ``StoreBusy`` and ``Overloaded`` where it may be sent again.
        """
        try:
            prepared = await self._prepare(export)
        except (Undecodable, TooLarge):
            self._count(export, 0, 1)
            raise
        if prepared.batch is not None:
            # It counts as arrived from now: where many wait to be decoded, a trace would seem to rest before it was stored.
            batch = msgspec.structs.replace(prepared.batch, arrived_ns=time.time_ns())
            # A sender that leaves must not cancel what the writer already has.
            await asyncio.shield(asyncio.wrap_future(self._writer.submit(batch)))
        self._count(export, prepared.batch.span_count if prepared.batch is not None else 0, prepared.outcome.rejected)
        return prepared.outcome

    def _count(self, export: Export, stored: int, rejected: int) -> None:
        if export.signal == "traces":
            self.counts.note(export.project_id, stored, rejected)

    async def _prepare(self, export: Export) -> PreparedExport:
        if not self._has_lanes:
            return await self._work(1, export, self._limit)
        if len(export.body) <= _LARGE_BYTES < self._limit:
            try:
                return await self._work(0, export, _LARGE_BYTES)
            except TooLarge:
                # Only inflating tells how large a body is; one that waits here is still small.
                pass
        return await self._work(1, export, self._limit)

    async def _work(self, lane: int, export: Export, limit_bytes: int) -> PreparedExport:
        lanes = self._lanes
        try:
            return await asyncio.get_running_loop().run_in_executor(lanes[lane], prepare_export, export, limit_bytes, time.time_ns())
        except BrokenProcessPool as error:
            log.error("a worker process ended unexpectedly: starting new ones")
            if self._lanes is lanes:
                self._lanes = self._start_workers()
            raise Overloaded("This could not be worked on; send it again in a moment.") from error

    def close(self) -> None:
        """End the workers. What they work on is finished first; what waits for them is given up, its senders were told so."""
        for workers in self._lanes:
            workers.shutdown(wait=True, cancel_futures=True)


def _begin_worker() -> None:
    """Let the parent alone decide when this process ends: by closing its queue, or by being gone."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
