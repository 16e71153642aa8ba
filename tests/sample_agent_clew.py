"""A whole Clew in this process: OTLP in over HTTP, a durable store, the API out."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from ingest.intake import Intake
from ingest.store.engine import Store, open_store
from ingest.store.writer import Writer
from migrations.migrate import migrate

from .otlp_servers import LIMIT, Setup, http_receiver
from .webui_app import client_of
from .wire import link_all

_MOST_BYTES = 64 * LIMIT


@dataclass
class Clew:
    """A running Clew."""

    endpoint: str
    """Where exporters send to."""
    store: Store
    client: FlaskClient

    def get(self, path: str) -> Any:
        """Return what the API answers."""
        answer = self.client.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.data[:500])
        return json.loads(answer.data)

    def link(self, now_ns: int) -> None:
        """Do what the worker does: derive runs, costs and roll-ups."""
        link_all(self.store, now_ns)


@contextmanager
def running_clew(directory: Path) -> Iterator[Clew]:
    """Run a Clew whose data lie in a directory until the block ends."""
    url = f"sqlite:///{directory / 'clew.db'}"
    migrate(url)
    store = open_store(url)
    writer = Writer(store)
    intake = Intake(writer, _MOST_BYTES)
    try:
        with http_receiver(_Behind(intake)) as receiver:
            yield Clew(f"http://127.0.0.1:{receiver.port}", store, client_of(store, url))
    finally:
        intake.close()
        writer.close()
        store.close()


class _Behind(Setup):
    """Puts the real intake behind a receiver."""

    def __init__(self, intake: Intake) -> None:
        super().__init__()
        self.take = intake.take  # type: ignore[method-assign]  # the same callable, the real one
