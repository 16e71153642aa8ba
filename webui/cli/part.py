"""``clew ingest``, ``web``, ``worker`` and ``migrate``: one part in this process, by itself."""

import argparse
from collections.abc import Callable, Mapping
from importlib import import_module

from .logs import start_logging
from .opening import opened_store, read_settings, store_address
from .supervised import ready_line

RUNNERS = {
    "ingest": ("ingest.serve", "serve"),
    "web": ("webui.server", "serve"),
    "worker": ("webui.cli.rulebook", "run_worker"),
    "migrate": ("webui.cli.migrating", "run_migration"),
    "demo": ("webui.cli.demo", "show_demo"),
}
"""Where each part's function lies: a process imports its own part and no other."""


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Run a part until it is told to stop. Raises what the part raises where it cannot start."""
    settings = read_settings(arguments, environ)
    start_logging(settings.log_format)
    start = find_runner(arguments.command)
    if arguments.command != "migrate":
        with opened_store(settings):
            # Opened to be looked at: a part says what is wrong with its store before it says that it is ready.
            pass
    start(settings, lambda part, address: print(ready_line(part, address or store_address(settings)), flush=True))
    return 0


def find_runner(command: str) -> Callable[..., None]:
    """Import a part and return the function that runs it."""
    module, name = RUNNERS[command]
    found: Callable[..., None] = getattr(import_module(module), name)
    return found
