"""A part's process under ``clew up``: ready to begin, waiting for the word, telling ``clew up`` what goes wrong."""

import argparse
import os
import signal
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from .errors import sentence
from .logs import start_logging
from .opening import read_settings, store_address
from .part import find_runner
from .supervised import Supervision

_YIELDS = {"ingest": 7}
"""How much a part yields where all want the processor: senders can wait, and send again; who reads and what watches must not."""


def run_part(name: str, arguments: argparse.Namespace, environ: Mapping[str, str], supervision: Supervision) -> int:
    """Run a part when told to begin, and return its exit status."""
    # Until a part has handlers of its own, Ctrl-C ends it without a word: clew up tells what there is to tell.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _call_it(f"clew {name}")
    os.nice(_YIELDS.get(name, 0))
    try:
        start = find_runner(name)
        settings = read_settings(arguments, environ)
        start_logging(settings.log_format)
        address = supervision.wait_to_begin()
        if name == "demo":
            start(settings, address, lambda line: supervision.report("say", line))
        else:
            start(settings, lambda part, url: supervision.report("ready", part, url or store_address(settings)))
    except Exception as error:
        if arguments.debug:
            traceback.print_exc()
        supervision.report("error", sentence(error))
        return 1
    return 0


def _call_it(name: str) -> None:
    """Give this process a name of its own in ``top`` and ``ps -o comm``, where the system is Linux."""
    with suppress(OSError):
        Path("/proc/self/comm").write_text(name, encoding="utf-8")
