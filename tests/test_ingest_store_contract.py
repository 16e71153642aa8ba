"""What every store promises, asked of a real SQLite file and a real PostgreSQL."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from zstandard import ZstdError

from ingest.findings import Finding
from ingest.model import Event, Link, LogRecord, Run, Span
from ingest.store import access
from ingest.store.backup import BackupError, backup
from ingest.store.bill import Period, Person, spent_by_people
from ingest.store.bulk import transaction
from ingest.store.chunks import renormalise_logs, renormalise_spans
from ingest.store.costs import costs, costs_of
from ingest.store.cube import CubeQuery
from ingest.store.engine import Store, open_store
from ingest.store.ledger import check_reconciles
from ingest.store.linker import Pace, link_silent, link_traces
from ingest.store.lists import ListQuery, deleted_ns, find_by_reference, list_traces
from ingest.store.maintenance import purge, relink_all, renormalise_all
from ingest.store.prepare import prepare
from ingest.store.query import And, Chose, Comparison, Filter, Not, StepMatch
from ingest.store.reader import count_pending, find_prefix, find_spans, read_span, read_spans, read_trace
from ingest.store.search import search_text
from ingest.store.writer import Segments, Writer, write_batches
from webui.cli.rulebook import make_rulebook

from .builders import SECOND, T0, TRACE_ID, span_id
from .wire import NOW, RESOURCE, SCOPE, agent_span, answer, bill, in_trace, link_all, llm_span, run_spans, store_spans, tool_span, wire_span

OTHER_ID = bytes.fromhex("5b8eff" + "00" * 13)


def tables(store: Store) -> dict[str, list[Any]]:
    """Return all that is stored but chunks and segments, whose split is the senders'."""
    names = (
        "span", "log_record", "summary", "run", "decision", "option_set", "ledger", "rollup_hour", "rollup_day", "rollup_people",
        "reference", "finding", "price",
    )  # fmt: skip
    with store.engine.connect() as conn:
        found = {name: [tuple(row) for row in conn.execute(text(f"SELECT * FROM {name}"))] for name in names}
    found["span"] = [row[:11] + row[13:14] for row in found["span"]]
    found["log_record"] = [row[:4] for row in found["log_record"]]
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def test_span_comes_back_whole(store: Store) -> None:
    """Everything that arrived is read back as it came."""
    plain = {"text": "ü 🧵", "no": False, "int": -(2**63), "double": 0.1, "bytes": b"\0\xff", "none": None}
    attributes = {**plain, "list": [1, None, "x", {"a": []}], "map": {"k": {}}}
    whole = wire_span(
        1,
        attributes=attributes,
        events=[Event("exception", T0, {"exception.type": "E"}, 2)],
        links=[Link(OTHER_ID, span_id(9), "a=b", {"why": "retry"}, 1, 257)],
        trace_state="k=v",
        flags=257,
        dropped_attributes=3,
        dropped_events=4,
        dropped_links=5,
        status_code=2,
        status_message="boom",
        repaired=["attributes.input: NUL"],
    )

    store_spans(store, [whole])

    with store.engine.connect() as conn:
        assert read_spans(conn, 1, TRACE_ID) == [whole]
        assert read_span(conn, 1, TRACE_ID, span_id(1)) == whole
        assert read_span(conn, 1, TRACE_ID, span_id(2)) is None
        assert read_spans(conn, 2, TRACE_ID) == []


def test_written_again_changes_nothing(store: Store) -> None:
    """A delivery that brings nothing new writes nothing, and marks nothing to be linked."""
    store_spans(store, run_spans())
    link_all(store)
    before = tables(store)

    store_spans(store, run_spans(), now_ns=NOW + 50 * SECOND)
    store_spans(store, run_spans()[2:4], now_ns=NOW + 60 * SECOND)

    with store.engine.connect() as conn:
        assert count_pending(conn) == 0
        stored = read_trace(conn, 1, TRACE_ID)
    assert stored is not None
    assert stored.last_seen_ns == NOW
    assert tables(store) == before


