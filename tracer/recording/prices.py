"""What a model call costs, by the prices that the host states."""

import math
from collections.abc import Mapping

from ..quiet import report
from ..settings import Prices
from .active import Price

_PARTS_OF_INPUT = ("cache_read", "cache_write")


def make_price(prices: Prices | None) -> Price | None:
    """Make the function that prices calls, of a table or of the host's own function; None where there is neither."""
    if prices is None:
        return None
    if not isinstance(prices, Mapping):
        return _guard(prices)
    table = {model.lower(): dict(classes) for model, classes in prices.items()}
    return lambda model, provider, tokens: _cost(_classes_of(table, model.lower()), tokens)


def _guard(function: Price) -> Price:
    """Take what a function of the host's returns only where it is an amount."""

    def price(model: str, provider: str | None, tokens: Mapping[str, int]) -> float | None:
        try:
            usd = function(model, provider, tokens)
            return float(usd) if usd is not None and math.isfinite(usd) and usd >= 0 else None
        except Exception as error:
            report(error)
            return None

    return price


def _classes_of(table: Mapping[str, Mapping[str, float]], model: str) -> Mapping[str, float] | None:
    """Return the prices of a model: its own, else those of the longest name that its own begins with, as dated names do."""
    name = model.rpartition("/")[2]
    fitting = [known for known in table if model.startswith(known) or name.startswith(known)]
    return table[max(fitting, key=len)] if fitting else None


def _cost(classes: Mapping[str, float] | None, tokens: Mapping[str, int]) -> float | None:
    """Return dollars. Input includes what came from caches or went there; where these have no price of their own, that of input holds."""
    if classes is None or "input" not in classes or "output" not in classes:
        return None
    parts = {name: tokens.get(name) or 0 for name in _PARTS_OF_INPUT}
    fresh = max(0, (tokens.get("input") or 0) - sum(parts.values()))
    usd = fresh * classes["input"] + (tokens.get("output") or 0) * classes["output"]
    usd += sum(count * classes.get(name, classes["input"]) for name, count in parts.items())
    return usd / 1_000_000
