"""The price list of the genai-prices package, as rates. Loaded when a price is first asked for, by ``pricing``."""

from datetime import UTC, datetime
from decimal import Decimal

from genai_prices import Usage as ListUsage
from genai_prices import calc_price, types
from genai_prices.types import TieredPrices

from .rates import Rates, Tier

_PROVIDERS = {
    "gcp.gemini": "google", "gcp.gen_ai": "google", "gcp.vertex_ai": "google", "aws.bedrock": "aws", "azure.ai.openai": "azure",
    "azure.ai.inference": "azure", "mistral_ai": "mistral", "x_ai": "x-ai", "together_ai": "together", "hugging_face": "huggingface",
    "moonshot_ai": "moonshotai",
}  # fmt: skip
"""Our provider names, which are OpenTelemetry's, and the list's ids for them where they differ."""


def look_rates_up(provider: str, model: str, day: int) -> Rates | None:
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
    rates = Rates(_tiers(price.input_mtok), _tiers(price.output_mtok), _tiers(price.cache_read_mtok), _tiers(price.cache_write_mtok))
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
