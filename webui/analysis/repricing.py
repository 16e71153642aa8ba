"""The same tokens at other prices: what the cache saved, and what a step would cost on another model. Pure; always an estimate.

Sums of many calls are priced at each model's base rates: tiers for long prompts apply to single calls, which sums do not know.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest.rates import Rates, Tier
from ingest.store.bill import Priced
from ingest.store.cube import CubeRow

ModelKey = tuple[str, str]
"""provider and model"""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens by mutually exclusive classes."""

    uncached: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0


def tokens_of(rows: Iterable[CubeRow]) -> Tokens:
    """Add up the tokens of rows."""
    sums = [0, 0, 0, 0]
    for row in rows:
        sums[0] += row.uncached_input_tokens
        sums[1] += row.cache_read_tokens
        sums[2] += row.cache_write_tokens
        sums[3] += row.plain_output_tokens + row.reasoning_tokens
    return Tokens(*sums)


def priced(tokens: Tokens, rates: Rates) -> int | None:
    """Return nano-dollars at base rates, half up; None where the model has no price for input or none for output that there is."""
    if not rates.input or (tokens.output and not rates.output):
        return None
    parts = (
        (tokens.uncached, rates.input),
        (tokens.cache_read, rates.cache_read or rates.input),
        (tokens.cache_write, rates.cache_write or rates.input),
        (tokens.output, rates.output),
    )
    return (sum(number * _base(tiers) for number, tiers in parts) + 500_000) // 1_000_000


def _base(tiers: tuple[Tier, ...]) -> int:
    return tiers[0].nanos_per_mtok if tiers else 0


def latest_rates(prices: Iterable[Priced]) -> dict[ModelKey, Rates]:
    """Return what each model costs by its latest snapshot; models without a price are left out."""
    found: dict[ModelKey, tuple[int, Rates | None]] = {}
    for one in prices:
        known = found.get((one.provider, one.model))
        if known is None or known[0] <= one.day:
            found[one.provider, one.model] = (one.day, one.rates)
    return {key: rates for key, (_, rates) in found.items() if rates is not None}


@dataclass(frozen=True, slots=True)
class Saving:
    """What one model's cached tokens cost, and what they would have without a cache."""

    provider: str
    model: str
    read_tokens: int
    write_tokens: int
    input_tokens: int
    paid_nanos: int
    full_nanos: int

    @property
    def saved_nanos(self) -> int:
        """Return what the cache saved; negative where writing to it cost more than reading from it saved."""
        return self.full_nanos - self.paid_nanos


def cache_savings(rows: Iterable[CubeRow], rates: Mapping[ModelKey, Rates]) -> list[Saving]:
    """Return what the cache saved by model, the most first. Models without a price, or that cached nothing, are left out."""
    found = []
    for (provider, model), group in _by_model(rows).items():
        tokens, of_model = tokens_of(group), rates.get((provider, model))
        if of_model is None or not of_model.input or not (tokens.cache_read or tokens.cache_write):
            continue
        cached = Tokens(cache_read=tokens.cache_read, cache_write=tokens.cache_write)
        paid, full = priced(cached, of_model), priced(Tokens(uncached=tokens.cache_read + tokens.cache_write), of_model)
        whole = tokens.uncached + tokens.cache_read + tokens.cache_write
        found.append(Saving(provider, model, tokens.cache_read, tokens.cache_write, whole, paid or 0, full or 0))
    return sorted(found, key=lambda one: (-one.saved_nanos, one.provider, one.model))


def _by_model(rows: Iterable[CubeRow]) -> dict[ModelKey, list[CubeRow]]:
    found: dict[ModelKey, list[CubeRow]] = {}
    for row in rows:
        if row.model:
            found.setdefault((row.provider, row.model), []).append(row)
    return found


@dataclass(frozen=True, slots=True)
class Instead:
    """One agent's calls of one model, and what the same tokens would cost on another."""

    agent: str
    provider: str
    model: str
    calls: int
    paid_nanos: int
    other_provider: str
    other_model: str
    other_nanos: int

    @property
    def saved_nanos(self) -> int:
        """Return how much less it would be; negative for more."""
        return self.paid_nanos - self.other_nanos


def what_if(rows: Sequence[CubeRow], rates: Mapping[ModelKey, Rates], instead: str, most: int) -> list[Instead]:
    """Return the dearest combinations of agent and model on another model: the one named, or the next cheaper one in use of the provider.

    Only priced calls are compared, by agents and models of which all calls have a price.
    """
    groups: dict[tuple[str, str, str], list[CubeRow]] = {}
    for row in rows:
        if row.model and row.llm_calls:
            groups.setdefault((row.agent, row.provider, row.model), []).append(row)
    found = []
    for (agent, provider, model), group in groups.items():
        paid = sum(row.cost_nanos for row in group)
        if not paid or any(row.unpriced_calls for row in group):
            continue
        tokens = tokens_of(group)
        other = _other((provider, model), tokens, rates, instead)
        if other is not None:
            found.append(Instead(agent, provider, model, sum(row.llm_calls for row in group), paid, *other))
    return sorted(found, key=lambda one: (-one.paid_nanos, one.agent, one.model))[:most]


def _other(own: ModelKey, tokens: Tokens, rates: Mapping[ModelKey, Rates], instead: str) -> tuple[str, str, int] | None:
    """Return the model to compare with and its price; without a name, the dearest of its provider's that costs less."""
    prices = {key: nanos for key, one in rates.items() if key != own and (nanos := priced(tokens, one)) is not None}
    if instead:
        named = sorted((key != own and key[0] != own[0], nanos, key) for key, nanos in prices.items() if key[1] == instead)
        return (*named[0][2], named[0][1]) if named else None
    own_rates = rates.get(own)
    own_nanos = priced(tokens, own_rates) if own_rates is not None else None
    if own_nanos is None:
        return None
    cheaper = [(nanos, key) for key, nanos in prices.items() if key[0] == own[0] and nanos < own_nanos]
    if not cheaper:
        return None
    nanos, key = max(cheaper)
    return (*key, nanos)


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A day on which a model's price was not that of the day it was used before."""

    provider: str
    model: str
    day: int
    before: Rates | None
    after: Rates | None


def price_changes(prices: Sequence[Priced], first_day: int) -> list[PriceChange]:
    """Return the changes of prices since a day, in order. ``prices`` are by provider, model and day, and may begin earlier."""
    found = []
    for before, after in pairwise(prices):
        same = (before.provider, before.model) == (after.provider, after.model)
        if same and after.day >= first_day and _plain(before.rates) != _plain(after.rates):
            found.append(PriceChange(after.provider, after.model, after.day, before.rates, after.rates))
    return sorted(found, key=lambda one: (one.day, one.provider, one.model))


def _plain(rates: Rates | None) -> tuple[tuple[Tier, ...], ...] | None:
    """Return what is paid, whichever list says so."""
    return None if rates is None else (rates.input, rates.output, rates.cache_read, rates.cache_write)
