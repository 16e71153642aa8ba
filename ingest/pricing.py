"""What a model call costs, in whole nano-dollars.

Prices come from the maintained list of the genai-prices package (https://github.com/pydantic/genai-prices), which knows
their history, context tiers and cache prices. An entry is looked up once per (provider, model, day) and kept as a snapshot
that the store saves, so that a newer list changes no bill that was already made.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version

import msgspec
from genai_prices import Usage as ListUsage
from genai_prices import calc_price, types
from genai_prices.types import TieredPrices

from .model import Usage

DAY_NS = 86_400_000_000_000

PRICE_LIST_VERSION = f"genai-prices {version('genai-prices')}"

_PROVIDERS = {
    "gcp.gemini": "google", "gcp.gen_ai": "google", "gcp.vertex_ai": "google", "aws.bedrock": "aws", "azure.ai.openai": "azure",
    "azure.ai.inference": "azure", "mistral_ai": "mistral", "x_ai": "x-ai", "together_ai": "together", "hugging_face": "huggingface",
    "moonshot_ai": "moonshotai",
}  # fmt: skip
"""Our provider names, which are OpenTelemetry's, and the list's ids for them where they differ."""

class Tier(msgspec.Struct, frozen=True, array_like=True):
    """A price for calls of more than so many input tokens; it then holds for all of the call's tokens."""

    above_tokens: int
    nanos_per_mtok: int


class Rates(msgspec.Struct, frozen=True, omit_defaults=True):
    """Prices of one model on one day: per token class its tiers, in nano-dollars per million tokens. Empty: not priced."""

    input: tuple[Tier, ...] = ()
    output: tuple[Tier, ...] = ()
    cache_read: tuple[Tier, ...] = ()
    cache_write: tuple[Tier, ...] = ()
    version: str = PRICE_LIST_VERSION


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
    picos = (
        (total_in - read - write) * _rate(rates.input, total_in)
        + read * _rate(rates.cache_read or rates.input, total_in)
        + write * _rate(rates.cache_write or rates.input, total_in)
        + total_out * _rate(rates.output, total_in)
    )
    # Half up, in integers: the same on every machine.
    return (picos + 500_000) // 1_000_000


def _rate(tiers: tuple[Tier, ...], total_input: int) -> int:
    rate = 0
    for tier in tiers:
        if total_input > tier.above_tokens:
            rate = tier.nanos_per_mtok
    return rate


def list_rates(provider: str, model: str, day: int) -> Rates | None:
    """Look rates up in the price list, by provider first, then by the model's name alone."""
    at = datetime.fromtimestamp((day + 0.5) * 86_400, UTC) if 0 <= day < 2_900_000 else datetime.now(UTC)
    bare = model.rsplit("/", 1)[-1]
    for provider_id, name in ((_PROVIDERS.get(provider, provider) or None, model), (None, model), (None, bare)):
        try:
            found = calc_price(ListUsage(input_tokens=1, output_tokens=1), name, provider_id=provider_id, genai_request_timestamp=at)
        except LookupError:
            continue
        return _snapshot(found.model_price)
    return None


def _snapshot(price: types.ModelPrice) -> Rates | None:
    rates = Rates(
        _tiers(price.input_mtok), _tiers(price.output_mtok), _tiers(price.cache_read_mtok), _tiers(price.cache_write_mtok)
    )
    return rates if rates.input or rates.output else None


def _tiers(price: Decimal | TieredPrices | None) -> tuple[Tier, ...]:
    if price is None:
        return ()
    if isinstance(price, TieredPrices):
        above = sorted(price.tiers, key=lambda tier: tier.start)
        return (Tier(-1, _nanos(price.base)), *(Tier(tier.start, _nanos(tier.price)) for tier in above))
    return (Tier(-1, _nanos(price)),)


def _nanos(dollars: Decimal) -> int:
    return int(dollars * 1_000_000_000)
