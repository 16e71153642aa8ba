"""Which model does what, and what that saves."""

from typing import Any

import pytest

from sample_agent.models.router import model_for, translate
from sample_agent.models.settings import ModelSettings, Tiers
from sample_agent.models.types import Role

from .sample_agent_models import bench

TIERS = Tiers("strong", "middle", "small")
ROLES: list[tuple[Role, str]] = [
    ("planner", "strong"),
    ("orchestrator", "strong"),
    ("judge", "strong"),
    ("executor", "middle"),
    ("react", "middle"),
    ("specialist", "middle"),
    ("responder", "small"),
    ("summariser", "small"),
]


@pytest.mark.parametrize(("role", "model"), ROLES)
def test_a_role_has_its_model(role: Role, model: str) -> None:
    """Planning takes the strongest, picking tools the middle one, words the small one; without routing all take the strongest."""
    assert model_for(role, TIERS, routing=True) == model
    assert model_for(role, TIERS, routing=False) == "strong"


def test_the_fallback_is_of_the_same_strength() -> None:
    """An unknown model is taken for a strong one."""
    settings = ModelSettings(primary_models=TIERS, fallback_models=Tiers("s", "m", "l"))

    assert [translate(settings, model) for model in ("strong", "middle", "small", "other")] == ["s", "m", "l", "s"]


def test_a_request_may_name_its_model() -> None:
    """The router fills in what is left open."""
    with bench() as it:
        assert it.ask("hello", model="claude-haiku-4-5").model == "claude-haiku-4-5"


def test_savings_are_counted_against_the_strongest() -> None:
    """Over real calls with their real tokens, at list prices: only what the strongest would not have done is saved."""
    with bench() as it:
        it.ask("hello", role="planner", system="Role: planner")
        assert it.stack.savings.share == 0
        it.ask("hello", role="summariser", system="Role: summariser")
        it.ask("hello")

        savings = it.stack.savings
        assert 0 < savings.spent_usd < savings.strongest_usd
        assert savings.share is not None and 0.1 < savings.share < 0.8
        assert savings.unpriced_calls == 0


def test_nothing_is_known_where_nothing_was_priced() -> None:
    """A share of nothing is not zero, and a model without a price is counted as such."""
    unknown: dict[str, Any] = {"primary_models": Tiers("x-1", "x-2", "x-3")}
    with bench(**unknown) as it:
        assert it.stack.savings.share is None
        it.ask("hello")
        assert (it.stack.savings.unpriced_calls, it.stack.savings.share) == (1, None)