@pytest.mark.parametrize("backwards", [False, True])
def test_version_that_ends_later_wins(store: Store, backwards: bool) -> None:
    """Of two versions of a span the one with the later end is kept, of equal ends the one that says more, in any order."""
    early, late = llm_span(2, lasts=1.0, tokens=(1, 1)), llm_span(2, lasts=2.0, tokens=(7, 7))
    more = llm_span(2, lasts=2.0, tokens=(9, 9), attributes={"extra": "words"})
    for version in reversed([early, late, more]) if backwards else [early, late, more]:
        store_spans(store, [version])
        link_all(store)

    with store.engine.connect() as conn:
        assert read_spans(conn, 1, TRACE_ID) == [more]
    assert {sums[4] for sums in bill(store)} == {9}


def _deliveries(order: random.Random, spans: list[Span]) -> list[list[Span]]:
    """Shuffle spans, repeat some of them and cut them into requests."""
    sent = spans + order.sample(spans, order.randrange(len(spans) + 1))
    order.shuffle(sent)
    requests: list[list[Span]] = [[]]
    for span in sent:
        if order.random() < 0.4:
            requests.append([])
        requests[-1].append(span)
    return [request for request in requests if request]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.randoms(use_true_random=False), grouped=st.booleans(), between=st.booleans())
def test_any_order_split_and_repetition_gives_the_same_store(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, order: random.Random, grouped: bool, between: bool
) -> None:
    """Rows, answers and the bill depend on the spans alone, to the byte and to the nano-dollar."""
    spans = [*run_spans(4), agent_span(2, "helper", 1, at=6.0, lasts=2.0), llm_span(30, 2, at=6.5, tokens=(777, 13))]
    versions = [*spans, llm_span(30, 2, at=6.5, lasts=2.5, tokens=(778, 14))]
    stores = []
    for number, requests in enumerate(([versions], _deliveries(order, versions))):
        path = tmp_path_factory.mktemp("any") / f"{number}.db"
        path.write_bytes(sqlite_template.read_bytes())
        store = open_store(f"sqlite:///{path}")
        stores.append(store)
        if grouped:
            write_batches(store, [prepare(1, request, (), NOW) for request in requests], Segments())
        for request in requests:
            store_spans(store, request)
            if between:
                link_all(store)
        link_all(store)

    one, other = stores
    assert tables(one) == tables(other)
    assert answer(one) == answer(other)
    assert len(set(bill(other))) == 1
    one.close()
    other.close()


def test_any_order_on_both_stores(store: Store, sqlite_template: Path, tmp_path: Path) -> None:
    """PostgreSQL and SQLite hold the same of the same deliveries."""
    path = tmp_path / "reference.db"
    path.write_bytes(sqlite_template.read_bytes())
    reference = open_store(f"sqlite:///{path}")
    store_spans(reference, run_spans(5))
    link_all(reference)

    for request in _deliveries(random.Random(7), run_spans(5)):
        store_spans(store, request)
        link_all(store)

    assert tables(store) == tables(reference)
    assert answer(store) == answer(reference)
    reference.close()


def test_relink_changes_nothing(store: Store) -> None:
    """Linking everything again leaves every row as it is, and the roll-ups equal to the ledger."""
    store_spans(store, run_spans())
    store_spans(store, in_trace(run_spans(2), OTHER_ID))
    link_all(store)
    before = tables(store)

    report = relink_all(store, None, NOW, make_rulebook(store))
    renormalised = renormalise_all(store, None, renormalise_spans, renormalise_logs)

    assert (report.traces, report.changed, renormalised) == (2, 0, 0)
    assert tables(store) == before
    assert check_reconciles(store, 1) == {}


def test_log_records_join_their_span_whichever_comes_first(store: Store) -> None:
    """The answer of a model that travels as a log record is the span's, and a repeated record counts once."""
    call = llm_span(2, 1)
    del call.attributes["gen_ai.output.messages"]
    body = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "in the log"}}
    record = LogRecord(TRACE_ID, span_id(2), T0, "gen_ai.choice", 9, "INFO", body, {"gen_ai.system": "openai"}, RESOURCE, SCOPE)
    later = in_trace([agent_span(1), call], OTHER_ID)
    other = LogRecord(OTHER_ID, span_id(2), T0, "gen_ai.choice", 9, "INFO", body, {"gen_ai.system": "openai"}, RESOURCE, SCOPE)

    store_spans(store, [agent_span(1), call])
    store_spans(store, [], [record])
    store_spans(store, [], [record, record])
    store_spans(store, [], [other])
    store_spans(store, later)

    assert b'"output":"in the log"' in answer(store)
    assert answer(store).replace(TRACE_ID.hex().encode(), OTHER_ID.hex().encode()) == answer(store, OTHER_ID)
    assert len(tables(store)["log_record"]) == 2


