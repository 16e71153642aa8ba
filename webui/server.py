"""The web process: a threaded WSGI server around the application."""

import signal
from collections.abc import Callable
from threading import current_thread, main_thread
from types import FrameType

from waitress.server import create_server

from ingest.settings import Settings
from ingest.store.engine import open_store

from .app import create_app

Ready = Callable[[str, str], None]
"""Told the part's name and URL once it accepts requests."""

_THREADS = 8
_CONNECTIONS = 1_000
_IDLE_S = 60


def serve(settings: Settings, ready: Ready) -> None:
    """Serve pages and API until SIGTERM or SIGINT; port 0 takes any free one and ``ready`` names it."""
    app = create_app(settings, open_store(settings.database_url))
    server = create_server(
        app,
        host=settings.host,
        port=settings.port,
        threads=_THREADS,
        connection_limit=_CONNECTIONS,
        channel_timeout=_IDLE_S,
        asyncore_use_poll=True,
        max_request_body_size=1 << 20,
        max_request_header_size=1 << 16,
        ident=None,
    )
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    if current_thread() is main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _stop)
    ready("web", f"http://{host}:{server.effective_port}")
    try:
        server.run()
    finally:
        server.close()


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
