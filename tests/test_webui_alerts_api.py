"""The API of alerts, stopping, and the links in mails."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from ingest.store import access
from ingest.store.alertbook import list_audit, list_silences, read_alert, read_stop
from ingest.store.engine import Store
from webui.alerts.dispatch import Outlets
from webui.alerts.links import VALID_NS, LinkError, Permit, read_token, sign
from webui.alerts.message import Desk
from webui.alerts.setup import make_desk
from webui.format import now_ns
from webui.openapi import document

from .alert_play import KEY, Night, looping
from .test_webui_api import Shape
from .webui_app import MISSING, body, client_of, settings_of

TRACE = (1).to_bytes(16, "big")
RUN = (1).to_bytes(8, "big")


@pytest.fixture
def night(sqlite_store: Store, sqlite_url: str) -> Night:
    """Return a store in which a run loops right now."""
    desk = make_desk(settings_of(sqlite_url, base_url="https://clew.example"), sqlite_store)
    found = Night(sqlite_store, now_ns=now_ns(), outlets=Outlets(desk, "clew.example", ("ada@northgate.example",), (), True))
    found.arrive(looping(1, 9))
    found.tick(0)
    return found


@pytest.fixture
def client(night: Night, sqlite_store: Store, sqlite_url: str) -> Iterator[FlaskClient]:
    """Return a client of the application over it."""
    yield client_of(sqlite_store, sqlite_url)


def loop_id(night: Night) -> int:
    return next(one.id for one in night.alerts() if one.rule == "L1")


def shaped(schema: dict[str, Any], value: Any) -> list[str]:
    return list(Shape(document()["components"]["schemas"]).problems(schema, value))


def test_alerts_are_listed_by_state(night: Night, client: FlaskClient) -> None:
    listed = body(client.get("/api/v1/alerts?state=firing"))
    assert "L1" in [one["rule"] for one in listed["items"]]
    assert body(client.get("/api/v1/alerts?state=resolved"))["items"] == []
    assert client.get("/api/v1/alerts?state=burning").status_code == 400
    first = body(client.get("/api/v1/alerts?limit=1"))
    assert [one["id"] for one in body(client.get(f"/api/v1/alerts?cursor={first['next']}"))["items"]] == [
        one["id"] for one in listed["items"][1:]
    ]


def test_an_alert_has_its_evidence_history_and_deliveries(night: Night, client: FlaskClient) -> None:
    whole = body(client.get(f"/api/v1/alerts/{loop_id(night)}"))
    assert shaped({"$ref": "#/components/schemas/WholeAlert"}, whole) == []
    assert [run["trace_id"] for run in whole["runs"]] == [TRACE.hex()]
    assert [event["kind"] for event in whole["history"]] == ["opened", "fired"]
    assert whole["sentence"] == "billing-bot called search_orders with the same arguments and the same answer 9 times"
    for unknown in ("999", "x", "9" * 40):
        assert client.get(f"/api/v1/alerts/{unknown}").status_code == 404


def test_acknowledge_silence_resolve(night: Night, client: FlaskClient, sqlite_store: Store) -> None:
    """Each answers the alert as it is then, twice the same, and leaves an audit entry once."""
    alert = f"/api/v1/alerts/{loop_id(night)}"
    for _ in range(2):
        assert body(client.post(f"{alert}/ack"))["acknowledged_by"]
    silenced = client.post(f"{alert}/silence", json={"hours": 2, "reason": "known"})
    assert silenced.status_code == 201
    assert [one["reason"] for one in body(silenced)["items"]] == ["known"]
    for _ in range(2):
        assert body(client.post(f"{alert}/resolve"))["state"] == "resolved"
    with sqlite_store.engine.connect() as conn:
        assert [entry.deed for entry in list_audit(conn, 1)] == ["resolve", "silence", "acknowledge"]
    night.tick()
    assert "L1" not in [one.rule for one in night.alerts() if one.state == "firing"]


@pytest.mark.parametrize("wrong", [{"hours": 0}, {"hours": 10_000}, {"hours": "4"}, {"hours": True}, {"reason": 3}, {"reason": "x" * 999}])
def test_a_silence_has_bounds(night: Night, client: FlaskClient, wrong: dict[str, Any]) -> None:
    assert client.post(f"/api/v1/alerts/{loop_id(night)}/silence", json=wrong).status_code == 400


def test_stop_reaches_the_guard(client: FlaskClient, sqlite_store: Store) -> None:
    """What the SDK polls says who stopped the run and why; the first who asked is named."""
    control = f"/api/v1/traces/{TRACE.hex()}/control?run={RUN.hex()}"
    assert body(client.get(control)) == {"stop": False}
    asked = client.post(f"/api/v1/traces/{TRACE.hex()}/stop", json={"run": RUN.hex(), "reason": "enough"})
    assert asked.status_code == 202
    said = body(client.get(control))
    assert (said["stop"], said["reason"]) == (True, "enough")
    assert client.post(f"/api/v1/traces/{TRACE.hex()}/stop", json={"run": RUN.hex(), "reason": "other"}).status_code == 200
    assert body(client.get(control))["reason"] == "enough"
    assert body(client.get(f"/api/v1/traces/{TRACE.hex()}/control?run={'f' * 16}")) == {"stop": False}
    with sqlite_store.engine.connect() as conn:
        assert [(entry.deed, entry.after) for entry in list_audit(conn, 1)] == [("stop", "enough")]


def test_stopping_a_trace_stops_all_its_runs(client: FlaskClient) -> None:
    client.post(f"/api/v1/traces/{TRACE.hex()}/stop")
    assert body(client.get(f"/api/v1/traces/{TRACE.hex()}/control?run={RUN.hex()}"))["stop"] is True
    assert client.post(f"/api/v1/traces/{MISSING}/stop").status_code == 404
    assert client.post("/api/v1/traces/x/stop").status_code == 400
    assert client.post(f"/api/v1/traces/{TRACE.hex()}/stop", data="[]", content_type="application/json").status_code == 400
    assert client.post(f"/api/v1/traces/{TRACE.hex()}/stop", data="x=1").status_code in (400, 415)


def test_who_may_do_what(night: Night, sqlite_store: Store, sqlite_url: str) -> None:
    """A key that may send may ask about its runs and do nothing else; one that may read may not change anything."""
    guarded = client_of(sqlite_store, sqlite_url, auth=True)
    keys: dict[str, dict[str, str]] = {
        scope: {"Authorization": f"Bearer {access.create_key(sqlite_store, 'default', '', scope)}"} for scope in access.SCOPES
    }
    access.create_project(sqlite_store, "other")
    keys["other"] = {"Authorization": f"Bearer {access.create_key(sqlite_store, 'other', '', 'all')}"}
    alert = f"/api/v1/alerts/{loop_id(night)}"
    asked = {
        f"GET /api/v1/traces/{TRACE.hex()}/control": {"ingest": 200, "read": 200, "all": 200, "other": 200, "none": 401},
        "GET /api/v1/alerts": {"ingest": 401, "read": 200, "all": 200, "other": 200, "none": 401},
        f"GET {alert}": {"ingest": 401, "read": 200, "all": 200, "other": 404, "none": 401},
        f"POST {alert}/ack": {"ingest": 401, "read": 401, "all": 200, "other": 404, "none": 401},
        f"POST {alert}/silence": {"ingest": 401, "read": 401, "all": 201, "other": 404, "none": 401},
        f"POST {alert}/resolve": {"ingest": 401, "read": 401, "all": 200, "other": 404, "none": 401},
        f"POST /api/v1/traces/{TRACE.hex()}/stop": {"ingest": 401, "read": 401, "all": 202, "other": 404, "none": 401},
    }
    for what, expected in asked.items():
        method, url = what.split(" ")
        answers = {who: guarded.open(url, method=method, headers=keys.get(who, {})).status_code for who in expected}
        assert answers == expected, what
    assert body(guarded.get("/api/v1/alerts", headers=keys["other"]))["items"] == []


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}])
def test_another_sites_page_changes_nothing(night: Night, client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.post(f"/api/v1/traces/{TRACE.hex()}/stop", headers=headers).status_code == 403
    assert body(client.get(f"/api/v1/traces/{TRACE.hex()}/control")) == {"stop": False}


# --- links in mails -----------------------------------------------------------------------------------------------


def links_of(night: Night) -> dict[str, str]:
    """Return the links of the first mail, by what they do, as paths."""
    found = re.findall(r"https://clew\.example(/a/\d+/(\w+)\?t=\S+)", night.parcels()[0].body)
    return {deed: path for path, deed in found}


def test_opening_links_changes_nothing(night: Night, client: FlaskClient, sqlite_store: Store) -> None:
    """A program that opens every link in a mail, as scanners do, acknowledges, silences and stops nothing."""
    links = links_of(night)
    assert set(links) == {"stop", "ack", "silence"}
    before = night.alerts()
    for path in links.values():
        for _ in range(3):
            answer = client.get(path)
            assert answer.status_code == 200
            assert 'method="post"' in answer.text
        assert client.head(path).status_code == 200
    assert night.alerts() == before
    with sqlite_store.engine.connect() as conn:
        assert list_audit(conn, 1) == []
        assert list_silences(conn, 1) == []
        assert read_stop(conn, 1, TRACE, RUN) is None


def test_their_buttons_do(night: Night, sqlite_store: Store, sqlite_url: str) -> None:
    """Without any key, where keys are needed elsewhere; in the name of whom the mail went to."""
    guarded = client_of(sqlite_store, sqlite_url, auth=True)
    for path in links_of(night).values():
        assert guarded.post(path).status_code == 200
        assert guarded.post(path).status_code == 200
    with sqlite_store.engine.connect() as conn:
        alert = read_alert(conn, 1, night.parcels()[0].alert_id)
        assert alert is not None
        assert alert.acked_by == "ada@northgate.example"
        assert len(list_silences(conn, 1)) == 1
        stopped = read_stop(conn, 1, TRACE, RUN)
    assert stopped is not None
    assert stopped.stopped_by == "ada@northgate.example"


def test_a_link_is_for_one_deed_on_one_alert_for_two_days(night: Night, client: FlaskClient) -> None:
    path = links_of(night)["ack"]
    token = urlsplit(path).query.removeprefix("t=")
    other = "B" if token[0] == "A" else "A"
    alert_id = night.parcels()[0].alert_id
    for wrong in (
        f"/a/{alert_id}/stop?t={token}",
        f"/a/{alert_id + 1}/ack?t={token}",
        f"/a/{alert_id}/ack?t={token[:-2]}",
        f"/a/{alert_id}/ack?t={other}{token[1:]}",
        f"/a/{alert_id}/ack",
        f"/a/{alert_id}/ack?t=%ff%fe",
        f"/a/{alert_id}/ack?t={'A' * 5_000}",
    ):
        assert client.post(wrong).status_code == 403, wrong
    assert client.post(f"/a/{alert_id}/delete?t={token}").status_code == 404

    permit = Permit(1, 7, "ack", "ada@northgate.example", 1_000)
    assert read_token(sign(permit, KEY), KEY, 999 * 10**9) == permit
    with pytest.raises(LinkError, match="no longer valid"):
        read_token(sign(permit, KEY), KEY, 1_001 * 10**9)
    with pytest.raises(LinkError, match="not made here"):
        read_token(sign(permit, b"another key"), KEY, 0)
    assert VALID_NS == 48 * 3600 * 10**9


def test_links_lead_to_the_configured_address_only(night: Night) -> None:
    """Never to what a request's Host header says, nor to what a trace says."""
    parcel = night.parcels()[0]
    assert {urlsplit(url).netloc for url in re.findall(r"https?://[^\s\"<>]+", parcel.body + parcel.html)} == {"clew.example"}
    assert isinstance(night.outlets.desk, Desk)
    assert json.dumps(parcel.html).count("http://") == 0
