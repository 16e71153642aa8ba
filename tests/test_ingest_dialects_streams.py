"""Requests whose streamed pieces were run together are taken apart; nothing else is touched."""

import pytest

from ingest.dialects.streams import are_joined, separate
from ingest.model import ToolRequest

OFFERED = ["look", "look_up", "pay"]
TWO = '{"id": 1}{"sum": 2}'


def test_requests_run_together() -> None:
    """Names, ids and arguments of two calls, one after another, are two calls."""
    joined = [ToolRequest("call_aacall_bb", "look_uppay", TWO)]

    assert are_joined(joined)
    assert separate(joined, OFFERED) == [ToolRequest("call_aa", "look_up", {"id": 1}), ToolRequest("call_bb", "pay", {"sum": 2})]


@pytest.mark.parametrize(
    ("call_id", "ids"),
    [("call_aa", ["call_aa", None]), (None, [None, None]), ("call_aacall_aa", ["call_aacall_aa", None]), ("abcdefgh", ["abcdefgh", None])],
)
def test_ids_that_are_not_told_apart(call_id: str | None, ids: list[str | None]) -> None:
    """An id that is not two of one make is the first call's."""
    assert [one.call_id for one in separate([ToolRequest(call_id, "lookpay", TWO)], OFFERED)] == ids


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("look", TWO),
        ("lookpay", '{"id": 1}'),
        ("lookpay", '{"id": 1}{"sum": '),
        ("lookpay", "[1][2]}{"),
        ("lookpaypay", TWO),
        ("lookpax", TWO),
        ("lookpay", {"text": "}{"}),
        ("lookpay", "{}" * 100),
        ("lookpay", '{"a":' * 9_000 + "}{"),
    ],
)
def test_anything_else_stays(name: str, arguments: object) -> None:
    """What is no row of offered names with an object for each is left as it came."""
    requests = [ToolRequest("c", name, arguments)]

    assert separate(requests, OFFERED) == requests
