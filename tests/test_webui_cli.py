"""The command line: what each command does to a store, and what it says."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.model import Resource, Span
from ingest.otlp.encode import encode_traces_json
from ingest.rates import Rates, Tier
from ingest.store.engine import Store
from ingest.store.prices import load_prices
from ingest.store.repricing import PriceChange, find_price_changes, store_price_changes
from webui.cli.otlp_files import signal_of_protobuf
from webui.cli.plain import plain, plain_line

from .builders import TRACE_ID
from .webui_app import fill
from .webui_cli import clew
from .wire import answer, in_trace, run_spans

ID = TRACE_ID.hex()
DEMO = Path(__file__).parent / "fixtures" / "recorded"


def write_json(path: Path, spans: list[Span]) -> Path:
    """Write spans as one OTLP/JSON request."""
    path.write_text(json.dumps(encode_traces_json(spans)), "utf-8")
    return path


def test_trace_prints_the_chain(store: Store, store_url: str) -> None:
    """The chain is indented text: the run, its steps in order with thoughts and figures, and why it stopped."""
    fill(store, run_spans(calls=1))

    said = clew(store_url, "trace", ID[:12])

    assert said.status == 0
    lines = said.out.splitlines()
    assert lines[0] == f"trace {ID}  complete, 3 spans"
    assert lines[1].startswith("scheduler  [10.0 s, 1 model call, 1 tool call, 100 in, 10 out, $")
    assert "session s-1, user ada, order 12345" in lines[2]
    at = [next(place for place, line in enumerate(lines) if words in line) for words in ("llm gpt-4.1", "pondering 10", "tool search(")]
    assert at == sorted(at)
    assert lines[-1] == "  stopped: completed (inferred)"


def test_trace_takes_what_a_person_has(store: Store, store_url: str) -> None:
    """Words of a log line, a session, a reference: whatever the lookup of the API takes."""
    fill(store)
    for asked in (ID, "s-1", "12345", f"2026-01-01 ERROR order failed trace_id={ID} after 3 tries"):
        assert clew(store_url, "trace", *asked.split()).out.startswith(f"trace {ID}")


def test_trace_lists_several_matches(sqlite_store: Store, sqlite_url: str) -> None:
    """A session of several runs is a list of their ids, since a chain is of one."""
    fill(sqlite_store, [span for number in (1, 2) for span in in_trace(run_spans(), bytes([number]) * 16)])

    said = clew(sqlite_url, "trace", "s-1")

    assert said.status == 0
    assert sorted(line.split()[0] for line in said.out.splitlines()) == [f"{number:02x}" * 16 for number in (1, 2)]


def test_a_miss_says_why(sqlite_store: Store, sqlite_url: str) -> None:
    """Exit status 1 and the reason on stderr; with ``--json`` the API's answer."""
    said = clew(sqlite_url, "trace", "f" * 32)
    assert (said.status, said.out) == (1, "")
    assert said.err == "clew: No trace, span, session, user or reference like this was ever received here.\n"
    missed = clew(sqlite_url, "trace", "f" * 32, "--json")
    assert (missed.status, json.loads(missed.out)["miss"]["reason"]) == (1, "never_seen")


def test_trace_json_is_the_answer_of_the_api(store: Store, store_url: str) -> None:
    """``--json`` prints the trace as ``GET /api/v1/traces/{id}`` answers it."""
    fill(store)
    assert json.loads(clew(store_url, "trace", ID, "--json").out) == json.loads(answer(store))[0]


def test_hostile_text_does_not_reach_the_terminal(sqlite_store: Store, sqlite_url: str) -> None:
    """Control characters of a trace are shown as replacement marks: they could move the cursor or set the clipboard."""
    evil = "\x1b]52;c;ZXZpbA==\x07\x9b2J\u202eevil\r\x08"
    spans = run_spans(calls=1, resource=Resource({"service.name": evil}))
    for span in spans:
        span.name = evil
        span.attributes |= {"gen_ai.agent.name": evil, "gen_ai.tool.name": evil, "session.id": evil, "gen_ai.response.model": evil}
    fill(sqlite_store, spans)
    said = clew(sqlite_url, "trace", ID)
    assert said.status == 0
    assert not any((ord(letter) < 32 and letter != "\n") or 0x7F <= ord(letter) < 0xA0 or letter == "\u202e" for letter in said.out)
    assert plain("a\tb\nc\x1b") == "a    b\nc\ufffd"
    assert plain_line("a\n\x1b[2J  b\ud800") == "a \ufffd[2J b\ufffd"