def test_log_records_of_one_instant_keep_the_order_they_were_sent_in(store: Store) -> None:
    """Clocks of milliseconds give all messages of a call one time; what came after the model's own words is what is new."""
    call = llm_span(2, 1)
    for key in ("gen_ai.input.messages", "gen_ai.output.messages"):
        call.attributes.pop(key, None)
    talk = [("user", "first"), ("assistant", "look"), ("user", "second"), ("assistant", "again"), ("user", "third"), ("user", "fourth")]
    emitter = {"gen_ai.system": "openai"}
    records = [
        LogRecord(TRACE_ID, span_id(2), T0, f"gen_ai.{role}.message", 9, "INFO", {"content": said}, emitter, RESOURCE, SCOPE)
        for role, said in talk
    ]

    store_spans(store, [agent_span(1), call], records)
    store_spans(store, [], records[::-1])

    assert b'"input":"third\\n\\nfourth"' in answer(store)


def test_log_records_whose_span_never_comes(store: Store) -> None:
    """They are a trace of no spans: kept, and nothing is left to do for it."""
    record = LogRecord(TRACE_ID, span_id(2), T0, "gen_ai.user.message", 9, "INFO", {"content": "hello"}, {}, RESOURCE, SCOPE)

    store_spans(store, [], [record])
    report = link_traces(store, [(1, TRACE_ID)], NOW, make_rulebook(store))

    assert (report.traces, report.spans, report.failed) == (1, 0, [])
    assert len(tables(store)["log_record"]) == 1


def test_a_trace_that_cannot_be_derived_keeps_no_other_out(store: Store) -> None:
    """Traces are derived together; where that fails, each by itself."""
    trace_ids = [bytes([number]) * 16 for number in range(1, 6)]
    for trace_id in trace_ids:
        agent = agent_span(1, "guilty" if trace_id == trace_ids[2] else "innocent")
        store_spans(store, in_trace([agent, llm_span(10, 1, at=1.0)], trace_id))
    rules = make_rulebook(store)

    def inspect(project_id: int, runs: Sequence[Run]) -> Sequence[Sequence[Finding]]:
        if any(run.agent == "guilty" for run in runs):
            raise ZeroDivisionError
        return rules.inspect(project_id, runs)

    report = link_traces(store, [(1, trace_id) for trace_id in trace_ids], NOW, rules._replace(inspect=inspect))

    assert report.failed == [(1, trace_ids[2])]
    assert report.traces == len(tables(store)["summary"]) == 4


def test_a_trace_that_cannot_be_read_keeps_no_other_out(store: Store) -> None:
    """A chunk that the disk broke is told of one trace; the others read with it are linked and renormalised."""
    trace_ids = [bytes([number]) * 16 for number in range(1, 6)]
    for trace_id in trace_ids:
        store_spans(store, in_trace(run_spans(1), trace_id))
    with transaction(store) as tx:
        tx.run("UPDATE chunk SET facts = ?, payload = ? WHERE trace_id = ?", (b"broken", b"broken", trace_ids[2]))

    report = link_traces(store, [(1, trace_id) for trace_id in trace_ids], NOW, make_rulebook(store))

    assert report.failed == [(1, trace_ids[2])]
    assert report.traces == len(tables(store)["summary"]) == 4
    assert renormalise_all(store, None, lambda payload: renormalise_spans(payload) + b"+", renormalise_logs) == 4
    with store.engine.connect() as conn, pytest.raises(ZstdError):
        read_trace(conn, 1, trace_ids[2])


