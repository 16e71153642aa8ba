"""What every command that links applies to traces: the prices of the store and the detectors of its projects. And the worker."""

import threading
from collections.abc import Callable

from ingest.settings import Settings
from ingest.store.derive import Inspect
from ingest.store.engine import Store
from ingest.store.linker import Rulebook
from ingest.store.prices import load_prices
from ingest.worker import Beside, work
from webui.alerts.looks import Looks
from webui.alerts.postman import deliver_until
from webui.alerts.rules import LiveRules
from webui.alerts.setup import make_outlets, make_postman, make_relay, process_name
from webui.alerts.tally import CallTally
from webui.alerts.watch import Watch, watch_until

Ready = Callable[[str, str], None]


def make_rulebook(store: Store, tally: CallTally | None = None) -> Rulebook:
    """Return the rules for a store; ``tally`` counts calls over many runs. Raises what reading it raises."""
    return Rulebook(load_prices(store), make_inspect(store, tally))


def make_inspect(store: Store, tally: CallTally | None = None) -> Inspect:
    """Return the detectors with the settings of each project and agent, which are read again as time goes by."""
    return LiveRules(store, tally).inspect


def run_worker(settings: Settings, ready: Ready) -> None:
    """Run the worker until it is told to stop: linking, and beside it the watch and the post. Raises ``SettingsError``."""
    make_relay(settings)
    tally = CallTally()
    work(settings, ready, lambda store: make_rulebook(store, tally), (_watching(settings, tally), _delivering(settings)))


def _watching(settings: Settings, tally: CallTally) -> Beside:
    def beside(stop: threading.Event, store: Store) -> None:
        looks = Looks(tally, settings.data_dir)
        watch_until(stop, Watch(store, make_outlets(settings, store), process_name(), looks))

    return beside


def _delivering(settings: Settings) -> Beside:
    def beside(stop: threading.Event, store: Store) -> None:
        deliver_until(stop, store, make_postman(settings, store))

    return beside
