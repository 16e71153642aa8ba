"""``python -m bench [NAMES...] [--quick]``: measure, show the table, exit 1 where a limit is not kept.

Nothing else should use the machine meanwhile: absolute times move with it. Ratios to the floor come from one run.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from http.client import HTTPException

from . import browser, detectors, freshness, giant, ingest, reads, sdk, start
from .figures import Figure, table
from .fill import WrongAnswer
from .scale import FULL, QUICK, Scale
from .senders import SendingFailed
from .server import ServerFailed

_ALONE: tuple[tuple[str, Callable[[Scale], Iterator[Figure]]], ...] = (
    ("start", start.measure),
    ("ingest", ingest.measure),
    ("freshness", freshness.measure),
    ("giant", giant.measure),
    ("sdk", sdk.measure),
    ("detectors", detectors.measure),
    ("browser", browser.measure),
)
NAMES = tuple(name for name, _ in _ALONE) + reads.NAMES


_FAILURES = (ServerFailed, SendingFailed, WrongAnswer, TimeoutError, OSError, HTTPException)
"""What ends one benchmark and not the others."""


def _benchmarks(names: Collection[str], scale: Scale) -> Iterator[tuple[str, Iterator[Figure]]]:
    for name, measure in _ALONE:
        if name in names:
            yield name, measure(scale)
    wanted = [name for name in reads.NAMES if name in names]
    if wanted:
        yield from reads.benchmarks(wanted, scale)


def _measure(names: Collection[str], scale: Scale, figures: list[Figure]) -> bool:
    """Add every figure as it comes; return whether all benchmarks came to their end."""
    failed = False
    benchmarks = _benchmarks(names, scale)
    try:
        for name, measured in benchmarks:
            failed |= not _collect(name, measured, figures)
    except _FAILURES as error:
        _tell_failure("filling", error)
        failed = True
    return not failed


def _collect(name: str, measured: Iterator[Figure], figures: list[Figure]) -> bool:
    try:
        for figure in measured:
            figures.append(figure)
            print(f"  {figure.name}: {figure.measured:,.4g} {figure.unit}", file=sys.stderr, flush=True)
    except _FAILURES as error:
        _tell_failure(name, error)
        return False
    return True


def _tell_failure(name: str, error: Exception) -> None:
    print(f"{name} failed: {error or type(error).__name__}", file=sys.stderr, flush=True)


def main() -> int:
    """Measure what the arguments name, everything without any, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure, show the table, exit 1 where a limit is not kept.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(NAMES)}; all without any")
    parser.add_argument("--quick", action="store_true", help="smaller sizes: a look, not a result")
    parser.add_argument("--postgresql", action="store_true", help="read from a filled PostgreSQL store instead of SQLite")
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name not in NAMES]
    if unknown:
        parser.error(f"there is no {unknown[0]!r}: any of {', '.join(NAMES)}")
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}")
    figures: list[Figure] = []
    has_ended = _measure(asked.names or NAMES, replace(QUICK if asked.quick else FULL, on_postgresql=asked.postgresql), figures)
    print(table(figures))
    missed = sum(figure.keeps_limit is False for figure in figures)
    print(f"{missed} of {sum(figure.limit is not None for figure in figures)} limits missed")
    return 1 if missed or not has_ended else 0


if __name__ == "__main__":
    sys.exit(main())