@pytest.mark.parametrize(
    ("name", "wrap"),
    [("r.json", bytes), ("r.json.gz", gzip.compress), ("r.jsonl", lambda body: body + b"\n\n" + body), ("r.jsonl.gz", gzip.compress)],
)
def test_import_reads_each_form(sqlite_store: Store, sqlite_url: str, tmp_path: Path, name: str, wrap: Callable[[bytes], bytes]) -> None:
    """A file is read by its name, inflated where it says so, and linked at once."""
    path = tmp_path / name
    path.write_bytes(wrap(json.dumps(encode_traces_json(run_spans())).encode()))

    said = clew(sqlite_url, "import", str(path))

    assert (said.status, said.err) == (0, "")
    assert "of 1 trace from 1 file." in said.out
    first = clew(sqlite_url, "trace", "s-1").out.splitlines()[0]
    assert first.startswith(f"trace {ID}") and first.endswith(", 7 spans")


def test_import_twice_changes_nothing(store: Store, store_url: str, tmp_path: Path) -> None:
    """Importing is idempotent: the same answer, byte for byte."""
    path = write_json(tmp_path / "r.json", run_spans())
    clew(store_url, "import", str(path))
    before = answer(store)
    assert clew(store_url, "import", str(path), str(path)).status == 0
    assert answer(store) == before


def test_a_bad_file_is_told_and_others_go_on(sqlite_store: Store, sqlite_url: str, tmp_path: Path) -> None:
    """What is missing, no OTLP, cut off or of another kind is one line on stderr; the rest is stored; the status is 1."""
    good = write_json(tmp_path / "good.json", run_spans())
    (tmp_path / "bad.json").write_text("{nonsense")
    (tmp_path / "cut.json.gz").write_bytes(gzip.compress(b"{}" * 5000)[:-20])
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "bad.pb").write_bytes(b"\xff" * 100)
    names = [str(tmp_path / name) for name in ("missing.json", "bad.json", "cut.json.gz", "notes.txt", "bad.pb")]

    said = clew(sqlite_url, "import", *names, str(good))

    assert said.status == 1
    assert [line.split(": ")[1] for line in said.err.splitlines()] == names
    assert said.out == "Read 7 spans and 0 log records of 1 trace from 6 files.\n"


