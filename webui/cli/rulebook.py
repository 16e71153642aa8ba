"""What every command that links applies to traces: the prices of the store and the detectors of its projects."""

from collections.abc import Callable

from ingest.settings import Settings
from ingest.store.derive import Inspect
from ingest.store.engine import Store
from ingest.store.linker import Rulebook
from ingest.store.prices import load_prices
from ingest.worker import work
from webui.analysis.detectors.model import Rules
from webui.analysis.detectors.registry import inspect

Ready = Callable[[str, str], None]

_DEFAULTS = Rules()


def make_rulebook(store: Store) -> Rulebook:
    """Return the rules for a store. Raises what reading it raises."""
    return Rulebook(load_prices(store), make_inspect())


def make_inspect() -> Inspect:
    """Return the detectors with the settings of each project."""
    return lambda project_id, run: inspect(run, _DEFAULTS)


def run_worker(settings: Settings, ready: Ready) -> None:
    """Run the worker until it is told to stop."""
    work(settings, ready, make_rulebook)