def test_projects_are_apart(store: Store) -> None:
    """The same ids in two projects are two traces; each bill is its own."""
    other = access.create_project(store, "other").id
    store_spans(store, run_spans(3))
    store_spans(store, run_spans(1), project_id=other)
    link_all(store)

    assert [len(list_traces(store, project, ListQuery()).items) for project in (1, other, 99)] == [1, 1, 0]
    assert bill(store)[0][4] == 300
    assert bill(store, other)[0][4] == 100
    assert find_by_reference(store, 99, "12345") == []


def test_keys_open_their_project_for_their_scope(store: Store) -> None:
    """A key is known by its hash, opens one project, and stops to when it is revoked."""
    other = access.create_project(store, "other").id
    sends = access.create_key(store, "other", "collector", "ingest")
    both = access.create_key(store, "default", "admin", "all")

    assert [access.authenticate(store, sends, scope) for scope in ("ingest", "read")] == [other, None]
    assert [access.authenticate(store, both, scope) for scope in ("ingest", "read")] == [1, 1]
    access.revoke_key(store, sends[:11])
    assert access.authenticate(store, sends, "ingest") is None
    assert access.authenticate(store, "", "ingest") is None
    assert [key.revoked_ns is None for key in access.list_keys(store)] == [False, True]
    with store.engine.connect() as conn:
        assert sends not in repr([tuple(row) for row in conn.execute(text("SELECT * FROM api_key"))])
    with pytest.raises(access.AccessError, match="already"):
        access.create_project(store, "other")
    with pytest.raises(access.AccessError, match="no project"):
        access.create_key(store, "nowhere", "x", "read")


def test_lookup_by_everything_in_hand(store: Store) -> None:
    """A trace is found by prefix, span, session, user and reference in any case."""
    store_spans(store, run_spans())
    store_spans(store, in_trace(run_spans(), OTHER_ID))
    link_all(store)

    with store.engine.connect() as conn:
        assert [found for found, _ in find_prefix(conn, 1, "5b8eff")] == sorted([TRACE_ID, OTHER_ID])
        assert [found for found, _ in find_prefix(conn, 1, "5b8efff")] == [TRACE_ID]
        assert find_prefix(conn, 1, "5b8effe") == []
        assert sorted(find_spans(conn, 1, span_id(10))) == sorted([TRACE_ID, OTHER_ID])
        assert find_spans(conn, 2, span_id(10)) == []
    kinds = {one.kind for value in ("S-1", "ada", "12345") for one in find_by_reference(store, 1, value)}
    assert kinds == {"session", "user", "reference"}


def test_search_finds_words_of_thoughts_answers_and_questions(store: Store) -> None:
    """Words that stand in one step find it; what was never said finds nothing."""
    store_spans(store, run_spans())
    link_all(store)

    with store.engine.connect() as conn:
        assert search_text(conn, 1, "pondering 11") == [(TRACE_ID, span_id(11))]
        assert search_text(conn, 1, '"answer 12"') == [(TRACE_ID, span_id(12))]
        assert search_text(conn, 1, "pondering never") == []
        assert search_text(conn, 2, "pondering") == []


FILTERS: list[tuple[Filter, int]] = [
    (Comparison("agent", "=", "scheduler"), 2),
    (Comparison("agent", "!=", "scheduler"), 1),
    (Comparison("agent", "in", ("helper", "nobody")), 1),
    (Comparison("tokens", ">=", 330), 1),
    (Comparison("cost_usd", ">", 0.0001), 3),
    (Comparison("user", "=", "ada"), 2),
    (Not(Comparison("user", "=", "ada")), 1),
    (Comparison("model", "=", "gpt-4.1"), 3),
    (Comparison("reference.order", "=", "12345"), 2),
    (Comparison("thought", "contains", "pondering 12"), 1),
    (Comparison("termination", "=", "completed"), 3),
    (StepMatch(And((Comparison("tool.name", "=", "search"), Comparison("status", "=", "error")))), 1),
    (StepMatch(Comparison("tool.error", "contains", "timeout")), 1),
    (And((Comparison("errors", ">", 0), Comparison("agent", "=", "helper"))), 1),
    (Chose("search", None), 0),
]


