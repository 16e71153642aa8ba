"""From finding to QUIT over a real connection: processes that die at any moment, servers that break at the worst one, odd days.

Forty crashes unless ``TEST_CRASHES=1000`` asks for more; ``-s`` shows the figures of docs/alerts.md.
"""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from ingest.store.alert_model import Parcel, unpack_ids
from ingest.store.engine import Store
from ingest.store.outbox import list_parcels
from webui.alerts.postman import Postman, deliver_due
from webui.alerts.setup import mail_channel
from webui.alerts.smtp import read_relay

from .alert_play import HOUR, MINUTE, OUTLETS, Night, looping
from .builders import SECOND
from .smtp_server import CLOSE, Script, SmtpServer, Taken, smtp_server
from .webui_app import settings_of

CRASHES = int(os.environ.get("TEST_CRASHES", "40"))

_LOOK_S, _IDLE_S = 1.0, 0.5
"""How long the watch and the postman rest between two looks: somewhere in there a finding and a parcel arrive."""

_ROUND_TRIP_S = 0.03
"""What each of the words to a mail server takes, over a real network; a transaction has five."""


class Crash(BaseException):
    """The end of a process."""


class Life:
    """A process's time: real for what it computes and writes, added for what it would wait. It dies at a moment.

    Threads that wait at once wait together: each has its own, and the process goes on when the last is done.
    """

    def __init__(self, dies_at_s: float) -> None:
        self._dies_at_s, self._began_s = dies_at_s, time.perf_counter()
        self._main_s = 0.0
        self._others_s: dict[int, float] = {}

    def go_on(self, wait_s: float = 0.0) -> None:
        """Live on for a while, or die meanwhile."""
        self._add(wait_s)
        if self.so_far_s() >= self._dies_at_s:
            raise Crash

    def _add(self, seconds: float) -> None:
        if threading.current_thread() is threading.main_thread():
            self._main_s += max(self._others_s.values(), default=0.0) + seconds
            self._others_s.clear()
        else:
            mine = threading.get_ident()
            self._others_s[mine] = self._others_s.get(mine, 0.0) + seconds

    @contextmanager
    def stopped_clock(self) -> Iterator[None]:
        """Take no time: for what is accounted for by round trips."""
        began_s = time.perf_counter()
        yield
        self._add(began_s - time.perf_counter())

    def so_far_s(self) -> float:
        """Return how long it has lived, as the thread that asks has seen it."""
        is_main = threading.current_thread() is threading.main_thread()
        own_s = 0.0 if is_main else self._others_s.get(threading.get_ident(), 0.0)
        return time.perf_counter() - self._began_s + self._main_s + own_s


class Mortal(Store):
    """A store written by a process that may die before and after each statement and commit."""

    def __init__(self, store: Store, life: Life) -> None:
        super().__init__(store.engine, None)
        self._inner, self._life = store, life

    @contextmanager
    def write(self, durable: bool = True) -> Iterator[Any]:
        self._life.go_on()
        with self._inner.write(durable) as cursor:
            yield _Cursor(cursor, self._life)
            self._life.go_on()
        self._life.go_on()


class _Cursor:
    def __init__(self, cursor: Any, life: Life) -> None:
        self._cursor, self._life = cursor, life

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, *words: Any) -> Any:
        self._life.go_on()
        return self._cursor.execute(*words)

    def executemany(self, *words: Any) -> Any:
        self._life.go_on()
        return self._cursor.executemany(*words)


def live(night: Night, life: Life, channel: Any) -> None:
    """Look, rest, deliver: what a worker does, until it dies."""

    def hand_over(parcel: Parcel) -> str:
        for _ in range(5):
            life.go_on(_ROUND_TRIP_S)
        with life.stopped_clock():
            said: str = channel(parcel)
        life.go_on()
        return said

    store = Mortal(night.store, life)
    night.watch.store = store
    life.go_on(_LOOK_S / 2)
    night.tick()
    life.go_on(_IDLE_S / 2)
    while deliver_due(store, Postman({"mail": hand_over}, "postman", lambda: night.now_ns)):
        life.go_on()


def channel_to(server: SmtpServer, url: str) -> Any:
    """Return what hands parcels to a server."""
    relay = f"smtp://127.0.0.1:{server.port}?tls=none"
    return mail_channel(read_relay(relay), settings_of(url, smtp_url=relay, alert_from="clew@clew.example"))


def message_ids(server: SmtpServer) -> Counter[str]:
    """Count the mails that a server has by their id."""
    lines = (line for mail in server.mails for line in mail.data.decode().splitlines())
    return Counter(line.partition(" ")[2] for line in lines if line.startswith("Message-ID:"))


