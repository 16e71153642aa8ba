"""Benign but tricky, labelled: what looks like trouble and is none. Nothing may be said of any of it."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec

from ingest.model import Span

from .alert_drift import AWAY, steady
from .alert_history import AGENTS, live_hours
from .alert_stage import HOUR, MINUTE, Scenario, Stage, whole_run
from .builders import SECOND

_DAY = 24 * HOUR


def _scenario(name: str, play: Callable[[Stage], None], base: str = "", also: frozenset[str] = frozenset()) -> Scenario:
    return Scenario(f"benign-{name}", "benign", frozenset(), also, play, base)


# --- single runs --------------------------------------------------------------------------------------------------


def _polling(tool: str, every_s: float, turns: int, stage: Stage) -> None:
    """A tool is asked until something is done."""
    if tool == "render_video":
        stage.set(polling=("render_video",))
    run = stage.run("exporter")
    run.call("start_job", {"report": 5}, {"job": 77})
    for turn in range(turns):
        stage.wait(every_s, 15 * SECOND)
        run.call(tool, {"job": 77}, "pending" if turn < turns - 1 else "done")
    run.end()


_PAGES: tuple[Callable[[int], dict[str, Any]], ...] = (
    lambda n: {"query": "orders", "page": n},
    lambda n: {"query": "orders", "cursor": f"c{n * 7919:x}"},
    lambda n: {"query": "orders", "offset": 50 * n, "limit": 50},
    lambda n: {"url": f"https://shop.example/list?page={n}"},
    lambda n: {"query": "orders", "next_token": f"t{n}"},
    lambda n: {"after_id": 1000 + n, "table": "orders"},
)


def _pages(number: int, stage: Stage) -> None:
    """Page after page of one list; the last pages are all empty, as some services answer."""
    run = stage.run("collector", announced=number % 2 == 0, gap_s=1.0)
    for turn in range(25):
        run.call("list_orders", _PAGES[number](turn), {"orders": [turn] if turn < 20 else []})
    run.end()


def _batch(number: int, stage: Stage) -> None:
    """The same tool for every item of a long list."""
    run = stage.run("importer", gap_s=1.0)
    for item in range(40):
        run.call("convert", {"file": f"invoice-{number}-{item}.pdf"}, "ok")
        if number == 2 and item % 10 == 9:
            run.call("save_checkpoint", {"done": item}, "saved")
    run.end()


def _retried(number: int, stage: Stage) -> None:
    """Failures that trying again overcomes."""
    run = stage.run("booker", gap_s=2.0)
    for item in range(4):
        for attempt in range(2 + (number + item) % 2):
            stage.wait(2**attempt)
            run.call("call_api", {"item": item, "attempt": attempt}, error="503 Service Unavailable")
        run.call("call_api", {"item": item, "attempt": 9}, {"booked": item})
    run.end()


def _edit_and_test(number: int, stage: Stage) -> None:
    """Edit, test, edit, test: the same test with ever other outcomes between ever other edits."""
    run = stage.run("coder", gap_s=6.0)
    for turn in range(7):
        run.think(f"Test {turn} of {number} still fails in line {turn * 7}, so the parser has to take care of case {turn} as well")
        run.call("edit_file", {"path": "app.py", "patch": f"@@ {turn}"}, "ok")
        run.call("run_tests", {}, f"{7 - turn} failed")
    run.end()


def _helpers(number: int, stage: Stage) -> None:
    """One helper for each chapter, or the same helper with another task each time."""
    run = stage.run("editor", gap_s=3.0)
    for turn in range(12):
        run.ask_agent(f"writer-{turn % (1 + number)}", f"Write chapter {turn}", f"Chapter {turn} is about {turn * 17}")
    run.end()


def _small_talk(words: str, stage: Stage) -> None:
    """Many turns with the same few words of thought."""
    run = stage.run("companion", gap_s=8.0)
    for turn in range(20):
        run.think(words)
        run.call("say", {"text": f"answer {turn}"}, "said")
    run.end()


def _few_times(tool: str, times: int, stage: Stage) -> None:
    """The same call a few times, each with its reason."""
    run = stage.run("assistant", gap_s=4.0)
    for turn in range(times):
        run.call(tool, {}, f"2025-10-27T10:{turn:02}:00Z")
        run.call("book", {"slot": turn}, "booked")
    run.end()


def _waits(minutes: int, stage: Stage) -> None:
    """A run that waits for a person, and goes on."""
    run = stage.run("approver", gap_s=2.0)
    run.call("ask_person", {"question": "May I?"}, "asked")
    stage.wait(60 * minutes, MINUTE)
    run.call("pay", {"invoice": 7}, "paid")
    run.end()


def _innocent(text: str, stage: Stage) -> None:
    """What only looks like a secret."""
    run = stage.run("mailer")
    run.call("look_up", {"order": 7}, "found")
    run.call("send_mail", {"to": "a@b.example", "body": text}, "sent")
    run.end(f"Sent: {text}")


def _answered(text: str, stage: Stage) -> None:
    """What a tool answers only reads like an order, or is one to people."""
    run = stage.run("reader")
    run.call("read_mail", {"mail": 3}, text)
    run.call("archive", {"mail": 3}, "ok")
    run.end()


def _many_helpers(count: int, stage: Stage) -> None:
    """A run with many helpers: a long list, each item of which has one."""
    run = stage.run("importer", gap_s=3.0)
    for _ in range(count // 100):
        run.start_agents("helper", 100)
    run.end()


def _near_its_ceiling(usd: float, tokens: int, stage: Stage) -> None:
    """A long run that stays within what it may use."""
    run = stage.run("researcher", gap_s=5.0)
    for turn in range(10):
        run.think(usd=usd / 10, tokens=(tokens // 10, 20))
        run.call("read_page", {"page": turn}, f"page {turn}")
    run.end()


# --- many runs ----------------------------------------------------------------------------------------------------


def _many(stage: Stage, agent: str, count: int, every_s: float, **fields: Any) -> None:
    share, ending = fields.pop("fail", 0.0), fields.pop("ending", {})
    for _ in range(count):
        fails = stage.rng.random() < share
        attributes = ending if fails else {}
        error = "no answer" if fails and not ending else ""
        stage.send(*whole_run(stage, agent, stage.now_ns - 8 * SECOND, error=error, attributes=attributes, **fields))
        stage.wait(every_s, 30 * SECOND)


def _new_agent(number: int, stage: Stage) -> None:
    """The first hour of an agent: its runs cost and fail as runs do."""
    usd, fail = (0.03, 0.1, 0.2, 0.05, 0.01, 0.15)[number], (0.0, 0.05, 0.1, 0.1, 0.12, 0.02)[number]
    _many(stage, f"newcomer-{number}", 60, 60, usd=usd, fail=fail)


def _job(stage: Stage) -> None:
    """A batch job of three hundred cheap runs in ten minutes."""
    for _ in range(30):
        stage.send(*(span for _ in range(10) for span in whole_run(stage, "nightly", stage.now_ns - 9 * SECOND, 0.01)))
        stage.wait(20, 20 * SECOND)


def _handed_over(reason: str, stage: Stage) -> None:
    """Runs that end as they should, if not completed."""
    _many(stage, "front-desk", 30, 20, fail=0.8, ending={"clew.termination.reason": reason})


def _health_check(stage: Stage) -> None:
    """One same call in each run, three a minute."""
    for _ in range(45):
        spans = whole_run(stage, "probe", stage.now_ns - 8 * SECOND, 0.001)
        same = {"gen_ai.tool.call.arguments": '{"target": "db"}', "gen_ai.tool.call.result": "ok"}
        stage.send(*spans[:2], msgspec.structs.replace(spans[2], attributes={**spans[2].attributes, **same}))
        stage.wait(21, 21 * SECOND)


def _half_of_few(stage: Stage) -> None:
    """Nine runs of an agent that runs seldom, half of which fail."""
    _many(stage, "rare", 9, 90, fail=0.5)


def _within_budget(stage: Stage) -> None:
    stage.set(day_nanos=20 * 10**9)
    _many(stage, "clerk", 20, 60, usd=0.3)


# --- against weeks ------------------------------------------------------------------------------------------------


def _usual(hours: float, stage: Stage) -> None:
    live_hours(stage, hours)


def _deploy(factor: float, stage: Stage) -> None:
    """A new version that costs and lasts somewhat more."""
    live_hours(stage, 2.2, usd=0.02 * factor, lasts_s=8.0 * factor)


def _lull(stage: Stage) -> None:
    """An agent of a dozen runs an hour that pauses for two hours."""
    live_hours(stage, 2.2, agents=tuple(one for one in AGENTS if one != "clerk"))


def _one_slow_run(stage: Stage) -> None:
    """The first run of an hour lasts ten times as long as others."""
    live_hours(stage, 1.0)
    stage.send(*whole_run(stage, "clerk", stage.now_ns - 100 * SECOND, lasts_s=95.0))
    live_hours(stage, 0.4)


def _one_dear_run(stage: Stage) -> None:
    """A run that costs twenty times the usual, which is forty cents."""
    stage.send(*whole_run(stage, "clerk", stage.now_ns - 20 * SECOND, 0.4))
    live_hours(stage, 0.5)


# --- from before --------------------------------------------------------------------------------------------------


def _ago(spans: list[Span], by_ns: int) -> list[Span]:
    return [msgspec.structs.replace(span, start_ns=span.start_ns - by_ns, end_ns=span.end_ns - by_ns) for span in spans]


def _backfill(what: str, days: float, stage: Stage) -> None:
    """What happened days ago arrives now: it is history."""
    by_ns = round(days * _DAY)
    spans: list[Span] = []
    for number in range(60):
        at_ns = stage.now_ns - 60 * SECOND * (60 - number)
        error = "no answer" if what == "failures" else ""
        one = whole_run(stage, "clerk", at_ns, 1.5 if what == "spend" else 0.02, error=error)
        if what == "loops":
            same = {"gen_ai.tool.call.arguments": '{"a": 1}', "gen_ai.tool.call.result": "none"}
            tool = msgspec.structs.replace(one[2], attributes={**one[2].attributes, **same})
            one += [msgspec.structs.replace(tool, span_id=stage.rng.randbytes(8), start_ns=tool.start_ns + n) for n in range(12)]
        if what == "leaks":
            said = {"gen_ai.tool.call.arguments": json.dumps({"text": "sk-proj-Ab3dE5gH7jK9mN1pQ3sT5vW7"})}
            one[2] = msgspec.structs.replace(one[2], attributes={**one[2].attributes, **said})
        spans += _ago(one, by_ns)
    stage.send(*spans)
    stage.wait(11 * 60, 30 * SECOND)


def _wrong_clock(ahead_s: int, stage: Stage) -> None:
    """Runs of a machine whose clock is wrong."""
    for _ in range(25):
        stage.send(*_ago(whole_run(stage, "laptop", stage.now_ns - 8 * SECOND), -ahead_s * SECOND))
        stage.wait(30, 30 * SECOND)


_INNOCENT = (
    "order 4111 1111 1111 1112 of 2025-10-27, call 020 7946 0000",
    "parcel 1Z999AA10123456784, iban DE89 3704 0044 0532 0130 00",
    "sku-123456789012345678901 and id 550e8400-e29b-41d4-a716-446655440000",
    "see https://internal-affairs.example.com/local and https://example.com/corp",
)


_HARMLESS = (
    "You can ignore the last reminder, the invoice is paid. Instructions for the machine are in the manual.",
    "Now you are all set. Repeat the rinse cycle; the previous one was too short. Send the form to your office.",
    "Forget me not, she said. He posted the letter and went to the station; the prompt answer came at ten.",
)


def _single() -> Iterator[Scenario]:
    polls = (("get_job_status", 20.0, 20), ("wait_for_export", 8.0, 12), ("poll", 45.0, 30), ("check_progress", 31.0, 45),
             ("render_video", 15.0, 16), ("watch_queue", 5.0, 25))  # fmt: skip
    for n, (tool, every_s, turns) in enumerate(polls):
        yield _scenario(f"polling-{n}", partial(_polling, tool, every_s, turns))
    for n in range(6):
        yield _scenario(f"pages-{n}", partial(_pages, n))
    for n in range(3):
        yield _scenario(f"batch-{n}", partial(_batch, n))
        yield _scenario(f"retried-{n}", partial(_retried, n))
        yield _scenario(f"helpers-{n}", partial(_helpers, n))
    for n in range(2):
        yield _scenario(f"edit-and-test-{n}", partial(_edit_and_test, n))
    for n, words in enumerate(("OK", "Let me check that for you", "I will answer now")):
        yield _scenario(f"small-talk-{n}", partial(_small_talk, words))
    for n, (tool, times) in enumerate((("get_current_time", 6), ("get_current_time", 3), ("who_am_i", 7))):
        yield _scenario(f"few-times-{n}", partial(_few_times, tool, times))
    for n, minutes in enumerate((8, 25)):
        yield _scenario(f"waits-{n}", partial(_waits, minutes))
    for n, text in enumerate(_INNOCENT):
        yield _scenario(f"innocent-{n}", partial(_innocent, text))
    for n, text in enumerate(_HARMLESS):
        yield _scenario(f"answered-{n}", partial(_answered, text))
    for count in (300, 900):
        yield _scenario(f"helpers-{count}", partial(_many_helpers, count))
    for n, (usd, tokens) in enumerate(((3.6, 5_000), (0.1, 38_000))):
        yield _scenario(f"near-its-ceiling-{n}", partial(_near_its_ceiling, usd, tokens))


def _series() -> Iterator[Scenario]:
    for n in range(6):
        yield _scenario(f"new-agent-{n}", partial(_new_agent, n))
    yield _scenario("job", _job)
    for reason in ("escalated", "refused", "cancelled"):
        yield _scenario(f"handed-over-{reason}", partial(_handed_over, reason))
    yield _scenario("health-check", _health_check)
    yield _scenario("half-of-few", _half_of_few)
    yield _scenario("within-budget", _within_budget)
    for n in range(2):
        yield _scenario(f"monday-morning-{n}", partial(_usual, 5.5), "dawn")
    for n in range(2):
        yield _scenario(f"day-after-dst-{n}", partial(_usual, 8.5), "weeks")
    for n, factor in enumerate((1.2, 1.4)):
        yield _scenario(f"deploy-{n}", partial(_deploy, factor), "weeks")
    yield _scenario("lull", _lull, "weeks")
    yield _scenario("one-slow-run", _one_slow_run, "weeks")
    yield _scenario("one-dear-run", _one_dear_run, "weeks")
    for what, days in (("loops", 2.0), ("leaks", 3.0), ("failures", 1.5), ("spend", 1.2), ("spend", 9.0), ("loops", 20.0)):
        yield _scenario(f"backfill-{what}-{days:g}", partial(_backfill, what, days))
    yield from steady(lambda name, play: _scenario(name, play, also=AWAY))
    for ahead_s in (600, -900):
        yield _scenario(f"wrong-clock-{ahead_s}", partial(_wrong_clock, ahead_s))


BENIGN = (*_single(), *_series())
