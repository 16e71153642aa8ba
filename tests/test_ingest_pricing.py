"""Prices: the package's list, its own arithmetic as the oracle, in whole nano-dollars."""

from datetime import UTC, datetime
from decimal import Decimal

from genai_prices import Usage as ListUsage
from genai_prices import calc_price
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.model import Usage
from ingest.pricing import DAY_NS, PriceBook, cost_nanos
from ingest.rates import Rates, Tier

DAY = 20_500
AT = datetime.fromtimestamp((DAY + 0.5) * 86_400, UTC)
BOOK = PriceBook()


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([("openai", "gpt-4.1"), ("anthropic", "claude-sonnet-4-5"), ("gcp.gemini", "gemini-2.5-pro")]),
    st.integers(0, 300_000), st.integers(0, 60_000), st.integers(0, 300_000), st.integers(0, 10_000),
)  # fmt: skip
def test_costs_equal_the_lists_own(model: tuple[str, str], given_in: int, out: int, read: int, write: int) -> None:
    """Whatever the tokens, tiers and caches: our integers are the list's decimals, rounded to a nano-dollar."""
    provider, name = model
    read = min(read, given_in)
    write = min(write, given_in - read) if provider == "anthropic" else 0
    theirs = calc_price(
        ListUsage(input_tokens=given_in, output_tokens=out, cache_read_tokens=read, cache_write_tokens=write),
        name,
        provider_id={"gcp.gemini": "google"}.get(provider, provider),
        genai_request_timestamp=AT,
    ).total_price

    ours = BOOK.price(provider, name, Usage(given_in, out, read, write), DAY * DAY_NS)

    assert ours is not None
    assert abs(Decimal(ours) - theirs * 10**9) <= Decimal("0.5")


def test_unknown_models_and_tokens_have_no_price() -> None:
    """Unknown is not zero."""
    assert BOOK.price("openai", "no-such-model", Usage(1, 1), DAY * DAY_NS) is None
    assert BOOK.price("openai", "gpt-4.1", Usage(), DAY * DAY_NS) is None
    assert BOOK.price("openai", None, Usage(1, 1), DAY * DAY_NS) is None


def test_each_day_is_looked_up_once_and_kept() -> None:
    """A snapshot is taken at the first call of a (provider, model, day); a stored one wins over a newer list."""
    asked: list[tuple[str, str, int]] = []

    def lookup(provider: str, model: str, day: int) -> Rates:
        asked.append((provider, model, day))
        return Rates(input=(Tier(-1, 2_000_000_000),))

    book = PriceBook([(("p", "old", DAY), Rates(input=(Tier(-1, 1_000_000_000),)))], lookup)

    assert [book.price("p", name, Usage(1_000_000), DAY * DAY_NS) for name in ("old", "new", "new")] == [10**9, 2 * 10**9, 2 * 10**9]
    assert asked == [("p", "new", DAY)]
    assert list(book.fresh) == [("p", "new", DAY)]


def test_parts_never_exceed_their_whole() -> None:
    """A sender that states more cached tokens than it read is billed for what it read."""
    rates = Rates(input=(Tier(-1, 10**9),), cache_read=(Tier(-1, 10**8),))

    assert cost_nanos(rates, Usage(1000, 0, 5000)) == 1000 * 100
