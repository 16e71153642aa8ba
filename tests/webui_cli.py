"""The command line in tests: the whole of it in this process, with an environment of its own."""

import io
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from webui.cli.main import main


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


def clew(store_url: str, *words: str) -> Said:
    """Carry out a command on a store, as ``main`` does, but with nothing else in its environment."""
    written, err = io.BytesIO(), io.StringIO()
    out = io.TextIOWrapper(written, "utf-8", write_through=True)
    with redirect_stdout(out), redirect_stderr(err):
        status = _carry_out(store_url, words)
    return Said(status, written.getvalue().decode(), err.getvalue())


def _carry_out(store_url: str, words: Sequence[str]) -> int:
    try:
        return main(words, {"CLEW_DATABASE_URL": store_url})
    except SystemExit as error:
        # How the parser ends a command that is none.
        return int(error.code or 0)
