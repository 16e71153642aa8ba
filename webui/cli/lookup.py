"""Finding the trace that a command is about, as the API's lookup does, in the store itself."""

from collections.abc import Iterator
from contextlib import contextmanager

from ingest.settings import Settings
from ingest.store.access import find_project
from webui.lookup import Lookup, look_up
from webui.reads import Library, Reads
from webui.telemetry import Telemetry

from .errors import CliError
from .opening import opened_store
from .plain import plain_line


@contextmanager
def opened_reads(settings: Settings, project: str) -> Iterator[Reads]:
    """Open what the pages read, for one project."""
    with opened_store(settings) as store:
        yield Reads(Library(settings, store, Telemetry()), find_project(store, project).id)


def find_matches(reads: Reads, asked: str) -> Lookup:
    """Return what a text is about."""
    return look_up(asked, reads.sources())


def find_one(reads: Reads, asked: str) -> bytes:
    """Return the one trace that a text is about. Raises ``CliError`` where there is none or more than one."""
    found = find_matches(reads, asked)
    if found.miss is not None:
        raise CliError(plain_line(found.miss.message))
    if len(found.matches) > 1:
        raise CliError(f"{len(found.matches)} traces match: clew trace lists them; give one's id.")
    return found.matches[0].trace_id
