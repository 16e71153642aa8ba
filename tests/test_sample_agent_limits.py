"""Rate limits of sessions and users in sliding windows."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sample_agent.observe import Guarded
from sample_agent.rates import RATES, REQUEST, Rate, RateLimiter, check_request
from sample_agent.state.store import StateStore
from sample_agent.tools.catalogue import TOOLS

from .sample_agent_world import World, world

TWO_A_MINUTE = Rate("two a minute", frozenset({"x", "y"}), 2, 60, "session")
THREE_A_MINUTE = Rate("three a minute", frozenset({"x"}), 3, 60, "user")


@pytest.fixture
def firm(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as built:
        yield built


def test_a_window_slides(firm: World) -> None:
    """The third waits until the first has left the window, to the second; what was refused does not count."""
    limiter = RateLimiter(firm.state, firm.now, [TWO_A_MINUTE])
    waits = []
    for seconds in (0, 20, 10, 29, 1, 0):
        firm.wait(seconds=seconds)
        waits.append(limiter.admit("x", "s", "u"))
    assert waits == [None, None, 30.0, 1.0, None, 20.0]


def test_actions_share_a_limit_and_others_have_none(firm: World) -> None:
    """What no limit names passes always."""
    limiter = RateLimiter(firm.state, firm.now, [TWO_A_MINUTE])
    assert [limiter.admit(action, "s", "u") for action in "xyxyz"] == [None, None, 60.0, 60.0, None]


def test_sessions_and_users_are_counted_apart(firm: World) -> None:
    """Two for each session, three for the user of all; what one limit refuses no other counts."""
    limiter = RateLimiter(firm.state, firm.now, [TWO_A_MINUTE, THREE_A_MINUTE])
    got = [limiter.admit("x", session, user) for session, user in [("a", "u"), ("a", "u"), ("a", "u"), ("b", "u"), ("b", "u"), ("c", "v")]]
    assert got == [None, None, 60.0, None, 60.0, None]


def test_a_restart_forgets_nothing(firm: World) -> None:
    """Another process counts on."""
    for _ in range(2):
        with closing(StateStore(firm.state.path)) as own:
            assert RateLimiter(own, firm.now, [TWO_A_MINUTE]).admit("x", "s", "u") is None
    assert RateLimiter(firm.state, firm.now, [TWO_A_MINUTE]).admit("x", "s", "u") == 60.0


def test_what_left_the_window_is_deleted(firm: World) -> None:
    """The table does not grow with time."""
    limiter = RateLimiter(firm.state, firm.now, [TWO_A_MINUTE])
    for _ in range(20):
        limiter.admit("x", "s", "u")
        firm.wait(seconds=61)
    assert len(firm.state.rows("SELECT * FROM admission")) == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=40))
def test_no_window_holds_more_than_its_limit(steps: list[int]) -> None:
    """Whatever the times of asking: in any minute at most two pass, and one that waits as long as it was told passes."""
    with world() as firm:
        limiter = RateLimiter(firm.state, firm.now, [TWO_A_MINUTE])
        passed = []
        for seconds in steps:
            firm.wait(seconds=seconds)
            wait_s = limiter.admit("x", "s", "u")
            if wait_s is not None:
                firm.wait(seconds=wait_s)
                assert limiter.admit("x", "s", "u") is None
            passed.append(firm.now())
        assert [at for at, later in zip(passed, passed[2:], strict=False) if later - at < timedelta(seconds=60)] == []


def test_requests_are_limited_with_a_verdict(firm: World) -> None:
    """Twenty a minute for a session."""
    limiter = RateLimiter(firm.state, firm.now)
    waits = [check_request(limiter, "s", "u", firm.told.append) for _ in range(21)]
    assert waits == [None] * 20 + [60.0]
    assert firm.told[-2:] == [
        Guarded("rate limit", REQUEST, "allowed", "within the limits"),
        Guarded("rate limit", REQUEST, "refused", "too many requests; again in 60 s"),
    ]


def test_every_change_has_a_limit() -> None:
    """By session; the destructive ones by user as well; all that is limited is something one can do."""
    for name, spec in TOOLS.items():
        per = {limit.per for limit in RATES if name in limit.actions}
        assert per == ({"session", "user"} if spec.destructive else {"session"} if spec.changes else set())
    assert {action for limit in RATES for action in limit.actions} <= {*TOOLS, REQUEST}
