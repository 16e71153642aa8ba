"""The pages of alerts: what they show, what their forms do, and that nothing in a trace acts in them."""

import re
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient

from ingest.model import Span
from ingest.store.alertbook import list_silences
from ingest.store.engine import Store
from ingest.store.watchbook import read_settings
from webui.format import now_ns

from .alert_play import Night, looping
from .webui_app import EVIL, client_of


@pytest.fixture
def night(sqlite_store: Store) -> Night:
    """Return a store in which a run loops right now."""
    found = Night(sqlite_store, now_ns=now_ns())
    found.arrive(looping(1, 9))
    found.tick(0)
    return found


@pytest.fixture
def client(night: Night, sqlite_store: Store, sqlite_url: str) -> FlaskClient:
    """Return a client of the application over it."""
    return client_of(sqlite_store, sqlite_url)


def form_of(client: FlaskClient, path: str) -> str:
    """Return the token of a page's forms."""
    found = re.search(r'name="form" value="([^"]+)"', client.get(path).text)
    assert found is not None
    return found[1]


def test_the_list_says_what_is_wrong_and_that_nobody_is_told(client: FlaskClient) -> None:
    page = client.get("/alerts").text
    assert "billing-bot called search_orders with the same arguments" in page
    assert "CLEW_SMTP_URL is not set" in page
    assert "No alert is in this state" in client.get("/alerts?state=resolved").text


def test_the_alert_has_its_evidence_and_what_was_told(night: Night, client: FlaskClient) -> None:
    page = client.get(f"/alerts/{night.parcels()[0].alert_id}").text
    for words in ("Runs behind it", "What happened", "opened", "fired", "Identical call", "Stop 1 run", "[critical] billing-bot"):
        assert words in page, words
    assert client.get("/alerts/999").status_code == 404


def test_a_run_that_an_alert_names_says_so(night: Night, client: FlaskClient) -> None:
    """With a link to the incident and to the step; a run of which nothing is wrong has no mark."""
    shown = client.get(f"/traces/{(1).to_bytes(16, 'big').hex()}").text
    assert "Incident 1" in shown
    assert 'href="/alerts/1"' in shown
    assert "where it began" in shown
    night.arrive(looping(77, 1, ended=True))
    assert "Incident" not in client.get(f"/traces/{(77).to_bytes(16, 'big').hex()}").text


def test_buttons_need_a_form_of_ours(night: Night, client: FlaskClient) -> None:
    path = f"/alerts/{night.parcels()[0].alert_id}"
    for deed in ("ack", "resolve", "stop", "silence"):
        assert client.post(f"{path}/{deed}").status_code == 403
        assert client.post(f"{path}/{deed}", data={"form": "x"}).status_code == 403
    token = form_of(client, path)
    assert client.post(f"{path}/ack", data={"form": token}).status_code == 303
    assert "acknowledged by" in client.get(path).text
    assert client.post(f"{path}/silence", data={"form": token, "hours": "4", "reason": "known"}).status_code == 303
    assert "silenced until" in client.get(path).text
    assert client.post(f"{path}/stop", data={"form": token}).status_code == 303
    assert client.post(f"{path}/resolve", data={"form": token}).status_code == 303
    assert "Resolved" in client.get(path).text
    assert client.post(f"{path}/explode", data={"form": token}).status_code == 404


def test_silences_are_made_and_ended(client: FlaskClient, sqlite_store: Store) -> None:
    token = form_of(client, "/alerts/silences")
    wrong: tuple[dict[str, str], ...] = (
        {},
        {"rule": "L1"},
        {"rule": "L1", "reason": "x", "hours": "721"},
        {"rule": "L1", "reason": "x", "hours": "nan"},
    )
    assert {client.post("/alerts/silences", data={"form": token, **data}).status_code for data in wrong} == {400}
    client.post("/alerts/silences", data={"form": token, "agent": EVIL, "reason": EVIL, "hours": "1"})
    with sqlite_store.engine.connect() as conn:
        made = list_silences(conn, 1)[0]
    assert client.post(f"/alerts/silences/{made.id}/end", data={"form": token}).status_code == 303
    with sqlite_store.engine.connect() as conn:
        assert list_silences(conn, 1)[0].ends_ns <= now_ns()


