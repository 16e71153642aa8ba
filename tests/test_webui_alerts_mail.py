"""What mails and webhooks say: golden letters as files, the real path over a real connection, and where webhooks may go."""

import email
import email.policy
import hashlib
import hmac
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest

from ingest.settings import SettingsError
from ingest.store.alert_model import Alert, AlertRun
from ingest.store.blame import Share
from ingest.store.casebook import Case, Change, RunFact
from ingest.store.engine import Store
from ingest.store.roundup import AgentSum, Roundup
from webui.alerts.delivery import DeliveryError
from webui.alerts.letter import Letter
from webui.alerts.message import Brief, write_letter
from webui.alerts.postman import deliver_due
from webui.alerts.render import as_html, as_text
from webui.alerts.roundup import Edition, write_roundup
from webui.alerts.setup import make_outlets, make_postman, make_relay
from webui.alerts.stages import Notice
from webui.alerts.webhook import Target, check_target, is_public, post, signature
from webui.cli.main import main

from .alert_play import DESK, HOUR, KEY, MINUTE, Night, looping
from .builders import SECOND
from .smtp_server import Script, smtp_server
from .test_webui_alerts_smtp import parcel
from .webui_app import settings_of

GOLDEN = Path(__file__).parent / "fixtures" / "alerts"
NOW = 1_778_530_800 * SECOND
"""Mon 11 May 2026, 20:20 UTC."""

ALERT = Alert(
    id=318, project_id=1, fingerprint="f" * 64, rule="L1", agent="billing-bot", subject="search_orders", state="firing",
    severity="critical",
    observed=142, threshold=8, sentence="billing-bot called search_orders with the same arguments and the same answer 142 times",
    detail='{"customer":"c_5519","month":"2026-04","page":1,"key":"sk-aB3dE5gH7jK9mN1pQ3sT5vW7"}', expected="", opened_ns=NOW - 9 * MINUTE,
    active_ns=NOW, changed_ns=NOW, fired_ns=NOW - 9 * MINUTE, runs=3, wasted_nanos=180_000_000_000,
)  # fmt: skip


def behind(number: int, calls: int, nanos: int, asked: str) -> tuple[AlertRun, RunFact]:
    """Return a run behind the alert, and what is known of it."""
    trace_id, run_id = bytes([number]) * 16, bytes([number]) * 8
    run = AlertRun(1, "f" * 64, trace_id, run_id, 318, "critical", calls, NOW - 9 * MINUTE, NOW - SECOND, NOW - SECOND, run_id + b"\1" * 8,
                   ALERT.sentence, "", None, 1)  # fmt: skip
    fact = RunFact(
        trace_id, run_id, "billing-bot", "running", "running", NOW - 9 * MINUTE, None, asked, "2.8.0", nanos, 0, calls, calls, 2 * calls
    )
    return run, fact