@pytest.mark.parametrize(("condition", "found"), FILTERS, ids=lambda value: repr(value)[:40])
def test_filters_mean_the_same_on_both_stores(store: Store, condition: Filter, found: int) -> None:
    """Each kind of condition finds what it should."""
    failed = tool_span(50, "search", 1, at=2.0, status_code=2, status_message="timeout after 5 s", attributes={"error.type": "timeout"})
    store_spans(store, run_spans(3))
    store_spans(store, in_trace(run_spans(1), OTHER_ID))
    store_spans(store, in_trace([agent_span(1, "helper"), llm_span(10, 1, at=1.0), failed, llm_span(11, 1, at=3.0)], b"\x01" * 16))
    link_all(store)

    assert len(list_traces(store, 1, ListQuery(condition)).items) == found


@pytest.mark.parametrize("order", ["started", "cost", "tokens", "duration", "steps"])
def test_pages_of_a_list_meet(store: Store, order: Any) -> None:
    """Reading on with the cursor shows every trace once, in order."""
    for number in range(1, 8):
        store_spans(store, in_trace(run_spans(number % 3 + 1), bytes([number]) * 16))
    link_all(store)

    seen, cursor = [], None
    while True:
        page = list_traces(store, 1, ListQuery(order=order, limit=2, cursor=cursor))
        seen += [one.trace_id for one in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 7
    assert seen == [one.trace_id for one in list_traces(store, 1, ListQuery(order=order)).items]


@pytest.mark.parametrize("by", [("day", "model"), ("hour",), ("agent", "tool"), ("user", "session"), ("termination",), ()])
def test_costs_sum_to_the_bill(store: Store, by: tuple[str, ...]) -> None:
    """However it is grouped, the parts sum to the total and the total is the ledger's."""
    store_spans(store, run_spans(4))
    store_spans(store, in_trace(run_spans(2), OTHER_ID))
    link_all(store)

    table = costs(store, 1, T0 - 40 * 24 * 3600 * SECOND, NOW, by)

    assert sum(row.spent.cost_nanos for row in table.rows) == table.total.cost_nanos == bill(store)[0][9] > 0
    assert (table.total.runs, table.total.llm_calls, table.total.tool_calls) == (2, 6, 6)
    assert table.total.input_tokens == sum(row.spent.input_tokens for row in table.rows) == 600


def _run_for(user: str, calls: int) -> list[Span]:
    """A trace of its own, numbered by its calls."""
    root, *others = run_spans(calls)
    named = {**root.attributes, "user.id": user, "session.id": f"{user} {calls % 2}"}
    return in_trace([msgspec.structs.replace(root, attributes=named), *others], bytes([calls]) * 16)


@pytest.mark.parametrize("where", [(), (("agent", "scheduler"),)])
@pytest.mark.parametrize("by", [("user",), ("session", "day"), ("user", "session", "agent", "hour")])
def test_the_roll_up_of_people_says_what_the_ledger_says(
    store: Store, monkeypatch: pytest.MonkeyPatch, by: tuple[str, ...], where: tuple[tuple[str, str], ...]
) -> None:
    """Row by row, also after a trace grew, ended otherwise and was deleted."""
    spans = run_spans(8)
    for number in range(2, 8):
        store_spans(store, _run_for(("ada", "bob", "")[number % 3], number), now_ns=NOW if number > 2 else NOW - SECOND)
    store_spans(store, spans[1:])
    link_all(store)
    store_spans(store, [*spans, agent_span(90, "helper", 1), llm_span(91, 90), tool_span(92, "look", 90)])
    link_all(store, NOW + SECOND)
    assert purge(store, NOW - SECOND // 2, NOW + 2 * SECOND) == 1
    query = CubeQuery(T0 - 40 * 24 * 3600 * SECOND, NOW, where=where)

    ours = costs_of(store, 1, query, by)
    monkeypatch.setattr("ingest.store.costs.is_of_people", lambda by, names: False)

    assert ours == costs_of(store, 1, query, by)
    assert ours.total.runs == (6 if where else 7)
    assert ours.total.cost_nanos > 0
    assert check_reconciles(store, 1) == {}


@pytest.mark.parametrize("kind", ["user", "session"])
def test_who_spent_what_is_added_up_from_all_runs(store: Store, kind: str) -> None:
    """The dearest first, and the total that of the rest of the bill."""
    for number in range(2, 8):
        store_spans(store, _run_for(("ada", "bob", "")[number % 3], number))
    link_all(store)

    found = spent_by_people(store, 1, Period(T0 - 40 * 24 * 3600 * SECOND, NOW), kind)
    narrowed = spent_by_people(store, 1, Period(T0 - 40 * 24 * 3600 * SECOND, NOW, (("environment", "production"),)), kind)

    assert found.is_all and not narrowed.is_all
    assert found.total == Person("", 6, 6, bill(store)[0][9], 27 * 110, 0, 27)
    assert sum(one.cost_nanos for one in found.items) == found.total.cost_nanos
    assert found.items == sorted(found.items, key=lambda one: -one.cost_nanos)
    assert {one.name for one in found.items} == ({"ada", "bob", ""} if kind == "user" else {"ada 0", "ada 1", "bob 0", "bob 1", " 0", " 1"})
    assert spent_by_people(store, 1, Period(0, SECOND), kind).items == []


def test_purge_deletes_whole_traces_and_their_bill(store: Store) -> None:
    """What is old goes from everywhere but its tombstone, and the rest reconciles."""
    store_spans(store, run_spans(3))
    store_spans(store, in_trace(run_spans(1), OTHER_ID), now_ns=NOW + 90 * SECOND)
    link_all(store, NOW + 100 * SECOND)

    assert purge(store, NOW + SECOND, NOW + 100 * SECOND) == 1

    assert deleted_ns(store, 1, TRACE_ID) == NOW + 100 * SECOND
    assert deleted_ns(store, 1, OTHER_ID) is None
    with store.engine.connect() as conn:
        assert read_trace(conn, 1, TRACE_ID) is None
        assert search_text(conn, 1, "pondering 12") == []
        assert len(search_text(conn, 1, "pondering 10")) == 1
    assert {sums[4] for sums in bill(store)} == {100}


def test_silent_run_is_lost_after_its_own_pace(store: Store) -> None:
    """A run without its root is running, and lost once it was silent for too long; its bill stays."""
    store_spans(store, run_spans(3)[1:])
    link_all(store)
    assert [one.termination for one in list_traces(store, 1, ListQuery()).items] == ["running"]

    link_silent(store, lambda: NOW + 2 * 86_400 * SECOND, make_rulebook(store), Pace())

    assert [one.termination for one in list_traces(store, 1, ListQuery()).items] == ["lost"]
    assert len(set(bill(store))) == 1


def test_writer_groups_what_waits(store: Store) -> None:
    """Requests that wait are committed together, each is told, and closing writes what was submitted."""
    writer = Writer(store)
    futures = [writer.submit(prepare(1, in_trace(run_spans(1), bytes([number]) * 16), (), NOW)) for number in range(1, 21)]
    writer.close()

    assert [future.result(5) for future in futures] == [None] * 20
    with store.engine.connect() as conn:
        assert conn.execute(text("SELECT count(*) FROM span")).scalar() == 60


def test_a_span_is_found_in_whatever_segment_its_id_lies(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full segment is followed by the next, also by another process; a newer version of a span stays where it was."""
    monkeypatch.setattr("ingest.store.writer.SEGMENT_SPANS", 6)
    traces = [bytes([number]) * 16 for number in range(1, 6)]

    def write(segments: Segments, trace_id: bytes, **changes: Any) -> None:
        spans = [msgspec.structs.replace(span, **changes) for span in in_trace(run_spans(1), trace_id)]
        write_batches(store, [prepare(1, spans, (), NOW)], segments)

    segments = Segments()
    for trace_id in traces[:3]:
        write(segments, trace_id)
    write(Segments(), traces[3])
    write(Segments(), traces[4])
    write(Segments(), traces[0], end_ns=NOW)

    with store.engine.connect() as conn:
        rows = conn.execute(text("SELECT trace_id, segment, count(*) FROM span GROUP BY trace_id, segment ORDER BY trace_id")).all()
        assert [(bytes(trace_id), segment, count) for trace_id, segment, count in rows] == [
            (trace_id, place // 2, 3) for place, trace_id in enumerate(traces)
        ]
        assert sorted(find_spans(conn, 1, run_spans(1)[1].span_id)) == traces
        assert len(find_spans(conn, 1, run_spans(1)[1].span_id, 2)) == 2
        assert find_spans(conn, 1, b"12345678") == []


def test_nothing_is_found_in_an_empty_store(store: Store) -> None:
    """A store without spans has no segment to look into."""
    with store.engine.connect() as conn:
        assert find_spans(conn, 1, span_id(10)) == []


def test_what_can_be_derived_again_is_not_waited_for(store: Store) -> None:
    """A transaction waits for the disk unless it is said not to be durable, and that holds for itself alone."""
    asked = "PRAGMA synchronous" if store.dialect == "sqlite" else "SHOW synchronous_commit"

    def syncs(durable: bool) -> object:
        with transaction(store, durable) as tx:
            return tx.rows(asked)[0][0]

    at_once, later = (2, 1) if store.dialect == "sqlite" else ("on", "off")
    assert [syncs(durable) for durable in (True, False, True)] == [at_once, later, at_once]


def test_backup_is_a_store(store: Store, tmp_path: Path) -> None:
    """A copy made while in use holds everything, and never replaces a file."""
    store_spans(store, run_spans())
    target = tmp_path / "copy"

    backup(store, target)

    assert target.stat().st_size > 1000
    with pytest.raises(BackupError, match="exists already"):
        backup(store, target)
    if store.dialect == "sqlite":
        copy = open_store(f"sqlite:///{target}")
        assert answer(copy) == answer(store)
        copy.close()


HOSTILE: list[Callable[[], list[Span]]] = [
    lambda: [wire_span(1, 2), wire_span(2, 1)],
    lambda: [wire_span(1, 1)],
    lambda: [wire_span(number, number - 1) for number in range(1, 2000)],
    lambda: [wire_span(1, start_ns=2**63 - 1, end_ns=2**63 - 1)],
    lambda: [wire_span(1, start_ns=0, end_ns=0)],
    lambda: [llm_span(1, tokens=(2**63 - 1, 2**63 - 1)), llm_span(2, tokens=(2**63 - 1, 1), at=1.0)],
    lambda: [llm_span(1, tokens=(-5, -1))],
    lambda: [agent_span(1, "x" * 100_000)],
    lambda: [agent_span(1, "\ufffd\u202e<script>", attributes={"session.id": "s" * 10_000, "user.id": "\n\r\t"})],
    lambda: [wire_span(1, name="", attributes={"": "", "gen_ai.operation.name": {"a": [1]}, "gen_ai.usage.input_tokens": "many"})],
]


@pytest.mark.parametrize("build", HOSTILE)
def test_hostile_spans_are_stored_and_listed(store: Store, build: Callable[[], list[Span]]) -> None:
    """Whatever spans say, they are stored, linked and answered, and the bill reconciles."""
    store_spans(store, build())
    link_all(store)

    assert answer(store).startswith(b"[{")
    assert len(list_traces(store, 1, ListQuery()).items) == 1
    assert check_reconciles(store, 1) == {}


def test_what_is_wrong_with_a_run_is_found_when_it_is_linked(store: Store) -> None:
    """A loop is on record with its evidence as soon as its run is linked; linking again writes nothing, purging takes it away."""
    said = {"gen_ai.tool.call.arguments": '{"q": "slots"}', "gen_ai.tool.call.result": "[]"}
    calls = [tool_span(number, "search", 1, at=number, attributes=said) for number in range(2, 7)]
    store_spans(store, [agent_span(1, lasts=60), *calls])
    link_all(store)

    with store.engine.connect() as conn:
        rows = conn.execute(text("SELECT rule, severity, subject, observed, threshold, sentence FROM finding")).all()
    assert [tuple(row) for row in rows] == [
        ("L1", "warning", "search", 5.0, 4.0, "scheduler called search with the same arguments and the same answer 5 times")
    ]
    assert relink_all(store, None, NOW, make_rulebook(store)).changed == 0
    purge(store, NOW + 1, NOW + 2)
    with store.engine.connect() as conn:
        assert conn.execute(text("SELECT count(*) FROM finding")).scalar() == 0
