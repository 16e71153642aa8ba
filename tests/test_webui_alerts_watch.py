"""From spans to parcels: what is found becomes one incident, is told once, and ends by itself."""

from ingest.store.alert_model import Silence
from ingest.store.alertbook import Actor, acknowledge, add_silence, events_of_alert, read_stop, runs_of_alert
from ingest.store.engine import Store
from ingest.store.watchbook import RuleSetting, save_setting

from .alert_play import HOUR, MINUTE, Night, looping
from .builders import SECOND

ME = Actor("ada")


def test_a_loop_is_told_at_once_and_once(store: Store) -> None:
    """Eight identical calls are critical: one mail, and none while it goes on and nothing changes."""
    night = Night(store)
    night.arrive(looping(1, 9))
    night.tick()

    assert [(one.rule, one.state, one.severity) for one in night.alerts() if one.rule == "L1"] == [("L1", "firing", "critical")]
    assert night.told() == ["firing"]
    night.pass_time(MINUTE)
    assert night.told() == ["firing"]
    mail = night.parcels()[0]
    assert mail.subject.startswith("[critical] billing-bot repeated search_orders 9 times")
    assert "https://clew.example/a/" in mail.body
    assert f"/traces/{(1).to_bytes(16, 'big').hex()}" in mail.body


def test_it_resolves_when_the_run_ends(store: Store) -> None:
    """A run that ended loops no more; after five quiet minutes it is over, and that is told in the same thread."""
    night = Night(store)
    night.arrive(looping(1, 9))
    night.tick()
    night.arrive(looping(1, 9, ended=True))
    night.pass_time(4 * MINUTE)
    assert night.told() == ["firing"]
    night.pass_time(3 * MINUTE)

    assert night.told() == ["firing", "resolved"]
    first, last = night.parcels()
    assert last.thread == first.message_id != last.message_id
    assert {one.state for one in night.alerts()} == {"resolved"}


def test_an_idle_run_resolves_too(store: Store) -> None:
    night = Night(store)
    night.arrive(looping(1, 9))
    night.pass_time(14 * MINUTE, 30 * SECOND)
    assert {one.state for one in night.alerts()} == {"firing"}
    night.pass_time(8 * MINUTE, 30 * SECOND)
    assert {one.state for one in night.alerts()} == {"resolved"}


def test_many_runs_are_one_incident(store: Store) -> None:
    """Which run it was is no part of an alert's identity."""
    night = Night(store)
    for number in range(1, 21):
        night.arrive(looping(number, 9))
        night.tick()

    looped = [one for one in night.alerts() if one.rule == "L1"]
    assert [(one.runs, one.severity) for one in looped] == [(20, "critical")]
    assert night.told() == ["firing"]
    with store.engine.connect() as conn:
        assert len(runs_of_alert(conn, looped[0].id)) == 20


def test_a_restart_neither_forgets_nor_repeats(store: Store) -> None:
    night = Night(store)
    night.arrive(looping(1, 9))
    night.tick()
    before = night.alerts()
    night.restart()
    night.pass_time(MINUTE)

    assert night.told() == ["firing"]
    assert [(one.id, one.fingerprint) for one in night.alerts()] == [(one.id, one.fingerprint) for one in before]


def test_getting_worse_is_told_at_once(store: Store) -> None:
    """A warning waits for its group; what becomes critical does not."""
    night = Night(store)
    night.arrive(looping(1, 5))
    night.tick()
    assert night.told() == []
    night.pass_time(40 * SECOND)
    assert night.told() == ["firing"]
    night.arrive(looping(1, 9))
    night.tick()
    assert night.told() == ["firing", "raised"]
    assert night.parcels()[1].subject.startswith("[critical] now billing-bot")


def test_reminders_until_acknowledged(store: Store) -> None:
    """A critical alert is told again every hour, until somebody says that they look after it."""
    night = Night(store)
    night.arrive(looping(1, 9))
    for calls in range(10, 24):
        night.pass_time(10 * MINUTE, MINUTE)
        night.arrive(looping(1, calls))
    assert night.told() == ["firing", "reminder", "reminder"]
    for one in night.alerts():
        acknowledge(store, one, ME, night.now_ns)
    for calls in range(24, 29):
        night.pass_time(10 * MINUTE, MINUTE)
        night.arrive(looping(1, calls))
    assert night.told() == ["firing", "reminder", "reminder"]
    with store.engine.connect() as conn:
        assert "acknowledged" in [event.kind for event in events_of_alert(conn, night.alerts()[0].id)]


def test_what_was_filled_in_alarms_nobody(store: Store) -> None:
    """A run of the day before yesterday that arrives now is history."""
    night = Night(store, now_ns=Night(store).now_ns + 48 * HOUR)
    night.store_as_is(looping(1, 12, ended=True))
    night.pass_time(MINUTE)

    assert night.alerts() == []
    assert night.told() == []


def test_a_silence_is_kept(store: Store) -> None:
    """Silenced is not told, not even its end; when the silence is over and it still holds, it is."""
    night = Night(store)
    add_silence(store, Silence(0, 1, "", "billing-bot", "", "ada", "known", night.now_ns, night.now_ns + 10 * MINUTE, night.now_ns), ME)
    night.arrive(looping(1, 9))
    night.pass_time(9 * MINUTE)
    assert night.told() == []
    night.pass_time(2 * MINUTE)
    assert night.told() == ["firing"]


def test_the_watch_was_away(store: Store) -> None:
    """After half an hour without a look all is told once, and so is the absence."""
    night = Night(store)
    night.tick()
    night.now_ns += 30 * MINUTE
    night.arrive(looping(1, 9))
    night.arrive(looping(2, 9))
    night.restart()
    night.tick()
    night.pass_time(MINUTE)

    assert sorted(parcel.subject.split(" ")[1] for parcel in night.parcels()) == ["The", "billing-bot"]
    night.pass_time(20 * MINUTE, 30 * SECOND)
    assert [(one.rule, one.state) for one in night.alerts() if one.rule == "H1"] == [("H1", "resolved")]


def test_a_rule_that_may_stop_runs_does(store: Store) -> None:
    """Off by default; where it is allowed, the run that goes on is asked to stop, and it is written down who did."""
    night = Night(store)
    night.arrive(looping(1, 9))
    night.tick()
    with store.engine.connect() as conn:
        assert read_stop(conn, 1, (1).to_bytes(16, "big"), b"") is None

    save_setting(store, (1, "", "L1"), RuleSetting(stop="critical"), ME, night.now_ns)
    night.arrive(looping(2, 9))
    night.tick()
    with store.engine.connect() as conn:
        run_id = runs_of_alert(conn, 1)[0].run_id
        found = read_stop(conn, 1, (2).to_bytes(16, "big"), run_id)
    assert found is not None
    assert found.stopped_by == "rule L1"
    night.restart()
    night.pass_time(MINUTE)


def test_two_watches_are_one(store: Store) -> None:
    """Who has the lease watches; the other takes over when it runs out, and tells nothing twice."""
    night = Night(store)
    other = Night(store, holder="two")
    night.arrive(looping(1, 9))
    night.tick()
    other.now_ns = night.now_ns
    other.tick()
    assert night.told() == ["firing"]
    other.now_ns += 31 * SECOND
    other.tick()
    night.arrive(looping(2, 9))
    night.now_ns = other.now_ns
    night.tick()
    assert night.watch.lease is None
    other.tick()
    assert night.told() == ["firing"]
    assert [one.runs for one in night.alerts() if one.rule == "L1"] == [2]
