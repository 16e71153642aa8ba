"""Price snapshots: what a model cost when it was first asked for, so that linking again changes no bill."""

import msgspec
from sqlalchemy import select

from ingest.pricing import DAY_NS, PriceBook, PriceKey
from ingest.rates import PRICE_LIST_VERSION, Rates

from .bulk import Transaction
from .derived import price
from .engine import Store

_HOURS_PER_DAY = 24
assert _HOURS_PER_DAY * 3_600_000_000_000 == DAY_NS

_RATES = msgspec.json.Decoder(Rates)

_INSERT = "INSERT INTO price (provider, model, day, rates, version) VALUES (?, ?, ?, ?, ?) ON CONFLICT (provider, model, day) DO NOTHING"


class StoredPrices(PriceBook):
    """A price book that starts with the store's snapshots and can say which price list each came from."""

    def __init__(self, saved: dict[PriceKey, Rates | None], versions: dict[PriceKey, str]) -> None:
        super().__init__(saved.items())
        self._versions = versions

    def version_of(self, provider: str, model: str, hour: int) -> str:
        """Return the version of the list that priced a model's calls of an hour; empty where nothing is priced."""
        if not model:
            return ""
        return self._versions.get((provider, model, hour // _HOURS_PER_DAY), PRICE_LIST_VERSION)


def load_prices(store: Store) -> StoredPrices:
    """Return the price book of a store."""
    saved: dict[PriceKey, Rates | None] = {}
    versions: dict[PriceKey, str] = {}
    with store.engine.connect() as conn:
        for provider, model, day, rates, version in conn.execute(select(price)):
            key = (provider, model, day)
            saved[key] = None if rates is None else _RATES.decode(rates)
            versions[key] = version
    return StoredPrices(saved, versions)


def save_prices(tx: Transaction, prices: PriceBook) -> None:
    """Store the snapshots taken since the last time. Call ``prices.fresh.clear()`` once the transaction is committed."""
    tx.many(_INSERT, [(*key, *_columns(rates)) for key, rates in prices.fresh.items()])


def _columns(rates: Rates | None) -> tuple[str | None, str]:
    return (None, PRICE_LIST_VERSION) if rates is None else (msgspec.json.encode(rates).decode(), rates.version)
