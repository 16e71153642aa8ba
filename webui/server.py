"""The web process: a threaded WSGI server around the application."""

import gc
import logging
import signal
from collections.abc import Callable
from threading import current_thread, main_thread
from types import FrameType

from waitress.server import create_server

from ingest.listen import listen, url_host
from ingest.settings import Settings
from ingest.store.engine import open_store

from .app import create_app

Ready = Callable[[str, str], None]
"""Told the part's name and URL once it accepts requests."""

_THREADS = 8
_CONNECTIONS = 1_000
_IDLE_S = 60


def serve(settings: Settings, ready: Ready) -> None:
    """Serve pages and API until SIGTERM or SIGINT; port 0 takes any free one and ``ready`` names it.

    Raises ``OSError`` where the address cannot be listened on; its text says so in one sentence.
    """
    # It warns of each request that waits for a thread, be it for a moment at the start.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    listener = listen(settings.host, settings.port)
    store = open_store(settings.database_url)
    server = create_server(
        create_app(settings, store),
        sockets=[listener],
        threads=_THREADS,
        connection_limit=_CONNECTIONS,
        channel_timeout=_IDLE_S,
        asyncore_use_poll=True,
        max_request_body_size=1 << 20,
        max_request_header_size=1 << 16,
        ident=None,
    )
    if current_thread() is main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _stop)
    # What is loaded now lives as long as the process, and traces are trees that die all at once: looking for garbage more
    # seldom finds just as much.
    gc.freeze()
    gc.set_threshold(200_000, 20, 50)
    host = url_host(settings.host)
    ready("web", f"http://{host}:{listener.getsockname()[1]}")
    try:
        server.run()
    finally:
        server.close()
        store.close()


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
