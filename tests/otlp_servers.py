"""Receivers on free loopback ports, in front of functions and lists."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ingest.budget import Budget
from ingest.grpc_receiver import GrpcReceiver
from ingest.http_server import HttpServer
from ingest.listen import listen
from ingest.otlp.export import Authenticate, Export, Outcome
from ingest.receiver import Limits, Receiver

LIMIT = 1 << 20


@dataclass
class Setup:
    """What stands behind a receiver: takes everything, and answers with ``outcome`` or raises it."""

    taken: list[Export] = field(default_factory=list)
    outcome: Outcome | Exception = field(default_factory=Outcome)
    authenticate: Authenticate | None = None
    budget: Budget = field(default_factory=lambda: Budget(4 * LIMIT))
    limits: Limits = field(default_factory=lambda: Limits(LIMIT))
    wait: Callable[[], Awaitable[object]] | None = None
    """Awaited before a request is answered."""

    async def take(self, export: Export) -> Outcome:
        """Take a request in."""
        self.taken.append(export)
        if self.wait is not None:
            await self.wait()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


async def one_key(key: str) -> int | None:
    """Know one key, of project 7."""
    return 7 if key == "clew_good" else None


@dataclass
class Running:
    """A running receiver."""

    port: int
    stop: Callable[[], None]
    """Begins to stop it, from any thread."""
    ended: threading.Event


@contextmanager
def http_receiver(setup: Setup) -> Iterator[Running]:
    """Run the HTTP receiver in a thread of its own, and stop it at the end."""
    receiver = Receiver(setup.take, setup.authenticate, setup.budget, setup.limits)
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]

    async def serve(stop: asyncio.Event, started: Callable[[], None]) -> None:
        server = HttpServer(receiver)
        running = asyncio.create_task(server.run(listener))
        await server.started()
        started()
        await stop.wait()
        receiver.stop()
        server.stop()
        await running

    with _in_thread(serve) as (begin_stop, ended):
        yield Running(port, begin_stop, ended)


@contextmanager
def grpc_receiver(setup: Setup) -> Iterator[Running]:
    """Run the gRPC receiver in a thread of its own, and stop it at the end."""
    receiver = GrpcReceiver(setup.take, setup.authenticate, setup.budget, setup.limits)
    ports: list[int] = []

    async def serve(stop: asyncio.Event, started: Callable[[], None]) -> None:
        server, port = receiver.serve("127.0.0.1", 0)
        await server.start()
        ports.append(port)
        started()
        await stop.wait()
        receiver.stop()
        await server.stop(5)

    with _in_thread(serve) as (begin_stop, ended):
        yield Running(ports[0], begin_stop, ended)


Serve = Callable[[asyncio.Event, Callable[[], None]], Awaitable[None]]


@contextmanager
def _in_thread(serve: Serve) -> Iterator[tuple[Callable[[], None], threading.Event]]:
    started, ended = threading.Event(), threading.Event()
    stops: list[Callable[[], object]] = []

    async def main() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        stops.append(lambda: loop.call_soon_threadsafe(stop.set))
        await serve(stop, started.set)

    def run() -> None:
        try:
            asyncio.run(main())
        finally:
            ended.set()

    def begin_stop() -> None:
        stops[0]()

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(10)
    try:
        yield begin_stop, ended
    finally:
        if not ended.is_set():
            stops[0]()
        thread.join(15)
        assert not thread.is_alive()
