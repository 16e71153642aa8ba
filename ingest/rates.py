"""What a price looks like: the rates of one model on one day, by token class."""

from importlib.metadata import version

import msgspec

PRICE_LIST_VERSION = f"genai-prices {version('genai-prices')}"
"""The installed price list."""


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
