"""Prices taken anew from the installed price list: the one way in which a bill that was made changes."""

from typing import NamedTuple

import msgspec
from sqlalchemy import select

from ingest.pricing import PriceKey, list_rates
from ingest.rates import PRICE_LIST_VERSION, Rates

from .bulk import take_turn, transaction
from .derived import LEDGER_SUMS, ledger, price
from .engine import Store
from .ledger import table_sums

_UPDATE = "UPDATE price SET rates = ?, version = ? WHERE provider = ? AND model = ? AND day = ?"


class PriceChange(NamedTuple):
    """A stored price that the installed list gives otherwise; None where a list knows none."""

    key: PriceKey
    old: Rates | None
    new: Rates | None


def find_price_changes(store: Store) -> list[PriceChange]:
    """Return the stored prices that differ from the installed list's, by provider, model and day."""
    columns = (price.c.provider, price.c.model, price.c.day)
    with store.engine.connect() as conn:
        rows = conn.execute(select(*columns, price.c.rates).order_by(*columns)).all()
    changes = []
    for provider, model, day, rates in rows:
        old = None if rates is None else msgspec.json.decode(rates, type=Rates)
        new = list_rates(provider, model, day)
        if _figures(old) != _figures(new):
            changes.append(PriceChange((provider, model, day), old, new))
    return changes


def _figures(rates: Rates | None) -> Rates | None:
    """Return rates without the name of their list: a new list with the same price changes nothing."""
    return None if rates is None else msgspec.structs.replace(rates, version="")


def store_price_changes(store: Store, changes: list[PriceChange]) -> None:
    """Store new prices under the version of the installed list. Bills change when their traces are linked. Raises ``StoreBusy``."""
    rows = [(None if one.new is None else msgspec.json.encode(one.new).decode(), PRICE_LIST_VERSION, *one.key) for one in changes]
    with transaction(store) as tx:
        take_turn(tx)
        tx.many(_UPDATE, rows)


def billed_nanos(store: Store, project_id: int) -> int:
    """Return what a project's model calls cost so far, in nano-dollars."""
    return table_sums(store, ledger, project_id)[LEDGER_SUMS.index("cost_nanos")]
