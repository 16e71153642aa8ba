"""The ``clew`` command. It imports next to nothing itself: each command brings what it needs."""

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module

from ingest.store.sqlite_setup import count_no_memory

from .errors import sentence
from .parser import build_parser

_INTERRUPTED = 130
"""What a shell shows for a command that Ctrl-C ended."""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Carry out a command and return its exit status: 0 is success, 1 a failure told on stderr, 2 a command that is none."""
    arguments = build_parser().parse_args(argv)
    count_no_memory()
    try:
        # The table of commands names modules, so that each command pays for what it imports and for nothing else.
        status: int = import_module(arguments.module).run(arguments, environ)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone; the interpreter must not complain of that at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if arguments.debug:
            traceback.print_exc()
        print(f"clew: {sentence(error)}", file=sys.stderr)
        return 1
    return status
