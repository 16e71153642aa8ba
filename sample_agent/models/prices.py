"""What a call costs, from the maintained list of genai-prices."""

from collections.abc import Mapping
from functools import lru_cache

from genai_prices import Usage, calc_price

from .types import Tokens


@lru_cache(maxsize=10_000)
def usd_of(tokens: Tokens, model: str, provider: str) -> float | None:
    """Return the US dollars of a call; None where the list does not know the model."""
    usage = Usage(
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        cache_read_tokens=tokens.cache_read,
        cache_write_tokens=tokens.cache_write,
    )
    try:
        return float(calc_price(usage, model_ref=model, provider_id=provider).total_price)
    except LookupError:
        return None


def usd_by_class(model: str, provider: str | None, tokens: Mapping[str, int]) -> float | None:
    """Return the same for the tracer, whose budgets count in dollars too."""
    counts = Tokens(tokens.get("input", 0), tokens.get("output", 0), tokens.get("cache_read", 0), tokens.get("cache_write", 0))
    return usd_of(counts, model, provider or "anthropic")