def test_a_rule_is_set_for_the_project_and_for_an_agent(client: FlaskClient, sqlite_store: Store) -> None:
    """Only what differs from what would hold anyway is kept; Default forgets it."""
    token = form_of(client, "/alerts/rules")
    base = {"form": token, "rule": "L1", "on": "on", "warning": "4", "critical": "8"}
    client.post("/alerts/rules", data=base)
    with sqlite_store.engine.connect() as conn:
        assert read_settings(conn) == {}
    client.post("/alerts/rules", data={**base, "warning": "6", "stop": "critical"})
    client.post("/alerts/rules", data={**base, "agent": "billing-bot", "warning": "6", "critical": "12"})
    with sqlite_store.engine.connect() as conn:
        found = read_settings(conn)
    assert (found[1, "", "L1"].warning, found[1, "", "L1"].critical, found[1, "", "L1"].stop) == (6, None, "critical")
    assert (found[1, "billing-bot", "L1"].warning, found[1, "billing-bot", "L1"].critical) == (None, 12)
    client.post("/alerts/rules", data={**base, "agent": "billing-bot", "forget": "1"})
    client.post("/alerts/rules", data={"form": token, "rule": "*", "polling": "look, wait", "day_usd": "12.5"})
    with sqlite_store.engine.connect() as conn:
        found = read_settings(conn)
    assert (1, "billing-bot", "L1") not in found
    assert (found[1, "", "*"].polling, found[1, "", "*"].day_nanos) == (("look", "wait"), 12_500_000_000)
    for wrong in ({"warning": "x"}, {"warning": "-1"}, {"warning": "inf"}, {"rule": "L99"}):
        assert client.post("/alerts/rules", data={**base, **wrong}).status_code == 400


def test_a_changed_rule_holds_for_what_comes_next(night: Night, client: FlaskClient) -> None:
    client.post("/alerts/rules", data={"form": form_of(client, "/alerts/rules"), "rule": "L1", "warning": "4", "critical": "8"})
    night.restart()
    night.arrive(looping(2, 9, "other"))
    night.tick()
    assert "L1" not in [one.rule for one in night.alerts() if one.agent == "other"]


def test_a_preview_says_what_would_have_fired(client: FlaskClient) -> None:
    assert (
        "would have fired 1 time in the last 14 days, from 1 run looked at"
        in client.get("/alerts/rules?preview=L1&warning=4&critical=8").text
    )
    assert "would have fired 0 times" in client.get("/alerts/rules?preview=L1&warning=40&critical=80").text


def test_a_message_is_read_without_what_its_links_may_do(night: Night, client: FlaskClient) -> None:
    parcel = night.parcels()[0]
    page, html = client.get(f"/alerts/deliveries/{parcel.id}").text, client.get(f"/alerts/deliveries/{parcel.id}/html")
    for token in re.findall(r"\?t=([\w-]{20,})", parcel.body):
        assert token not in page
        assert token not in html.text
    assert "sandbox" in html.headers["Content-Security-Policy"]
    assert "script" not in html.headers["Content-Security-Policy"]
    assert "oncall@northgate.example" in client.get("/alerts/deliveries").text


class _Found(HTMLParser):
    """Collects what data must never become."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.bad += [tag] if tag in ("b1", "iframe", "object") or (tag == "img") else []
        self.bad += [f"{tag} {name}" for name, value in attrs if name.startswith("on") or (value or "").strip().startswith("javascript:")]


def hostile() -> list[Span]:
    """Return a loop in which every word is an attack."""
    spans = looping(3, 9, EVIL)
    for span in spans:
        if "gen_ai.tool.name" in span.attributes:
            span.attributes |= {"gen_ai.tool.name": EVIL, "gen_ai.tool.call.arguments": EVIL, "gen_ai.tool.call.result": EVIL}
    return spans


def test_nothing_in_a_trace_acts_in_pages_or_mails(night: Night, client: FlaskClient) -> None:
    night.arrive(hostile())
    night.tick()
    evil = [parcel for parcel in night.parcels() if "alert(1)" in parcel.body]
    assert evil
    texts = [parcel.html for parcel in evil]
    paths = [
        "/alerts",
        "/alerts/deliveries",
        *(f"/alerts/{one.id}" for one in night.alerts()),
        *(f"/alerts/deliveries/{one.id}" for one in evil),
    ]
    texts += [client.get(path).text for path in [*paths, "/alerts/rules?agent=" + EVIL, "/alerts/silences"]]
    for text in texts:
        found = _Found()
        found.feed(text)
        assert found.bad == []
        assert "<script>alert" not in text
        assert "\u202e" not in text or 'placeholder="the project"' in text
    for parcel in evil:
        assert "<img" not in parcel.html
        assert parcel.subject.isprintable()
