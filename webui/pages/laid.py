"""A run's steps laid out and folded, kept for the runs so long that doing it again for each key pressed would be felt."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.model import Run

from .folds import Fold, find_folds
from .steps import Placed, place_steps

_LONG = 2_000
"""Steps from which on a layout is kept."""
_MOST_KEPT = 4


@dataclass(frozen=True, slots=True)
class Laid:
    """The steps of a run in reading order, and which of them repeat."""

    run: Run
    placed: list[Placed]
    folds: Sequence[Fold]


_kept: OrderedDict[int, Laid] = OrderedDict()
_lock = threading.Lock()


def lay_out(run: Run) -> Laid:
    """Return the layout of a run, which nobody may change. It is kept by identity: another reading of the trace has another run."""
    with _lock:
        known = _kept.get(id(run))
        # What is kept holds its run, so that the same id is the same run; the test costs nothing and proves it.
        if known is not None and known.run is run:
            _kept.move_to_end(id(run))
            return known
    placed = place_steps(run.steps)
    laid = Laid(run, placed, find_folds(placed))
    if len(placed) >= _LONG:
        with _lock:
            _kept[id(run)] = laid
            while len(_kept) > _MOST_KEPT:
                _kept.popitem(last=False)
    return laid
