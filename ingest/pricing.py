"""What a model call costs, in whole nano-dollars.

Prices come from the maintained list of the genai-prices package (https://github.com/pydantic/genai-prices), which knows
their history, context tiers and cache prices. An entry is looked up once per (provider, model, day) and kept as a snapshot
that the store saves, so that a newer list changes no bill that was already made.
"""

from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module

from .model import Usage
from .rates import Rates, Tier

DAY_NS = 86_400_000_000_000


PriceKey = tuple[str, str, int]
"""provider, model, day since the epoch; empty strings for unknown."""


class PriceBook:
    """Price lookups with their snapshots. ``fresh`` holds what the store has not saved yet."""

    def __init__(self, snapshots: Iterable[tuple[PriceKey, Rates | None]] = (), lookup: "Lookup | None" = None) -> None:
        self._rates: dict[PriceKey, Rates | None] = dict(snapshots)
        self._lookup = lookup or list_rates
        self.fresh: dict[PriceKey, Rates | None] = {}

    def price(self, provider: str | None, model: str | None, usage: Usage, at_ns: int) -> int | None:
        """Return the nano-dollars of a call, or None where the model is unknown or the usage is."""
        if not model or (usage.input_tokens is None and usage.output_tokens is None):
            return None
        key = (provider or "", model, at_ns // DAY_NS)
        try:
            rates = self._rates[key]
        except KeyError:
            rates = self._rates[key] = self.fresh[key] = self._lookup(*key)
        return None if rates is None else cost_nanos(rates, usage)


Lookup = Callable[[str, str, int], Rates | None]
"""Finds the rates of (provider, model, day); None where there are none."""


def cost_nanos(rates: Rates, usage: Usage) -> int:
    """Price each token once, in the class it belongs to; a class without a price of its own costs as plain input."""
    total_in, total_out = usage.input_tokens or 0, usage.output_tokens or 0
    read = min(usage.cache_read_tokens or 0, total_in)
    write = min(usage.cache_write_tokens or 0, total_in - read)
    picos = (total_in - read - write) * _rate(rates.input, total_in) + total_out * _rate(rates.output, total_in)
    if read:
        picos += read * _rate(rates.cache_read or rates.input, total_in)
    if write:
        picos += write * _rate(rates.cache_write or rates.input, total_in)
    # Half up, in integers: the same on every machine.
    return (picos + 500_000) // 1_000_000


def _rate(tiers: tuple[Tier, ...], total_input: int) -> int:
    rate = 0
    for tier in tiers:
        if total_input > tier.above_tokens:
            rate = tier.nanos_per_mtok
    return rate


def list_rates(provider: str, model: str, day: int) -> Rates | None:
    """Look rates up in the price list; None where it does not know the model."""
    found: Rates | None = _price_list()(provider, model, day)
    return found


@cache
def _price_list() -> Lookup:
    # Deferred: the list costs 20 MB and 0.4 s, and a part that never meets a new model never asks it.
    found: Lookup = import_module("ingest.pricelist").look_rates_up
    return found
