"""The pipeline under stress: crashes anywhere, storms, flapping, clocks that jump, silences at the last moment."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from ingest.store.alert_model import Parcel, Silence, unpack_ids
from ingest.store.alertbook import Actor, add_silence, list_alerts
from ingest.store.engine import Store, StoreBusy
from ingest.store.outbox import attempts_of, list_parcels, receivers
from webui.alerts.delivery import DeliveryError
from webui.alerts.engine import Signal
from webui.alerts.postman import Postman, deliver_due
from webui.alerts.watch import Seen

from .alert_play import HOUR, MINUTE, Night, looping
from .builders import SECOND

ME = Actor("ada")


class Post:
    """A channel that remembers what it was handed, and fails as it is told to."""

    def __init__(self, night: Night, fail: str = "") -> None:
        self.night, self.fail = night, fail
        self.taken: list[Parcel] = []

    def __call__(self, parcel: Parcel) -> str:
        if self.fail:
            raise DeliveryError("not now", self.fail)  # type: ignore[arg-type]  # named in the tests
        self.taken.append(parcel)
        return "250 taken"

    def work(self, store: Store | None = None) -> None:
        """Deliver until nothing is due."""
        while deliver_due(store or self.night.store, Postman({"mail": self}, "postman", lambda: self.night.now_ns)):
            continue


class Crash(BaseException):
    """The end of a process at a point."""


class Frail(Store):
    """A store whose process dies at its nth step: before a transaction, at any of its statements, before or after the commit."""

    def __init__(self, store: Store, dies_at: int) -> None:
        super().__init__(store.engine, None)
        self._inner, self._left = store, dies_at

    def step(self) -> None:
        """Live one step more, or die."""
        self._left -= 1
        if self._left == 0:
            raise Crash

    @contextmanager
    def write(self, durable: bool = True) -> Iterator[Any]:
        self.step()
        with self._inner.write(durable) as cursor:
            yield _FrailCursor(cursor, self)
            self.step()
        self.step()


class _FrailCursor:
    def __init__(self, cursor: Any, store: Frail) -> None:
        self._cursor, self._store = cursor, store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, *words: Any) -> Any:
        self._store.step()
        return self._cursor.execute(*words)

    def executemany(self, *words: Any) -> Any:
        self._store.step()
        return self._cursor.executemany(*words)


def die_at(step: int, night: Night, post: Post) -> bool | None:
    """Look and deliver in a process that dies at a step: whether that was between a hand-over and its note, None if it lived."""
    frail = Frail(night.store, step)
    open_hands: list[int] = []

    def hand_over(parcel: Parcel) -> str:
        frail.step()
        post.taken.append(parcel)
        open_hands.append(parcel.id)
        return "250 taken"

    try:
        night.watch.store = frail
        night.tick()
        while deliver_due(frail, Postman({"mail": hand_over}, "postman", lambda: night.now_ns)):
            continue
    except Crash:
        states = {parcel.id: parcel.state for parcel in night.parcels()}
        return any(states[number] == "due" for number in open_hands)
    return None


def test_every_notification_arrives_wherever_the_process_dies(sqlite_store: Store) -> None:
    """Dying once at each step in turn between finding and note: all arrive.

    Twice arrives only what was handed over by a process that died before it could write that down, and under the same message id:
    that window nobody can close (RFC 1047), only keep to one short transaction.
    """
    night = Night(sqlite_store)
    post = Post(night)
    outcomes: list[bool | None] = []
    while None not in outcomes:
        number = len(outcomes) + 1
        night.arrive(looping(number, 9, f"agent-{number}"))
        night.restart()
        outcomes.append(die_at(number, night, post))
        # A new process, once the dead one's leases have run out. A few minutes later its silent hour of mails is over.
        night.restart()
        night.now_ns += 3 * MINUTE
        night.tick()
        post.work()
        night.now_ns += HOUR
        night.restart()

    loops = {one.id for one in night.alerts() if one.rule == "L1"}
    assert len(loops) == len(outcomes) >= 20
    assert loops <= {number for parcel in post.taken for number in unpack_ids(parcel.alert_ids)}
    arrived = Counter(parcel.message_id for parcel in post.taken)
    assert sum(count - 1 for count in arrived.values()) == outcomes.count(True) <= 12
    assert {parcel.state for parcel in night.parcels()} == {"sent"}


def many(count: int, agents: int) -> Seen:
    """Return signals of so many alert identities."""
    names = ((f"agent-{n % agents}", f"tool-{n}") for n in range(count))
    return Seen(tuple(Signal(1, "L1", agent, tool, "critical", 9.0, 8.0, f"{agent} called {tool} 9 times") for agent, tool in names))


def test_a_storm_is_a_few_mails_and_loses_nothing(sqlite_store: Store) -> None:
    """Ten thousand alerts in a minute: at most twenty mails an hour, which name every one of them; the pages have them all."""
    seen = many(10_000, 10_000)
    parts = iter([seen.signals[at : at + 2_500] for at in range(0, 10_000, 2_500)])
    night = Night(sqlite_store, look=lambda store, settings, now: Seen(next(parts, ())))
    post = Post(night)
    for _ in range(4):
        night.tick(15 * SECOND)
        post.work()
    for _ in range(7):
        night.tick(8 * MINUTE)
        post.work()

    assert len(post.taken) <= 20
    named = {number for parcel in post.taken for number in unpack_ids(parcel.alert_ids)}
    with sqlite_store.engine.connect() as conn:
        listed = list_alerts(conn, 1, (), None, 20_000)
    assert len(listed) == 10_000
    assert named == {one.id for one in listed}
    digest = next(parcel for parcel in post.taken if parcel.kind == "digest")
    assert "alerts" in digest.subject
    assert len(digest.body.encode()) < 100_000
    assert len(digest.html.encode()) < 100_000


def test_a_signal_that_flaps_is_two_mails_at_most(sqlite_store: Store) -> None:
    """On and off at every look, two hundred times."""
    one = many(1, 1).signals
    turns = iter([Seen(one if turn % 2 == 0 else (), frozenset({"A1"})) for turn in range(200)])
    series = tuple(msgspec.structs.replace(signal, rule="A1") for signal in one)
    night = Night(sqlite_store, look=lambda store, settings, now: _as_series(next(turns, Seen()), series))
    for _ in range(200):
        night.tick(MINUTE // 4)
    assert len(night.parcels()) <= 2
    assert len(night.alerts()) == 1


def _as_series(seen: Seen, series: tuple[Signal, ...]) -> Seen:
    return Seen(series if seen.signals else (), seen.evaluated)


def test_one_that_comes_back_every_half_hour_is_one_incident(sqlite_store: Store) -> None:
    """Back within half an hour of its end: no second incident, and no more mails than reminders would be."""
    series = tuple(msgspec.structs.replace(signal, rule="A1", severity="warning") for signal in many(1, 1).signals)
    night = Night(sqlite_store)
    night.look = lambda store, settings, now: Seen(series if (now // (10 * MINUTE)) % 3 == 0 else (), frozenset({"A1"}))
    night.pass_time(12 * HOUR, 2 * MINUTE)
    assert len(night.alerts()) == 1
    assert len(night.parcels()) <= 5


@pytest.mark.parametrize("jump_ns", [HOUR, -HOUR, 24 * HOUR, -24 * HOUR])
def test_a_clock_that_jumps_loses_nothing(sqlite_store: Store, jump_ns: int) -> None:
    """What is found after the jump is told as fast as ever, and what was told before is not told over and over."""
    night = Night(sqlite_store)
    post = Post(night)
    night.arrive(looping(1, 9))
    night.tick()
    post.work()
    night.now_ns += jump_ns
    night.arrive(looping(2, 9, "other-bot"))
    night.tick()
    post.work()
    assert [parcel.subject.split(" ")[1] for parcel in post.taken if parcel.kind == "firing" and "Clew" not in parcel.subject].count(
        "other-bot"
    ) == 1
    night.pass_time(20 * MINUTE, 30 * SECOND)
    post.work()
    assert Counter(parcel.kind for parcel in post.taken)["firing"] <= 3


def test_a_silence_at_the_last_moment(sqlite_store: Store) -> None:
    """Written, then silenced, then delivered: not delivered, and the log says why."""
    night = Night(sqlite_store)
    post = Post(night)
    night.arrive(looping(1, 9))
    night.tick()
    now = night.now_ns
    add_silence(sqlite_store, Silence(0, 1, "", "billing-bot", "", "ada", "known", now, now + HOUR, now), ME)
    post.work()
    assert post.taken == []
    assert [(parcel.state, parcel.error) for parcel in night.parcels()] == [("suppressed", "silenced")]


def test_a_server_that_is_away_for_hours(sqlite_store: Store) -> None:
    """Tried again with growing waits, and delivered when it is back; nothing is lost."""
    night = Night(sqlite_store)
    post = Post(night, "passing")
    night.arrive(looping(1, 9))
    night.tick()
    for _ in range(3 * 60):
        night.now_ns += MINUTE
        post.work()
    with sqlite_store.engine.connect() as conn:
        tried = attempts_of(conn, [1])[1]
    waits = [round((later.at_ns - one.at_ns) / MINUTE) for one, later in pairwise(tried)]
    assert waits[:5] == sorted(waits[:5])
    assert 6 <= len(tried) <= 12
    post.fail = ""
    night.now_ns += HOUR
    post.work()
    assert [parcel.id for parcel in post.taken] == [1]
    assert night.parcels()[0].state == "sent"


def test_a_day_without_a_server_ends_it(sqlite_store: Store) -> None:
    night = Night(sqlite_store)
    post = Post(night, "passing")
    night.arrive(looping(1, 9))
    night.tick()
    for _ in range(60):
        night.now_ns += 30 * MINUTE
        post.work()
    assert night.parcels()[0].state == "failed"


def test_who_refuses_five_times_gets_nothing_more(sqlite_store: Store) -> None:
    night = Night(sqlite_store)
    post = Post(night, "refused")
    for number in range(1, 8):
        night.arrive(looping(number, 9, f"agent-{number}"))
        night.tick()
        post.work()
    assert [parcel.state for parcel in night.parcels()] == ["failed"] * 5 + ["suppressed"] * 2
    with sqlite_store.engine.connect() as conn:
        assert [(one.receiver, one.refusals, one.disabled_ns is not None) for one in receivers(conn)] == [
            ("oncall@northgate.example", 5, True)
        ]


def test_two_postmen_deliver_each_once(store: Store) -> None:
    """What one has claimed the other leaves, until the lease is over."""
    night = Night(store)
    for number in range(1, 9):
        night.arrive(looping(number, 9, f"agent-{number}"))
        night.tick()
    taken: list[int] = []

    def other(parcel: Parcel) -> str:
        taken.append(parcel.id)
        return "250"

    def one(parcel: Parcel) -> str:
        # While this one hands over, the other looks for work.
        deliver_due(store, Postman({"mail": other}, "two", lambda: night.now_ns))
        taken.append(parcel.id)
        return "250"

    while deliver_due(store, Postman({"mail": one}, "one", lambda: night.now_ns)):
        continue
    assert sorted(taken) == sorted(parcel.id for parcel in night.parcels())


def test_without_a_mail_server_mails_are_kept_to_be_read(sqlite_store: Store) -> None:
    night = Night(sqlite_store)
    night.outlets = msgspec.structs.replace(night.outlets, can_mail=False)
    post = Post(night)
    night.arrive(looping(1, 9))
    night.tick()
    post.work()
    assert [(parcel.state, parcel.receiver) for parcel in night.parcels()] == [("kept", "oncall@northgate.example")]
    night.outlets = msgspec.structs.replace(night.outlets, mails=())
    night.restart()
    night.arrive(looping(2, 9, "other"))
    night.tick()
    assert night.parcels()[1].receiver == ""


class Away(Store):
    """A store that cannot be written."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.engine, None)

    @contextmanager
    def write(self, durable: bool = True) -> Iterator[Any]:
        raise StoreBusy("the disk is full")
        yield


def test_a_store_that_is_away_costs_nothing_but_time(sqlite_store: Store) -> None:
    night = Night(sqlite_store)
    night.tick()
    night.arrive(looping(1, 9))
    night.watch.store = Away(sqlite_store)
    with pytest.raises(StoreBusy):
        night.tick()
    night.watch.store = sqlite_store
    night.tick()
    with sqlite_store.engine.connect() as conn:
        assert [parcel.kind for parcel in list_parcels(conn, 1, None, 9)] == ["firing"]
