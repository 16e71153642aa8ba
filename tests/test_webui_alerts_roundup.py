"""The mail of each morning and each Monday: sent at its hour, once, wherever that is, and it says that alerts are alive."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from ingest.settings import SettingsError, load_settings
from ingest.store.access import create_project
from ingest.store.alert_model import Parcel
from ingest.store.engine import Store
from webui.alerts.setup import make_outlets

from .alert_play import DESK, HOUR, MINUTE, OUTLETS, Night, looping
from .builders import SECOND
from .webui_app import settings_of
from .wire import agent_span, in_trace, llm_span

ZURICH = ZoneInfo("Europe/Zurich")
AT_EIGHT = msgspec.structs.replace(OUTLETS, digest_minute=8 * 60)
IN_ZURICH = msgspec.structs.replace(AT_EIGHT, desk=msgspec.structs.replace(DESK, zone=ZURICH))


def at(*when: int, zone: ZoneInfo | None = None) -> int:
    """Return a time of a place, UTC unless told otherwise."""
    return round(datetime(*when, tzinfo=zone or UTC).timestamp()) * SECOND  # type: ignore[arg-type,misc]  # year to minute


def roundups(night: Night) -> list[Parcel]:
    return [one for one in night.parcels() if one.kind in ("daily", "weekly")]


def a_run(night: Night, number: int, usd: float = 2.0, agent: str = "clerk") -> None:
    """Let a run arrive that cost so much and has just ended."""
    spans = [agent_span(1, agent, lasts=5.0), llm_span(2, 1, at=1.0, attributes={"clew.cost.usd": usd})]
    night.arrive(in_trace(spans, number.to_bytes(16, "big")))


def test_each_morning_there_is_one(store: Store) -> None:
    """Written when the hour comes, not before, and not again."""
    night = Night(store, at(2025, 10, 8, 6, 0), AT_EIGHT)
    night.tick()
    a_run(night, 1)
    night.pass_time(2 * HOUR - MINUTE, 9 * MINUTE)
    assert roundups(night) == []
    night.pass_time(20 * MINUTE, MINUTE)
    assert [one.kind for one in roundups(night)] == ["daily"]
    mail = roundups(night)[0]
    assert mail.subject == "[daily] no alert; 1 run, $2.00 spent in the last day"
    assert "clerk $2.00 in 1 run" in mail.body
    assert (mail.state, mail.created_ns) == ("due", at(2025, 10, 8, 8, 0))


def test_a_fresh_installation_waits_for_its_first_morning(sqlite_store: Store) -> None:
    night = Night(sqlite_store, at(2025, 10, 8, 8, 1), AT_EIGHT)
    a_run(night, 1)
    night.pass_time(30 * MINUTE, MINUTE)
    assert roundups(night) == []


def test_a_day_on_which_nothing_happened_has_none(sqlite_store: Store) -> None:
    """But for Mondays: silence must not mean both well and dead."""
    night = Night(sqlite_store, at(2025, 10, 11, 6, 0), AT_EIGHT)
    night.pass_time(50 * HOUR + 30 * MINUTE, 9 * MINUTE)
    assert [one.kind for one in roundups(night)] == ["weekly"]
    assert roundups(night)[0].subject.startswith("[weekly] Alerts are alive: no alert; 0 runs")
    assert roundups(night)[0].created_ns == at(2025, 10, 13, 8, 0)


@pytest.mark.parametrize("day", [(2025, 10, 25), (2025, 10, 26), (2025, 10, 28), (2026, 3, 28), (2026, 3, 29), (2024, 2, 29)])
def test_it_is_eight_where_people_are(sqlite_store: Store, day: tuple[int, int, int]) -> None:
    """The days on which clocks change, those beside them, and the leap day: one mail, at eight."""
    eight = at(*day, 8, 0, zone=ZURICH)
    night = Night(sqlite_store, eight - 90 * MINUTE, IN_ZURICH)
    night.tick()
    a_run(night, 1)
    night.pass_time(3 * HOUR, 5 * MINUTE)
    assert [one.created_ns for one in roundups(night)] == [eight]
    assert "08:00 CE" in roundups(night)[0].body


def test_a_watch_that_was_away_writes_it_later(sqlite_store: Store) -> None:
    """Away over the hour, or dead right after it: one mail all the same."""
    night = Night(sqlite_store, at(2025, 10, 8, 7, 0), AT_EIGHT)
    night.tick()
    a_run(night, 1)
    night.tick(3 * HOUR)
    night.restart()
    night.tick()
    night.now_ns -= 3 * HOUR
    night.restart()
    night.pass_time(2 * HOUR, 9 * MINUTE)
    assert [one.kind for one in roundups(night)] == ["daily"]


def test_it_tells_of_alerts_and_of_what_could_not_be_told(sqlite_store: Store) -> None:
    night = Night(sqlite_store, at(2025, 10, 8, 7, 0), AT_EIGHT)
    night.tick()
    night.arrive(looping(1, 9))
    night.tick()
    night.pass_time(80 * MINUTE, 5 * MINUTE)
    mail = roundups(night)[0]
    assert "alert" in mail.subject
    assert "billing-bot called search_orders" in mail.body
    assert "https://clew.example/alerts/1" in mail.body
    assert "could not be delivered yet" in " ".join(mail.body.split())


def test_each_project_has_its_own(sqlite_store: Store) -> None:
    create_project(sqlite_store, "shop")
    night = Night(sqlite_store, at(2025, 10, 13, 7, 0), AT_EIGHT)
    night.tick()
    night.pass_time(70 * MINUTE, 5 * MINUTE)
    with sqlite_store.engine.connect() as conn:
        subjects = [row[0] for row in conn.exec_driver_sql("SELECT subject FROM outbox ORDER BY id")]
    assert [subject.rpartition(" in ")[2] for subject in subjects] == ["default", "shop"]


def test_when_is_a_setting(sqlite_store: Store, sqlite_url: str) -> None:
    """At eight on this machine's clock; or another time, another place, or never."""
    assert make_outlets(settings_of(sqlite_url), sqlite_store).digest_minute == 480
    away = make_outlets(settings_of(sqlite_url, alert_digest="17:45 Asia/Tokyo"), sqlite_store)
    assert (away.digest_minute, str(away.desk.zone)) == (1_065, "Asia/Tokyo")
    assert make_outlets(settings_of(sqlite_url, alert_digest="off"), sqlite_store).digest_minute is None


@pytest.mark.parametrize("wrong", ["8", "24:00", "08:60", "08:5", "soon", "08:00 Nowhere/City", "08:00 ../../etc/passwd", ":"])
def test_a_time_is_a_time(wrong: str) -> None:
    with pytest.raises(SettingsError, match="CLEW_ALERT_DIGEST must be a time of day"):
        load_settings({"CLEW_ALERT_DIGEST": wrong})
