"""Loops, labelled: runs that do again what they did, alone, with others, or over many runs."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from .alert_stage import LiveRun, Scenario, Stage, whole_run
from .builders import SECOND

_LOOPS = frozenset({"L1", "L2", "L3", "L4", "L5", "L6"})
_DEAR = frozenset({"B1", "B4", "B5"})

TOOLS = ("search_orders", "get_weather", "run_query", "fetch_page", "list_files", "call_api")


def _scenario(name: str, rules: str, play: Callable[[Stage], None], also: frozenset[str] = frozenset()) -> Scenario:
    return Scenario(f"loop-{name}", "loop", frozenset(rules.split()), _LOOPS | _DEAR | also, play)


def _begin(stage: Stage, number: int) -> LiveRun:
    """Begin a run, every third without being announced."""
    run = stage.run(f"bot-{number}", announced=number % 3 != 2, gap_s=stage.rng.choice((1.0, 2.0, 4.0, 9.0)))
    stage.guilty = {run.trace_id}
    run.call("get_customer", {"customer": f"c_{number}"}, {"name": "Osterley"})
    return run


def _identical(number: int) -> Callable[[Stage], None]:
    """One call with one answer; the fact is its fourth time."""

    def play(stage: Stage) -> None:
        run, tool = _begin(stage, number), TOOLS[number % len(TOOLS)]
        arguments = {"query": f"open orders of {number}", "limit": 20}
        for turn in range(1, 12):
            if number % 2:
                run.think(f"I should try {tool} once more, turn {turn} of this, with what I know by now about it", tokens=(900, 60))
            run.call(tool, arguments, {"orders": []})
            if turn == 4:
                stage.fact()

    return play


def _other_answers(number: int) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        run = _begin(stage, number)
        for turn in range(1, 14):
            run.call(TOOLS[number % len(TOOLS)], {"query": "latest news"}, {"at": turn, "news": stage.rng.randrange(10**6)})
            if turn == 8:
                stage.fact()

    return play


_DRIFTS: tuple[Callable[[int], Any], ...] = (
    lambda turn: {"customer": "c_19", "request_id": f"r-{turn}"},
    lambda turn: {"customer": "c_19", "timestamp": 1_760_000_000 + turn},
    lambda turn: {"customer": "c_19", "attempt": turn, "nonce": turn * 7919},
    lambda turn: {"q": ("Orders of Osterley", "orders of osterley", "ORDERS  of Osterley", " orders of Osterley ")[turn % 4]},
    lambda turn: json.dumps(dict(sorted({"customer": "c_19", "page": 1, "limit": 5}.items(), reverse=turn % 2 == 0))),
    lambda turn: {"filter": {"customer": "c_19", "trace_id": f"{turn:032x}"}, "idempotency_key": f"k{turn}"},
    lambda turn: {"customer": "c_19", "meta": {"uuid": f"{turn:08x}-0000", "retry": turn}},
    lambda turn: {"path": "/orders", "headers": {"X-Request-Id": f"{turn}-{turn * 31}"}, "transaction_id": turn},
)


def _drift(number: int) -> Callable[[Stage], None]:
    """The same question, dressed differently each time."""

    def play(stage: Stage) -> None:
        run = _begin(stage, number)
        for turn in range(1, 12):
            run.call("search_orders", _DRIFTS[number % len(_DRIFTS)](turn), "no orders found")
            if turn == 4:
                stage.fact()

    return play


def _cycle(period: int, number: int) -> Callable[[Stage], None]:
    """So many different calls, round and round; the fact is the end of the third round."""

    def play(stage: Stage) -> None:
        run = _begin(stage, number)
        for turn in range(1, 7):
            for place in range(period):
                answer = {"turn": turn, "noise": stage.rng.random()} if number % 2 else "nothing new"
                run.call(TOOLS[place % len(TOOLS)], {"step": f"{place}-{number}"}, answer)
            if turn == 3:
                stage.fact()

    return play


def _across_runs(number: int) -> Callable[[Stage], None]:
    """Fewer than four calls in each run, in ever new runs: somebody starts them again and again. The fact is the 51st call."""

    def play(stage: Stage) -> None:
        calls, each = 0, 1 + number % 3
        while calls < 75:
            spans = whole_run(stage, f"cron-{number}", stage.now_ns - 8 * SECOND)
            same = {"gen_ai.tool.call.arguments": '{"job": "sync"}', "gen_ai.tool.call.result": "failed"}
            tools = [_copy(stage, spans[2], turn, same) for turn in range(each)]
            stage.send(*spans[:2], *tools)
            calls += each
            if calls > 50:
                stage.fact()
            stage.wait(4.0 * each)

    return play


def _copy(stage: Stage, span: Any, turn: int, attributes: dict[str, Any]) -> Any:
    values = {name: getattr(span, name) for name in span.__struct_fields__}
    at_ns = span.start_ns + turn * 100_000_000
    fresh = {"span_id": stage.rng.randbytes(8), "start_ns": at_ns, "end_ns": at_ns + 50_000_000}
    return type(span)(**{**values, **fresh, "attributes": {**span.attributes, **attributes}})


_ERRORS: tuple[Callable[[int], str], ...] = (
    lambda turn: "TimeoutError: no answer in 30 s",
    lambda turn: "503 Service Unavailable",
    lambda turn: f"rate limited, retry after {turn} s",
    lambda turn: f"HTTP 500 (request {turn * 7919:x})",
)


def _retry_storm(number: int) -> Callable[[Stage], None]:
    """A tool that fails each time, tried with the same or with ever other words."""

    def play(stage: Stage) -> None:
        run = _begin(stage, number)
        for turn in range(1, 14):
            arguments = {"id": 7} if number % 2 else {"id": turn, "query": f"variant {turn}"}
            run.call("call_api", arguments, error=_ERRORS[number % len(_ERRORS)](turn))
            if turn == 5:
                stage.fact()

    return play


def _ping_pong(number: int) -> Callable[[Stage], None]:
    """Agents that hand the same thing to each other; the fact is the third time round."""

    def play(stage: Stage) -> None:
        run = _begin(stage, number)
        peers = [f"writer-{number}", f"critic-{number}", f"editor-{number}"][: 2 + number % 2]
        for turn in range(1, 8):
            for peer in peers:
                if number % 4 < 2:
                    run.ask_agent(peer, "Improve the report", "I hand it over: please improve it")
                else:
                    run.call(f"transfer_to_{peer}", {"task": "the report"}, "transferred")
            if turn == 3:
                stage.fact()

    return play


def _thoughts(number: int) -> Callable[[Stage], None]:
    """The same thought again, before ever other calls."""

    def play(stage: Stage) -> None:
        run = _begin(stage, number)
        words = f"The invoice number {number} seems to be missing so I will look for it in the archive of that month again"
        for turn in range(1, 11):
            run.think(words if number % 2 else f"{words} now")
            run.call("search", {"query": f"invoice {turn}"}, f"{turn} results")
            if turn == 4:
                stage.fact()

    return play


def _no_progress(number: int) -> Callable[[Stage], None]:
    """Many calls of few kinds in no order; the fact is the thirtieth."""

    def play(stage: Stage) -> None:
        run = _begin(stage, number)
        run.gap_s = 1.0
        for turn in range(1, 42):
            place = stage.rng.randrange(6)
            run.call(TOOLS[place], {"kind": place}, {"answer": stage.rng.random()})
            if turn == 30:
                stage.fact()

    return play


def _fan_out(each: int) -> Callable[[Stage], None]:
    """A run that starts agents, so many at a time, without end; the fact is the thousandth."""

    def play(stage: Stage) -> None:
        run = _begin(stage, 0)
        for turn in range(1, 1_200 // each + 1):
            run.start_agents("helper", each)
            if turn * each >= 1_000:
                stage.fact()

    return play


def _all() -> Iterator[Scenario]:
    for n in range(12):
        yield _scenario(f"identical-{n}", "L1", _identical(n))
    for n in range(6):
        yield _scenario(f"other-answers-{n}", "L2", _other_answers(n))
    for n in range(8):
        yield _scenario(f"drift-{n}", "L1 L2", _drift(n))
    for period in range(2, 9):
        for n in range(2):
            yield _scenario(f"cycle-{period}-{n}", "L3", _cycle(period, n))
    for n in range(8):
        yield _scenario(f"across-runs-{n}", "L7", _across_runs(n))
    for n in range(10):
        yield _scenario(f"retries-{n}", "L4", _retry_storm(n))
    for n in range(8):
        yield _scenario(f"ping-pong-{n}", "L1 L3", _ping_pong(n))
    for n in range(6):
        yield _scenario(f"thoughts-{n}", "L5", _thoughts(n))
    for n in range(4):
        yield _scenario(f"no-progress-{n}", "L6 L2 L3", _no_progress(n))
    for each in (50, 400):
        yield _scenario(f"fan-out-{each}", "L8", _fan_out(each))


LOOPS = tuple(_all())