CASE = Case(
    ALERT,
    (
        behind(0x4B, 142, 123_600_000_000, "Reconcile the April orders of Osterley Supplies"),
        behind(0x9D, 48, 41_900_000_000, "Reconcile the April orders of Tarn Logistics <b>"),
        behind(0xE6, 22, 18_900_000_000, "Reconcile the April orders of Corrie Dental"),
    ),
    tuple((NOW // MINUTE - 9 + n, (2 + n) * 3_000_000_000) for n in range(9)),
    1_900_000_000,
    6,
    Change("2.8.0", NOW - 22 * MINUTE, "2.7.3"),
    b"\x70" * 16,
)


def letter(kind: str = "firing", alert: Alert = ALERT, case: Case = CASE) -> Letter:
    """Return what is told of the case."""
    return write_letter(Brief(Notice(kind, (alert,)), case, "oncall@northgate.example", DESK, NOW))


def contributor(pair: tuple[AlertRun, RunFact | None], words: str) -> tuple[AlertRun, RunFact | None]:
    """Return a run that contributes to something: with a step to look at first where there are words for it."""
    spans = b"\2" * 8 if words else pair[0].run_id
    return msgspec.structs.replace(pair[0], sentence=words, spans=spans), pair[1]


SPEND = msgspec.structs.replace(
    ALERT, id=320, rule="B4", agent="", subject="spend", severity="warning", observed=2.1, threshold=1.0, runs=0, wasted_nanos=None,
    detail="",
    sentence="$26.50 were spent in 10 minutes and $42.47 in an hour",
    expected="below $10.00 in 10 minutes, $10, and below $20.00 in an hour.",
)  # fmt: skip
SPEND_CASE = Case(
    SPEND,
    minutes=CASE.minutes,
    contributors=(
        contributor(CASE.runs[0], "chat house-large used most tokens"),
        contributor(CASE.runs[1], "search_orders <b> with key sk-aB3dE5gH7jK9mN1pQ3sT5vW7 used most tokens"),
        contributor(CASE.runs[2], ""),
    ),
    split=(Share("billing-bot", 36_400_000_000, 0.857), Share("scheduler", 4_070_000_000, 0.096), Share("triage", 2_000_000_000, 0.047)),
)

RESOLVED = msgspec.structs.replace(ALERT, state="resolved", resolved_ns=NOW)
WEEK = Roundup(
    (AgentSum("billing-bot", 4_120, 61, 212_400_000_000), AgentSum("scheduler", 18_400, 230, 61_020_000_000)),
    94_100_000_000,
    (ALERT, msgspec.structs.replace(SPEND, state="resolved")),
    37,
    2,
)
LETTERS = {
    "firing": letter(),
    "resolved": letter("resolved", RESOLVED, msgspec.structs.replace(CASE, alert=RESOLVED)),
    "spend": letter("firing", SPEND, SPEND_CASE),
    "weekly": write_roundup(Edition("weekly", "default", NOW - 7 * 24 * HOUR, NOW), WEEK, DESK),
    "digest": letter("digest", msgspec.structs.replace(ALERT, id=319)),
}


@pytest.mark.parametrize("name", LETTERS)
@pytest.mark.parametrize(("ending", "render"), [("txt", as_text), ("html", as_html)])
def test_letters_are_as_they_were_looked_at(name: str, ending: str, render: object) -> None:
    """A change of a letter is a change of its file, which somebody looks at."""
    assert callable(render)
    path = GOLDEN / f"{name}.{ending}"
    told = f"Subject: {LETTERS[name].subject}\n\n{render(LETTERS[name])}" if ending == "txt" else render(LETTERS[name])
    assert path.read_text("utf-8") == told


def test_the_letter_of_the_night_says_all_there_is_to_say() -> None:
    text = as_text(LETTERS["firing"])
    subject = LETTERS["firing"].subject
    assert len(subject) <= 120
    assert "$184.40 in 9 min" in subject
    for words in ("STOP THESE 3 RUNS", "ACKNOWLEDGE", "SILENCE 4 H", "an hour", "usually: $1.90", "by 08:00",
                  "billing-bot 2.8.0", "before it 2.7.3", "Osterley", "$123.60", "142", "idle for 15 minutes",
                  "in 1 h", "Rule L1", "Incident 318"):  # fmt: skip
        assert words in text, words
    assert "sk-aB3d" not in text + as_html(LETTERS["firing"])
    assert max(len(line) for line in text.splitlines() if "http" not in line) <= 80


def test_both_parts_have_the_same_content() -> None:
    """Every link of the one is in the other, and nothing remote is loaded by either."""
    for one in LETTERS.values():
        text, html = as_text(one), as_html(one)
        links = {word for word in text.split() if word.startswith("http")}
        assert all(link.rstrip(".").replace("&", "&amp;") in html for link in links)
        assert not any(word in html for word in ("src=", "@import", "url(", "<script", "<link", "<img"))
        assert "<b>" not in html.replace("<b>", "", 0) or "Tarn Logistics &lt;b&gt;" in html


@pytest.mark.parametrize("severity", ["warning", "critical"])
@pytest.mark.parametrize("length", [1, 60, 400])
def test_subjects_stay_short_and_keep_the_money(severity: str, length: int) -> None:
    alert = msgspec.structs.replace(ALERT, severity=severity, sentence="x" * length)
    subject = letter(alert=alert, case=msgspec.structs.replace(CASE, alert=alert)).subject
    assert len(subject) <= 120
    assert "$184.40" in subject


def test_from_a_loop_to_a_mail_over_a_real_connection(sqlite_store: Store, sqlite_url: str) -> None:
    """Spans, link, watch, outbox, SMTP: the mail is in the server's hands, its end answers to it, and what the log says is true."""
    with smtp_server(Script()) as server:
        settings = settings_of(
            sqlite_url, smtp_url=f"smtp://127.0.0.1:{server.port}?tls=none", alert_from="Clew <clew@clew.example>",
            alert_to="ada@northgate.example, bob@northgate.example", base_url="https://clew.example",
        )  # fmt: skip
        night = Night(sqlite_store, outlets=make_outlets(settings, sqlite_store))
        postman = make_postman(settings, sqlite_store, lambda: night.now_ns)
        night.arrive(looping(1, 9))
        night.tick()
        while deliver_due(sqlite_store, postman):
            continue
        night.arrive(looping(1, 9, ended=True))
        night.pass_time(8 * MINUTE)
        while deliver_due(sqlite_store, postman):
            continue
        mails = [email.message_from_bytes(mail.data, policy=email.policy.default) for mail in server.mails]
    assert sorted(mail["To"] for mail in mails) == ["ada@northgate.example"] * 2 + ["bob@northgate.example"] * 2
    for receiver in ("ada@northgate.example", "bob@northgate.example"):
        first, last = (mail for mail in mails if mail["To"] == receiver)
        assert last["References"] == last["In-Reply-To"] == first["Message-ID"]
        assert str(last["Subject"]).startswith("[resolved]")
    assert {one.state for one in night.parcels()} == {"sent"}


# --- the command --------------------------------------------------------------------------------------------------


def command(store_url: str, *words: str, **more: str) -> tuple[int, str, str]:
    """Carry out a command with settings."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(words, {"CLEW_DATABASE_URL": store_url, **more})
    return status, out.getvalue(), err.getvalue()


def test_clew_alerts_test_goes_the_real_way(sqlite_url: str) -> None:
    with smtp_server(Script()) as server:
        relay = {"CLEW_SMTP_URL": f"smtp://127.0.0.1:{server.port}?tls=none"}
        assert command(sqlite_url, "alerts", "test", "--to", "ada@b.example", **relay) == (0, "ada@b.example: sent, 250 taken\n", "")
        assert server.mails[0].receivers == ["ada@b.example"]
    with smtp_server(Script(rcpt="550 no such user")) as server:
        relay = {"CLEW_SMTP_URL": f"smtp://127.0.0.1:{server.port}?tls=none", "CLEW_ALERT_TO": "ada@b.example"}
        status, out, _ = command(sqlite_url, "alerts", "test", **relay)
        assert (status, "550 no such user" in out) == (1, True)
    assert command(sqlite_url, "alerts", "test")[2].startswith("clew: Nobody to send to")
    assert "nothing was sent" in command(sqlite_url, "alerts", "test", "--to", "ada@b.example")[1]
    assert "CLEW_SMTP_URL must be" in command(sqlite_url, "alerts", "test", "--to", "a@b.example", CLEW_SMTP_URL="http://u:secret@x")[2]


def test_clew_alerts_explain_tells_it_all(sqlite_store: Store, sqlite_url: str) -> None:
    night = Night(sqlite_store)
    night.arrive(looping(1, 9))
    night.tick()
    number = night.parcels()[0].alert_id
    status, out, _ = command(sqlite_url, "alerts", "explain", str(number))
    assert status == 0
    for words in (
        f"Incident {number}: billing-bot called",
        "critical, firing",
        "opened",
        "fired",
        "firing    oncall@northgate.example: due",
    ):
        assert words in out, words
    assert command(sqlite_url, "alerts", "explain", "999")[0] == 1


def test_settings_that_cannot_be_say_so_without_the_secret(sqlite_store: Store, sqlite_url: str) -> None:
    for changes in ({"smtp_url": "smtp://u:secret@mail.example?tls=none"}, {"smtp_url": "nonsense"}):
        with pytest.raises(SettingsError) as caught:
            make_relay(settings_of(sqlite_url, **changes))
        assert "secret" not in str(caught.value)
    with pytest.raises(SettingsError):
        make_outlets(settings_of(sqlite_url, alert_to="nobody"), sqlite_store)


# --- webhooks -----------------------------------------------------------------------------------------------------

INSIDE = (
    "http://127.0.0.1/", "http://localhost/", "http://0.0.0.0/", "http://127.1/", "http://0x7f.1/", "http://2130706433/", "http://017700000001/",
    "http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.1.1/", "http://169.254.169.254/latest/meta-data", "http://100.64.0.1/",
    "http://[::1]/", "http://[::]/", "http://[fe80::1]/", "http://[fc00::1]/", "http://[::ffff:169.254.169.254]/", "http://[::ffff:7f00:1]/",
    "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://[2001:0:7f00:1::]/", "http://224.0.0.1/", "http://255.255.255.255/",
    "http://192.0.2.1/", "http://198.18.0.1/", "http://[2001:db8::1]/", "http://[ff02::1]/", "http://0177.0.0.1/", "http://127.0.0.1:80@evil/",
    "http://user:secret@93.184.216.34/", "ftp://93.184.216.34/", "file:///etc/passwd", "gopher://93.184.216.34/", "http:///x", "http://",
    "http://lоcalhost/", "http://１２７.0.0.1/", "//93.184.216.34/", "http://[::1", "http://x:99999/", "javascript:alert(1)",
)  # fmt: skip


def as_system(host: str, port: int) -> list[str]:
    """Look addresses up without a network: numbers as the system reads them, names nowhere."""
    loopback = ("localhost", "127.1", "0x7f.1", "2130706433", "017700000001", "0177.0.0.1")
    return ["127.0.0.1" if host in loopback else host]


@pytest.mark.parametrize("url", INSIDE)
def test_a_webhook_goes_nowhere_inside(url: str) -> None:
    with pytest.raises(DeliveryError) as caught:
        check_target(url, as_system, private=False)
    assert caught.value.failure == "misconfigured"
    assert "secret" not in str(caught.value)


def test_a_webhook_goes_where_it_was_checked() -> None:
    """A name with one address inside is refused whole; one that is public is connected to by the address that was looked at."""
    assert check_target("https://hooks.example/a?b=c", lambda host, port: ["93.184.216.34"], private=False) == Target(
        "https", "hooks.example", 443, "/a?b=c", "93.184.216.34"
    )
    with pytest.raises(DeliveryError):
        check_target("https://hooks.example/", lambda host, port: ["93.184.216.34", "10.0.0.1"], private=False)
    assert check_target("http://10.0.0.1/x", as_system, private=True).address == "10.0.0.1"
    assert is_public("8.8.8.8")
    assert is_public("2606:4700::1111")


class _Hook(BaseHTTPRequestHandler):
    """Remembers what it is sent and answers as it is told to."""

    taken: list[tuple[dict[str, str], bytes]]
    status = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.taken.append((dict(self.headers), body))
        self.send_response(self.status)
        if self.status == 302:
            self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@contextmanager
def hook(status: int = 200) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """Run a webhook for the length of a block."""
    taken: list[tuple[dict[str, str], bytes]] = []
    server = HTTPServer(("127.0.0.1", 0), type("Hook", (_Hook,), {"taken": taken, "status": status}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", taken
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def test_a_webhook_is_signed_and_tells_what_a_pager_needs(sqlite_store: Store, sqlite_url: str) -> None:
    with hook() as (url, taken):
        settings = settings_of(sqlite_url, webhook_url=url, webhook_private=True, secret_key="k" * 40)
        night = Night(sqlite_store, outlets=make_outlets(settings, sqlite_store))
        night.arrive(looping(1, 9))
        night.tick()
        assert deliver_due(sqlite_store, make_postman(settings, sqlite_store, lambda: night.now_ns)) == 1
    headers, body = taken[0]
    at, digest = (part.split("=")[1] for part in headers["X-Clew-Signature"].split(","))
    assert hmac.new(b"k" * 40, f"{at}.".encode() + body, hashlib.sha256).hexdigest() == digest
    told = json.loads(body)
    alert = next(one for one in night.alerts() if one.id == told["alert"]["id"])
    assert (told["event_action"], told["dedup_key"]) == ("trigger", alert.fingerprint)
    assert len(told["dedup_key"]) <= 255
    assert told["links"][0]["href"].endswith(f"/alerts/{alert.id}")
    assert signature(body, int(at), KEY) != headers["X-Clew-Signature"]


@pytest.mark.parametrize(("status", "failure"), [(500, "passing"), (429, "passing"), (404, "refused"), (302, "refused")])
def test_a_webhook_that_will_not(status: int, failure: str) -> None:
    """Redirects are not followed: where they lead nobody has checked."""
    with hook(status) as (url, taken):
        with pytest.raises(DeliveryError) as caught:
            post(check_target(url, as_system, private=True), parcel(channel="webhook", body="{}"), KEY, NOW + HOUR)
        assert caught.value.failure == failure
        assert len(taken) == 1
