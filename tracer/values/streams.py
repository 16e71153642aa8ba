"""Streamed replies, passed on event by event and read as a whole at the end."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

from .responses import Reply
from .stream_shapes import Gatherer

_T = TypeVar("_T")

Done = Callable[[Reply], None]
"""Is told what the stream amounted to, once, whether it ended, was left early or raised."""


def accumulate(events: Iterable[_T], done: Done) -> Iterator[_T]:
    """Yield each event of a stream unchanged, and tell ``done`` of the whole at its end, however it ends."""
    gatherer = Gatherer()
    try:
        for event in events:
            gatherer.add(event)
            yield event
    finally:
        _tell(done, gatherer)


async def accumulate_async(events: AsyncIterable[_T], done: Done) -> AsyncIterator[_T]:
    """Yield each event of an asynchronous stream unchanged, and tell ``done`` of the whole at its end, however it ends."""
    gatherer = Gatherer()
    try:
        async for event in events:
            gatherer.add(event)
            yield event
    finally:
        _tell(done, gatherer)


def _tell(done: Done, gatherer: Gatherer) -> None:
    # Telemetry must not end the host's stream in another error than its own.
    with suppress(Exception):
        done(gatherer.reply())
