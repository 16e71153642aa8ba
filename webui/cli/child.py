"""A part's process under ``clew up``: ready to begin, waiting for the word, telling ``clew up`` what goes wrong."""

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence

from .errors import sentence
from .logs import start_logging
from .opening import read_settings, store_address
from .parser import SETTING_OPTIONS
from .part import find_runner
from .supervised import Supervision


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the part that the command line names, when told to begin."""
    arguments = _parse(argv)
    supervision = Supervision(arguments.supervised)
    try:
        start = find_runner(arguments.command)
        settings = read_settings(arguments, environ)
        start_logging(settings.log_format)
        address = supervision.wait_to_begin()
        if arguments.command == "demo":
            start(settings, address, lambda line: supervision.report("say", line))
        else:
            start(settings, lambda part, url: supervision.report("ready", part, url or store_address(settings)))
    except Exception as error:
        if arguments.debug:
            traceback.print_exc()
        supervision.report("error", sentence(error))
        return 1
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("--debug", action="store_true")
    parser.add_argument("--supervised", nargs=2, type=int, required=True)
    for name in SETTING_OPTIONS:
        parser.add_argument(f"--{name.replace('_', '-')}")
    return parser.parse_args(argv)


if __name__ == "__main__":
    # Until a part has handlers of its own, Ctrl-C ends it without a word: clew up tells what there is to tell.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(main(sys.argv[1:], os.environ))
