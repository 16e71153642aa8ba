"""Opening what commands work on: the settings of an environment, and the store they name."""

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import make_url

from ingest.settings import Settings, load_settings
from ingest.store.engine import Store, open_store, schema_problem
from ingest.store.schema import REVISION

from .errors import CliError
from .parser import SETTING_OPTIONS


def read_settings(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """Return the settings of an environment under the command's options. Raises ``SettingsError``."""
    return load_settings(environ, {name: getattr(arguments, name, None) for name in SETTING_OPTIONS})


def store_address(settings: Settings) -> str:
    """Return where the store is, without its password."""
    return make_url(settings.database_url).render_as_string(hide_password=True)


@contextmanager
def opened_store(settings: Settings) -> Iterator[Store]:
    """Open the store of a command and close it at the end. Raises ``CliError`` where it cannot serve, with what to do."""
    store = open_store(settings.database_url)
    try:
        problem = schema_problem(store, REVISION)
        if problem is not None:
            raise CliError(problem)
        yield store
    finally:
        store.close()