def test_refused_spans_are_counted(sqlite_store: Store, sqlite_url: str, tmp_path: Path) -> None:
    """A span without a valid id is refused by itself, and the command says so with status 1."""
    request = encode_traces_json(run_spans())
    request["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] = "00"
    path = tmp_path / "r.json"
    path.write_text(json.dumps(request))
    said = clew(sqlite_url, "import", str(path))
    assert (said.status, said.out) == (1, "Read 6 spans and 0 log records of 1 trace from 1 file.\n")
    assert said.err.startswith(f"clew: {path}: 1 item refused: ")


def test_protobuf_files_are_told_apart() -> None:
    """A ``.pb`` file does not say whether it holds traces or logs: its items do."""
    found = {path.name: signal_of_protobuf(gzip.decompress(path.read_bytes())) for path in sorted(DEMO.iterdir())}
    logs = {"google-adk-002.pb.gz", "otel-openai-v2-002.pb.gz"}
    assert found == {name: "logs" if name in logs else "traces" for name in found}
    assert signal_of_protobuf(b"") == "traces"


def test_import_joins_log_records(sqlite_store: Store, sqlite_url: str) -> None:
    """Logs requests are imported beside traces and joined to their spans."""
    said = clew(sqlite_url, "import", *(str(path) for path in DEMO.glob("otel-openai-v2-*")))
    assert said.status == 0
    assert said.out.startswith("Read 6 spans and 18 log records of 3 traces from 2 files.")
    assert "asked: How warm is it in Paris, in Fahrenheit?" in clew(sqlite_url, "trace", "65c6426f").out


def test_export_imports_as_the_same_trace(store: Store, store_url: str, tmp_path: Path, sqlite_template: Path) -> None:
    """OTLP/JSON out of one store into another gives the same answers, but for when it came."""
    fill(store)
    exported = tmp_path / "e.json"
    exported.write_text(clew(store_url, "export", ID).out, "utf-8")
    other = tmp_path / "other.db"
    other.write_bytes(sqlite_template.read_bytes())

    assert clew(f"sqlite:///{other}", "import", str(exported)).status == 0

    again = clew(f"sqlite:///{other}", "export", ID).out
    assert again == exported.read_text("utf-8")


def test_export_takes_log_records_along(sqlite_store: Store, sqlite_url: str, tmp_path: Path, sqlite_template: Path) -> None:
    """What a model was asked and said may stand in log records alone; the other store reads the same of it."""
    clew(sqlite_url, "import", *(str(path) for path in DEMO.glob("otel-openai-v2-*")))
    exported, other = tmp_path / "e.json", tmp_path / "other.db"
    exported.write_text(clew(sqlite_url, "export", "65c6426f").out, "utf-8")
    other.write_bytes(sqlite_template.read_bytes())

    said = clew(f"sqlite:///{other}", "import", str(exported))

    assert (said.status, said.err) == (0, "")
    assert [line.partition('"')[2][:12] for line in exported.read_text().splitlines()] == ["resourceSpan", "resourceLogs"]
    there, here = (clew(url, "trace", "65c6426f").out for url in (f"sqlite:///{other}", sqlite_url))
    assert "asked: How warm is it in Paris, in Fahrenheit?" in there
    assert there == here


def test_export_of_several_or_none_is_refused(sqlite_store: Store, sqlite_url: str) -> None:
    """An export is of one trace."""
    fill(sqlite_store, [span for number in (1, 2) for span in in_trace(run_spans(), bytes([number]) * 16)])
    assert clew(sqlite_url, "export", "s-1").err == "clew: 2 traces match: clew trace lists them; give one's id.\n"
    assert clew(sqlite_url, "export", "f" * 32).status == 1


def test_keys_and_projects(store: Store, store_url: str) -> None:
    """A key is printed alone on stdout, listed by its start, and revoked by its number."""
    assert clew(store_url, "project", "create", "shop").status == 0
    key = clew(store_url, "key", "create", "ci", "--scope", "ingest", "--project", "shop").out.strip()
    assert key.startswith("clew_")
    row = clew(store_url, "key", "list").out.splitlines()[1].split()
    assert (row[1], row[2], row[3]) == (f"{key[:11]}…", "shop", "ingest")
    assert key not in clew(store_url, "key", "list").out
    assert clew(store_url, "key", "revoke", row[0]).status == 0
    assert "revoked" in clew(store_url, "key", "list").out
    assert clew(store_url, "project", "create", "shop").err == "clew: There is a project shop already.\n"
    assert clew(store_url, "key", "create", "--project", "nowhere").status == 1
    assert [line.split()[1] for line in clew(store_url, "project", "list").out.splitlines()[1:]] == ["default", "shop"]


def test_a_project_sees_its_own_traces(sqlite_store: Store, sqlite_url: str, tmp_path: Path) -> None:
    """What is imported into one project is not found from another."""
    clew(sqlite_url, "project", "create", "shop")
    clew(sqlite_url, "import", "--project", "shop", str(write_json(tmp_path / "r.json", run_spans())))
    assert clew(sqlite_url, "trace", ID).status == 1
    assert clew(sqlite_url, "trace", "--project", "shop", ID).status == 0


def test_backup_copies_and_never_replaces(sqlite_store: Store, sqlite_url: str, tmp_path: Path) -> None:
    """The copy is a store of its own; an existing file stays."""
    fill(sqlite_store)
    copy = tmp_path / "copy.db"
    assert clew(sqlite_url, "backup", str(copy)).status == 0
    assert clew(f"sqlite:///{copy}", "trace", ID).out == clew(sqlite_url, "trace", ID).out
    assert clew(sqlite_url, "backup", str(copy)).err == f"clew: {copy} exists already; a backup never replaces a file.\n"


def test_purge_deletes_what_is_old(store: Store, store_url: str) -> None:
    """A purge needs an age; what it deleted, a lookup can still explain."""
    fill(store)
    assert clew(store_url, "purge").err == "clew: Say how old: --older-than DAYS, or CLEW_RETENTION_DAYS.\n"
    assert clew(store_url, "purge", "--older-than", "-1").status == 1
    assert clew(store_url, "purge", "--older-than", "1").out.startswith("Deleted 1 trace ")
    assert "retention deleted it" in clew(store_url, "trace", ID).err


def test_relink_changes_nothing(store: Store, store_url: str) -> None:
    """Deriving everything again gives what is there."""
    fill(store)
    said = clew(store_url, "relink")
    assert said.out == "Linked 1 trace with 7 spans: 0 traces read anew with other facts, 0 rows changed.\n"
    assert clew(store_url, "relink", ID).out == said.out
    assert clew(store_url, "relink", "abc").status == 1
    other = clew(store_url, "relink", ID, "f" * 32)
    assert (other.status, other.out) == (1, said.out)
    assert other.err == f"clew: 1 trace of these is not stored here, the first is {'f' * 32}.\n"


def test_reprice_changes_bills_and_says_so(store: Store, store_url: str) -> None:
    """A price that the installed list gives otherwise replaces the stored one, and the bill moves with it."""
    fill(store)
    before = clew(store_url, "trace", ID).out
    assert "nothing changed" in clew(store_url, "reprice").out
    (key,) = [key for key in load_prices(store)._rates if key[1] == "gpt-4.1"]
    cheap = Rates((Tier(-1, 1),), (Tier(-1, 1),), version="an old list")
    store_price_changes(store, [PriceChange(key, None, cheap)])
    clew(store_url, "relink")
    assert clew(store_url, "trace", ID).out != before

    said = clew(store_url, "reprice")

    assert "gpt-4.1 (openai) has another price on 1 day" in said.out
    assert "Project default: " in said.out
    assert clew(store_url, "trace", ID).out == before
    assert find_price_changes(store) == []


def test_a_store_without_a_schema_says_what_to_do(tmp_path: Path) -> None:
    """Nothing is made in passing: the command says how."""
    url = f"sqlite:///{tmp_path / 'none.db'}"
    assert clew(url, "trace", "x").err == "clew: The store is empty: run clew migrate.\n"
    assert clew(url, "migrate").out == "ready  store      schema 0010\n"
    assert clew(url, "key", "list").status == 0


@pytest.mark.parametrize("words", [[], ["bogus"], ["trace"], ["key", "mint"], ["export", "x", "--format", "pdf"], ["up", "--prot", "1"]])
def test_what_is_no_command_is_one_line(words: list[str]) -> None:
    """Status 2, and one line that says what is wrong and where help is."""
    said = clew("sqlite:////nowhere/x.db", *words)
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    assert "--help shows what can be said" in said.err


def test_options_stand_before_or_after_an_action(sqlite_url: str, tmp_path: Path) -> None:
    """The store may be named on either side of ``create`` and the like, and wins over the environment."""
    other = f"sqlite:///{tmp_path / 'other.db'}"
    clew(other, "migrate")
    assert clew(sqlite_url, "project", "create", "shop", "--database-url", other).status == 0
    assert "shop" in clew(sqlite_url, "project", "--database-url", other, "list").out
    assert "shop" not in clew(sqlite_url, "project", "list").out


def test_a_setting_that_cannot_be_is_one_line(sqlite_url: str) -> None:
    """An option that is a setting is checked as the setting is."""
    assert clew(sqlite_url, "web", "--port", "99999").err == "clew: CLEW_PORT must be a port number from 0 to 65535.\n"
    assert "set CLEW_AUTH=on" in clew(sqlite_url, "web", "--host", "0.0.0.0").err
