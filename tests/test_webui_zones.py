"""Whose clock times are told by: UTC unless the reader chose another, on every page, and never for programs."""

import re
from html import unescape

import pytest
from flask.testing import FlaskClient
from markupsafe import Markup

from ingest.store.engine import Store
from webui.format import Moment, clock
from webui.zones import COOKIE, find_zone, use_zone, zone_name

from .webui_app import ID, body, client_of, fill

AT = 1_795_500_000_000_000_000  # 2026-11-24T06:00:00Z


@pytest.fixture
def client(sqlite_store: Store, sqlite_url: str) -> FlaskClient:
    fill(sqlite_store)
    return client_of(sqlite_store, sqlite_url)


@pytest.mark.parametrize("name", ["", "America", "Europe/Nowhere", "../../etc/passwd", "/etc/passwd", "Europe/Zurich\n", "x" * 500, "\x00"])
def test_what_is_no_zone_is_utc(name: str) -> None:
    """A cookie is whatever somebody put there."""
    assert find_zone(name) is None
    use_zone(name)
    assert zone_name() == "UTC"


def test_a_time_is_told_by_the_readers_clock() -> None:
    """Words by the reader's clock, the instant for machines always in UTC; at the ends of time too."""
    use_zone("Asia/Kathmandu")
    assert clock(AT, AT) == "11:45:00"
    assert clock(AT, AT + 86_400 * 10**9) == "24 Nov 11:45:00"
    assert clock(AT, AT + 13 * 3_600 * 10**9).startswith("24 Nov"), "another day there, though not in UTC"
    assert Markup.escape(clock(AT, AT)) == Markup('<time datetime="2026-11-24T06:00:00Z">11:45:00</time>')
    for at_ns in (0, 2**63, 2**64 - 1, 10**30):
        assert isinstance(clock(at_ns), Moment)
    use_zone("UTC")


def test_a_page_begins_with_the_readers_zone(client: FlaskClient) -> None:
    """The next request, perhaps in the same thread, has the zone of its own reader."""
    client.set_cookie(COOKIE, "~Asia/Kathmandu")
    there = client.get(f"/traces/{ID}").text
    client.delete_cookie(COOKIE)
    here = client.get(f"/traces/{ID}").text
    times = [re.search(r'<time datetime="([^"]+)">([^<]+)</time> <span class="quiet">([^,]+),', page) for page in (there, here)]
    assert times[0] and times[1]
    assert times[0][1] == times[1][1]
    assert times[0][2] != times[1][2]
    assert (times[0][3], times[1][3]) == ("Asia/Kathmandu", "UTC")


def test_programs_are_told_utc(client: FlaskClient) -> None:
    client.set_cookie(COOKIE, "Asia/Kathmandu")
    mine = client.get(f"/api/v1/traces/{ID}")
    client.delete_cookie(COOKIE)
    assert body(mine) == body(client.get(f"/api/v1/traces/{ID}"))


def test_a_choice_is_kept_and_leads_back(client: FlaskClient) -> None:
    """The cookie holds the name alone, one that follows the browser is marked; the reader is back where they were."""
    kept = client.post("/settings", data={"which": "other", "other": "Europe/Zurich", "next": "/runs?filter=x%20%3D%201"})
    assert (kept.status_code, kept.headers["Location"]) == (303, "/runs?filter=x%20%3D%201")
    assert re.match(r"clew-zone=Europe/Zurich; .*Path=/; SameSite=Lax", kept.headers["Set-Cookie"])
    assert 'value="Europe/Zurich"' in client.get("/settings").text
    client.post("/settings", data={"which": "follow", "browser": "America/Lima"})
    assert client.get_cookie(COOKIE) is not None
    assert "America/Lima" in re.findall(r'id="zone"[^>]*>([^<]+)<', client.get("/runs").text)
    client.post("/settings", data={"which": "utc"})
    assert re.findall(r'id="zone"[^>]*>([^<]+)<', client.get("/runs").text) == ["UTC"]


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nX: y"])
def test_a_choice_leads_nowhere_else(client: FlaskClient, back: str) -> None:
    kept = client.post("/settings", data={"which": "utc", "next": back})
    assert (kept.status_code, kept.headers["Location"]) == (303, "/settings")
    assert 'name="next" value=""' in client.get("/settings", query_string={"next": back}).text


def test_a_typo_is_told(client: FlaskClient) -> None:
    missed = client.post("/settings", data={"which": "other", "other": "Europe/Zurch"})
    assert missed.status_code == 400
    assert "Did you mean Europe/Zurich?" in unescape(missed.text)
    assert client.post("/settings", data={"which": "utc"}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_every_time_on_a_page_names_its_instant(client: FlaskClient) -> None:
    """What looks like a time of day in a page's own words stands in a ``time`` element."""
    for path in ("/", "/runs", f"/traces/{ID}", f"/compare?a={ID}", "/settings", "/alerts", "/lookup?q=s-1"):
        page = client.get(path, follow_redirects=True).text
        bare = re.sub(r"<time [^>]*>[^<]*</time>", "", page)
        assert not re.search(r">\s*(?:\d+ [A-Z][a-z]{2}(?: \d{4})? )?\d\d:\d\d:\d\d\s*<", bare), path
