"""The filter language: every form of the contract is understood, and what is unknown is named with the nearest known word."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.store.query import And, Chose, Comparison, Not, Or, StepMatch
from webui.filters import FilterError, parse_filter, parse_time

NOW = 1_795_500_000_000_000_000
HOUR = 3600 * 10**9


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("", None),
        ("  ", None),
        ('status = "error"', Comparison("status", "=", "error")),
        ("cost_usd > 0.5", Comparison("cost_usd", ">", 0.5)),
        ("tokens>=20000", Comparison("tokens", ">=", 20000)),
        ("agent = 'it\\'s'", Comparison("agent", "=", "it's")),
        ("started > -24h", Comparison("started", ">", NOW - 24 * HOUR)),
        ("started >= 2026-11-01", Comparison("started", ">=", 1_793_491_200_000_000_000)),
        ('started < "2026-11-01T01:00:00+01:00"', Comparison("started", "<", 1_793_491_200_000_000_000)),
        ('agent in ("a", "b")', Comparison("agent", "in", ("a", "b"))),
        ('agent not in ("a")', Not(Comparison("agent", "in", ("a",)))),
        ('thought contains "x"', Comparison("thought", "contains", "x")),
        ('input not contains "x"', Not(Comparison("input", "contains", "x"))),
        ('reference.order = "12345"', Comparison("reference.order", "=", "12345")),
        ('not user = "u"', Not(Comparison("user", "=", "u"))),
        ('decision chose "a"', Chose("a")),
        ('decision chose "a" over "b"', Chose("a", "b")),
        (
            'any step (tool.name = "search" and tool.error contains "timeout")',
            StepMatch(And((Comparison("tool.name", "=", "search"), Comparison("tool.error", "contains", "timeout")))),
        ),
        (
            'status = "error" and agent in ("s", "b") and (cost_usd > 0.5 or tokens >= 20000)',
            And(
                (
                    Comparison("status", "=", "error"),
                    Comparison("agent", "in", ("s", "b")),
                    Or((Comparison("cost_usd", ">", 0.5), Comparison("tokens", ">=", 20000))),
                )
            ),
        ),
        (
            'agent = "a" or agent = "b" and errors > 0',
            Or((Comparison("agent", "=", "a"), And((Comparison("agent", "=", "b"), Comparison("errors", ">", 0))))),
        ),
    ],
)  # fmt: skip
def test_understood(text: str, condition: object) -> None:
    assert parse_filter(text, NOW) == condition


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ('agnt = "x"', "Unknown field 'agnt'", "Did you mean agent?"),
        ('agent == "x"', "Unknown operator '=='", "Did you mean =?"),
        ('termination = "loops"', "never 'loops'", "Did you mean loop?"),
        ('status = "failed"', "never 'failed'", "Known: ok, error, running."),
        ('tool.name = "x"', "a field of steps", "any step (tool.name"),
        ('any step (tol.name = "x")', "Unknown field", "Did you mean tool.name?"),
        ("agent = scheduler", "agent is text", 'agent = "scheduler"'),
        ('cost_usd > "much"', "cost_usd is a number", ""),
        ('cost_usd contains "1"', "is a number", "cost_usd >"),
        ("started > yesterday", "started is a time", "-24h"),
        ('agent = "x', "from '\"x' on", "Close the quotation mark."),
        ('agent = "x" agent = "y"', "Did not expect 'agent'", "and, or"),
        ('(agent = "x"', "ends where ')'", ""),
        ("agent", "ends where", ""),
        ('status > "error"', "has no order", "in (...)"),
        ("reference. = 1", "Unknown field", "reference.NAME"),
        ("tokens > 99999999999999999999", "too large", ""),
        ("(" * 60 + 'agent = "x"' + ")" * 60, "nests deeper", ""),
        ("x" * 5_000, "longer than", ""),
        ("!", "Cannot read", ""),
    ],
)  # fmt: skip
def test_unknown_is_an_error_with_a_hint(text: str, says: str, hint: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text, NOW)
    assert says in str(caught.value)
    assert hint in caught.value.hint


@given(st.text(max_size=200))
def test_any_text_is_understood_or_refused(text: str) -> None:
    """No text does anything but parse or raise FilterError."""
    with contextlib.suppress(FilterError):
        parse_filter(text, NOW)


@given(
    st.lists(
        st.sampled_from(
            [
                "agent",
                "=",
                '"x"',
                "and",
                "or",
                "not",
                "(",
                ")",
                "any",
                "step",
                "in",
                ",",
                "5",
                "-24h",
                "contains",
                "decision",
                "chose",
            ]
        ),
        max_size=25,
    )
)
def test_any_order_of_words_is_understood_or_refused(words: list[str]) -> None:
    with contextlib.suppress(FilterError):
        parse_filter(" ".join(words), NOW)


def test_times() -> None:
    assert parse_time("-30m", NOW) == NOW - HOUR // 2
    assert parse_time("2026-11-01T00:00:00Z", NOW) == 1_793_491_200_000_000_000
    assert parse_time("soon", NOW) is None
