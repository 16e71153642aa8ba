"""The ingest process: both receivers on one event loop, in front of one writer."""

import asyncio
import contextlib
import gc
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator

from .budget import Budget
from .grpc_receiver import GrpcReceiver
from .heartbeat import beat
from .http_server import STOP_S, HttpServer
from .intake import Intake
from .keyring import Keyring
from .listen import listen, url_host
from .otlp.export import Authenticate
from .receiver import Limits, Receiver
from .settings import Settings
from .store.access import authenticate
from .store.engine import LOG_PAGES, Store, open_store
from .store.writer import Writer

Ready = Callable[[str, str], None]
"""Told a part's name and address once it accepts requests."""

_TURN_S = 0.0002
"""How long a thread that decodes may keep the event loop and the writer waiting for the interpreter's lock: with Python's 5 ms
they take turns so seldom that half of the throughput is lost. A commit gives it up at each statement."""

_LOG_PAGES = 4 * LOG_PAGES
"""Senders wait for commits: copying SQLite's log is left to the worker as long as there is one."""

_BODIES_IN_FLIGHT = 2
"""The budget of all requests, in bodies of the largest size."""


def serve(settings: Settings, ready: Ready) -> None:
    """Receive OTLP until SIGTERM or SIGINT, then finish what was accepted and return within ten seconds.

    Port 0 takes any free one. Raises ``OSError`` where an address cannot be listened on; its text says so in one sentence.
    """
    listener = listen(settings.host, settings.otlp_http_port)
    try:
        store = open_store(settings.database_url, _LOG_PAGES)
        try:
            asyncio.run(_serve(settings, store, listener, ready))
        finally:
            store.close()
    finally:
        listener.close()


async def _serve(settings: Settings, store: Store, listener: socket.socket, ready: Ready) -> None:
    writer = Writer(store)
    intake = Intake(writer, settings.max_body_bytes)
    keys: Authenticate | None = Keyring(lambda key: authenticate(store, key, "ingest")).authenticate if settings.auth else None
    budget = Budget(_BODIES_IN_FLIGHT * settings.max_body_bytes)
    limits = Limits(settings.max_body_bytes)
    try:
        http = Receiver(intake.take, keys, budget, limits)
        grpc = GrpcReceiver(intake.take, keys, budget, limits)
        heart = asyncio.create_task(beat(intake.take, intake.counts, store))
        try:
            await _run(http, grpc, settings, listener, ready)
        finally:
            heart.cancel()
    finally:
        # In this order: workers hand over what they have, the writer writes it.
        await asyncio.to_thread(intake.close)
        await asyncio.to_thread(writer.close)
        await intake.counts.write(store)


async def _run(http: Receiver, grpc: GrpcReceiver, settings: Settings, listener: socket.socket, ready: Ready) -> None:
    host = url_host(settings.host)
    grpc_server, grpc_port = grpc.serve(settings.host, settings.otlp_grpc_port)
    http_server = HttpServer(http)
    stop = asyncio.Event()
    with _signals(stop):
        await grpc_server.start()
        running = asyncio.create_task(http_server.run(listener))
        await http_server.started()
        # What is loaded now lives as long as the process, and what a request makes is freed by counting: looking for
        # garbage finds next to nothing.
        gc.collect()
        gc.freeze()
        gc.set_threshold(200_000, 20, 50)
        sys.setswitchinterval(_TURN_S)
        ready("otlp-http", f"http://{host}:{listener.getsockname()[1]}")
        ready("otlp-grpc", f"{host}:{grpc_port}")
        await asyncio.wait([running, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
        http.stop()
        grpc.stop()
        http_server.stop()
        await asyncio.gather(running, grpc_server.stop(STOP_S))


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """Set ``stop`` on SIGTERM and SIGINT, where this thread may be told of signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