def test_a_process_may_die_at_any_moment(sqlite_store: Store, sqlite_url: str) -> None:
    """At random moments between finding and QUIT: each notice arrives, at most one in a hundred twice, then under the same id."""
    chance, night = random.Random(7), Night(sqlite_store)
    with smtp_server(Script()) as server:
        channel = channel_to(server, sqlite_url)
        longest_s = _whole_life_s(night, channel)
        died = 0
        for number in range(1, CRASHES + 1):
            night.arrive(looping(number, 9, f"agent-{number}"))
            night.restart()
            try:
                live(night, Life(chance.uniform(0.0, longest_s)), channel)
            except Crash:
                died += 1
            _recover(night, channel)
        arrived = message_ids(server)
        with sqlite_store.engine.connect() as conn:
            parcels = list_parcels(conn, 1, None, 1_000_000)
    twice = sum(count - 1 for count in arrived.values())
    print(f"\n{died} of {CRASHES} died, within {longest_s:.2f} s of life: {len(arrived)} notices, {twice} of them twice")
    told = {alert for parcel in parcels for alert in unpack_ids(parcel.alert_ids)}
    assert {one.id for one in night.alerts() if one.severity == "critical"} <= told
    assert {parcel.message_id for parcel in parcels} == set(arrived)
    assert {parcel.state for parcel in parcels} == {"sent"}
    assert died >= CRASHES / 2
    # Of few crashes chance may have some more fall into the window that nobody can close.
    assert twice <= (0.01 * len(arrived) if CRASHES >= 400 else 4)


def _whole_life_s(night: Night, channel: Any) -> float:
    """Return how long it takes from finding to QUIT where nobody dies."""
    life = Life(1e9)
    night.arrive(looping(999_999, 9, "first"))
    live(night, life, channel)
    return life.so_far_s()


def _recover(night: Night, channel: Any) -> None:
    """Start a new process, once the dead one's leases have run out, an hour later so that its mails are few again."""
    night.restart()
    night.now_ns += 3 * MINUTE
    night.tick()
    while deliver_due(night.store, Postman({"mail": channel}, "heir", lambda: night.now_ns)):
        continue
    night.now_ns += HOUR
    night.restart()


def deliver_all(night: Night, channel: Any) -> None:
    """Deliver until nothing is due."""
    while deliver_due(night.store, Postman({"mail": channel}, "postman", lambda: night.now_ns)):
        continue


def test_a_server_that_hangs_up_after_the_dot(sqlite_store: Store, sqlite_url: str) -> None:
    """Whether it took the mail nobody knows: it is sent again, under the same id, so that a reader can tell."""
    taken: list[bytes] = []

    def end(mail: Taken) -> str:
        taken.append(mail.data)
        return CLOSE if len(taken) == 1 else "250 taken"

    with smtp_server(Script(end=end)) as server:
        night, channel = Night(sqlite_store), channel_to(server, sqlite_url)
        night.arrive(looping(1, 9))
        night.tick()
        deliver_all(night, channel)
        assert [one.state for one in night.parcels()] == ["due"]
        night.now_ns += 5 * MINUTE
        deliver_all(night, channel)
    assert [one.state for one in night.parcels()] == ["sent"]
    assert len(taken) == 2
    assert taken[0] == taken[1]


def test_one_of_two_receivers_is_refused(sqlite_store: Store, sqlite_url: str) -> None:
    """The other gets everything."""
    both = ("ada@northgate.example", "gone@northgate.example")
    words = {"gone": "550 no such user"}
    with smtp_server(Script(rcpt=lambda mail: words.get(mail.receivers[-1].split("@")[0], "250 ok"))) as server:
        night, channel = Night(sqlite_store), channel_to(server, sqlite_url)
        night.outlets = msgspec.structs.replace(OUTLETS, mails=both)
        for number in range(1, 4):
            night.arrive(looping(number, 9, f"agent-{number}"))
            night.tick()
            deliver_all(night, channel)
        assert [mail.receivers for mail in server.mails] == [["ada@northgate.example"]] * 3
    assert Counter((one.receiver[:4], one.state) for one in night.parcels()) == {("ada@", "sent"): 3, ("gone", "failed"): 3}


def test_a_server_that_restarts_in_the_middle_of_the_queue(sqlite_store: Store, sqlite_url: str) -> None:
    """What it took it has once; what it did not take goes to the server that comes after it."""
    night = Night(sqlite_store)
    for number in range(1, 9):
        night.arrive(looping(number, 9, f"agent-{number}"))
        night.tick()
    tired = [0]

    def end(mail: Taken) -> str:
        tired[0] += 1
        return "250 taken" if tired[0] <= 3 else "421 shutting down"

    with smtp_server(Script(end=end)) as server:
        deliver_all(night, channel_to(server, sqlite_url))
        before = message_ids(server)
    night.now_ns += 10 * MINUTE
    with smtp_server(Script()) as server:
        deliver_all(night, channel_to(server, sqlite_url))
        after = message_ids(server)
    assert len(before) == 3
    assert set((before + after).values()) == {1}
    assert set(before + after) == {one.message_id for one in night.parcels()}


@pytest.mark.parametrize(
    "day", [(2025, 10, 26, 0, 50), (2026, 3, 29, 0, 50), (2025, 11, 2, 5, 50), (2024, 2, 29, 23, 50), (2024, 12, 31, 23, 50)]
)
def test_an_incident_over_an_odd_hour(sqlite_store: Store, day: tuple[int, ...]) -> None:
    """Clocks that change in Europe and America, a leap day, a year's end: told once, over once."""
    night = Night(sqlite_store, round(datetime(*day, tzinfo=UTC).timestamp()) * SECOND)  # type: ignore[arg-type,misc]  # year to minute
    night.tick()
    night.arrive(looping(1, 9))
    night.pass_time(12 * MINUTE, 30 * SECOND)
    night.arrive(looping(1, 9, ended=True))
    night.pass_time(20 * MINUTE, 30 * SECOND)
    assert night.told() == ["firing", "resolved"]
