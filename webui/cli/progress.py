"""Progress of long work: a bar on a terminal, silence in a pipe."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Told = Callable[[int, int], None]
"""Told how many of how many are done."""


@contextmanager
def progress_bar(label: str) -> Iterator[Told]:
    """Show a bar on stderr while the block runs and yield what moves it; shows nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield _nobody
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)

        def move(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield move


def _nobody(done: int, total: int) -> None:
    """Tell nobody."""
