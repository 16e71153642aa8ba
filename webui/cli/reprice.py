"""``clew reprice``: bills made anew from the installed price list."""

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ingest.rates import PRICE_LIST_VERSION
from ingest.store.access import list_projects
from ingest.store.engine import Store
from ingest.store.maintenance import relink_all
from ingest.store.repricing import PriceChange, billed_nanos, find_price_changes, store_price_changes
from webui.format import money, plural

from .errors import CliError
from .opening import opened_store, read_settings
from .plain import plain_line
from .progress import progress_bar
from .rulebook import make_rulebook


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Replace the prices that differ from the installed list's, link all traces again, and tell what changed."""
    with opened_store(read_settings(arguments, environ)) as store:
        changes = find_price_changes(store)
        if not changes:
            print(f"Every price is that of {PRICE_LIST_VERSION}: nothing changed.")
            return 0
        before = _bills(store)
        store_price_changes(store, changes)
        with progress_bar("Pricing") as move:
            report = relink_all(store, None, time.time_ns(), make_rulebook(store), move)
        for line in (*_price_lines(changes), *_bill_lines(before, _bills(store))):
            print(plain_line(line))
    print("Restart the running parts of Clew: they go on with the prices they started with.")
    if report.failed:
        raise CliError(f"{plural(len(report.failed), 'trace')} could not be priced anew, the first is {report.failed[0][1].hex()}.")
    return 0


def _bills(store: Store) -> dict[str, int]:
    return {project.name: billed_nanos(store, project.id) for project in list_projects(store)}


def _price_lines(changes: Sequence[PriceChange]) -> Iterator[str]:
    days = Counter((change.key[0], change.key[1], change.old is None) for change in changes)
    for (provider, model, is_new), number in sorted(days.items()):
        had = "had no price and has one" if is_new else "has another price"
        yield f"{model} ({provider or 'any provider'}) {had} on {plural(number, 'day')}, by {PRICE_LIST_VERSION}."


def _bill_lines(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[str]:
    for name, nanos in after.items():
        if nanos != before.get(name, 0):
            yield f"Project {name}: {money(before.get(name, 0))} before, {money(nanos)} now."
