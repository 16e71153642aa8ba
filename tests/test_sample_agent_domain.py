"""The firm's calendars: nobody is promised twice, whatever happens at the same time, in between, or to the clocks."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sample_agent.domain.appointments import Booking, Move, book, cancel, get_appointment, list_appointments, reschedule
from sample_agent.domain.calendars import Search, find_offers
from sample_agent.domain.clients import find_clients, get_client, save_client
from sample_agent.domain.confirmations import list_confirmations, send
from sample_agent.domain.model import DomainError
from sample_agent.domain.professionals import get_professionals
from sample_agent.domain.requests import find_outcome
from sample_agent.domain.schema import QUARTER_S
from sample_agent.domain.seed_data import CLIENTS, Season, closures, plant
from sample_agent.domain.store import DomainStore
from sample_agent.domain.time_zones import at_wall, from_seconds, get_zone, say

from .sample_agent_world import MONDAY, faults, world

THURSDAY_15 = datetime(2026, 3, 5, 15, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DomainStore]:
    with world(tmp_path) as built:
        yield built.store


def booking(**changes: object) -> Booking:
    values: dict[str, object] = {"client_id": "10422", "professional_ids": ("P11",), "starts_at": THURSDAY_15, "duration_minutes": 30}
    return Booking(**{**values, **changes})  # type: ignore[arg-type]


def refusal(store: DomainStore, **changes: object) -> str:
    """Return the code of the error that a booking meets."""
    with pytest.raises(DomainError) as caught:
        book(store, booking(**changes), key=f"k{time.monotonic_ns()}", now=MONDAY)
    return caught.value.code


# --- booking ----------------------------------------------------------------------------------------------------------


def test_a_booking_is_kept(store: DomainStore) -> None:
    """What was booked is read back the same, by id and in the client's list."""
    made = book(store, booking(purpose="tax return"), key="k", now=MONDAY)
    assert get_appointment(store, made.id) == made
    assert list_appointments(store, "10422", MONDAY, MONDAY + timedelta(days=7)) == (made,)
    assert (made.starts_at, made.duration_minutes, made.status) == (THURSDAY_15, 30, "booked")


@pytest.mark.parametrize("minutes_later", [-15, 0, 15])
def test_a_professional_cannot_be_booked_twice(store: DomainStore, minutes_later: int) -> None:
    """Any overlap is a conflict, and nothing is left of the second booking."""
    book(store, booking(), key="k", now=MONDAY)
    assert refusal(store, client_id="10405", starts_at=THURSDAY_15 + timedelta(minutes=minutes_later)) == "conflict"
    assert len(store.rows("SELECT * FROM appointment")) == 1
    assert faults(store) == []


@pytest.mark.parametrize("minutes_later", [-30, 30])
def test_meetings_may_touch(store: DomainStore, minutes_later: int) -> None:
    """The end of one is the start of the next."""
    book(store, booking(), key="k", now=MONDAY)
    book(store, booking(client_id="10405", starts_at=THURSDAY_15 + timedelta(minutes=minutes_later)), key="k2", now=MONDAY)
    assert faults(store) == []


def test_a_client_cannot_be_in_two_meetings(store: DomainStore) -> None:
    """With somebody else at the same time is a conflict; the very same meeting is told apart."""
    book(store, booking(), key="k", now=MONDAY)
    assert refusal(store, professional_ids=("P12",)) == "conflict"
    assert refusal(store) == "already_booked"


def test_all_of_several_must_be_free(store: DomainStore) -> None:
    """One who is taken is enough to refuse, and the others stay free."""
    book(store, booking(client_id="10405", professional_ids=("P12",)), key="k", now=MONDAY)
    assert refusal(store, professional_ids=("P11", "P12")) == "conflict"
    book(store, booking(client_id="10417", professional_ids=("P11",)), key="k2", now=MONDAY)
    assert faults(store) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"client_id": "19999"}, "not_found"),
        ({"professional_ids": ("P11", "P99")}, "not_found"),
        ({"starts_at": THURSDAY_15 + timedelta(minutes=7)}, "not_on_grid"),
        ({"starts_at": THURSDAY_15 + timedelta(microseconds=1)}, "not_on_grid"),
        ({"duration_minutes": 20}, "not_on_grid"),
        ({"duration_minutes": 0}, "not_on_grid"),
        ({"duration_minutes": -30}, "not_on_grid"),
        ({"duration_minutes": 195}, "not_on_grid"),
        ({"starts_at": MONDAY - timedelta(days=3)}, "in_past"),
        ({"starts_at": MONDAY}, "in_past"),
        ({"starts_at": THURSDAY_15 + timedelta(days=2)}, "outside_hours"),
        ({"starts_at": datetime(2026, 3, 5, 17, 15, tzinfo=UTC)}, "outside_hours"),
        ({"starts_at": datetime(2026, 3, 5, 8, 45, tzinfo=UTC)}, "outside_hours"),
        ({"starts_at": datetime(2026, 12, 25, 10, 0, tzinfo=UTC)}, "outside_hours"),
        ({"starts_at": datetime(2027, 3, 4, 10, 0, tzinfo=UTC)}, "too_far"),
        ({"professional_ids": ("P11", "P21")}, "outside_hours"),
    ],
)
def test_what_cannot_be_booked_says_why(store: DomainStore, changes: dict[str, object], code: str) -> None:
    """Each rule has its code. 15:00 in London is 10:00 in New York, so the last is at 09:00 there and an hour earlier."""
    if changes.get("professional_ids") == ("P11", "P21"):
        changes = {**changes, "starts_at": datetime(2026, 3, 5, 13, 30, tzinfo=UTC)}
    assert refusal(store, **changes) == code
    assert store.rows("SELECT * FROM appointment") == []


# --- once ---------------------------------------------------------------------------------------------------------------


def test_the_same_request_is_done_once(store: DomainStore) -> None:
    """Asked again under its key, a booking is answered with itself, even after it was moved."""
    first = book(store, booking(), key="k", now=MONDAY)
    reschedule(store, Move(first.id, THURSDAY_15 + timedelta(hours=1)), key="k2", now=MONDAY)
    again = book(store, booking(), key="k", now=MONDAY)
    assert (again.id, again.starts_at) == (first.id, THURSDAY_15 + timedelta(hours=1))
    assert len(store.rows("SELECT * FROM appointment")) == 1
    assert find_outcome(store, "k") == {"number": 1}


def test_a_key_stands_for_one_request(store: DomainStore) -> None:
    """The same key with something else is refused, not answered with what it was used for."""
    book(store, booking(), key="k", now=MONDAY)
    with pytest.raises(DomainError, match="used for something else"):
        book(store, booking(client_id="10405"), key="k", now=MONDAY)


def test_a_refused_request_leaves_its_key_free(store: DomainStore) -> None:
    """After a conflict the same request can succeed."""
    taken = book(store, booking(client_id="10405"), key="k", now=MONDAY)
    with pytest.raises(DomainError):
        book(store, booking(), key="k2", now=MONDAY)
    assert find_outcome(store, "k2") is None
    cancel(store, taken.id, "", key="k3", now=MONDAY)
    assert book(store, booking(), key="k2", now=MONDAY).status == "booked"


# --- changing -----------------------------------------------------------------------------------------------------------


def test_cancelling_frees_the_time(store: DomainStore) -> None:
    """Another can have it, and what is cancelled cannot be cancelled or moved again."""
    first = book(store, booking(), key="k", now=MONDAY)
    assert cancel(store, first.id, "ill", key="k2", now=MONDAY).cancelled_because == "ill"
    book(store, booking(client_id="10405"), key="k3", now=MONDAY)
    for change in (
        lambda: cancel(store, first.id, "again", key="k4", now=MONDAY),
        lambda: reschedule(store, Move(first.id, THURSDAY_15 + timedelta(days=1)), key="k5", now=MONDAY),
    ):
        with pytest.raises(DomainError) as caught:
            change()
        assert caught.value.code == "already_cancelled"


def test_moving_keeps_the_old_time_until_the_new_is_had(store: DomainStore) -> None:
    """A move into a taken time changes nothing; one that overlaps itself is no conflict."""
    book(store, booking(client_id="10405", starts_at=THURSDAY_15 + timedelta(hours=1)), key="k", now=MONDAY)
    mine = book(store, booking(), key="k2", now=MONDAY)
    with pytest.raises(DomainError, match="not free"):
        reschedule(store, Move(mine.id, THURSDAY_15 + timedelta(minutes=45)), key="k3", now=MONDAY)
    assert get_appointment(store, mine.id) == mine
    moved, before = reschedule(store, Move(mine.id, THURSDAY_15 + timedelta(minutes=15), 45), key="k4", now=MONDAY)
    assert (moved.starts_at - before, moved.duration_minutes) == (timedelta(minutes=15), 45)
    assert faults(store) == []


def test_what_has_begun_cannot_be_changed(store: DomainStore) -> None:
    """Neither cancelled nor moved nor confirmed."""
    made = book(store, booking(), key="k", now=MONDAY)
    for key, change in enumerate((cancel, send)):
        with pytest.raises(DomainError) as caught:
            change(store, made.id, "email", key=f"c{key}", now=THURSDAY_15)
        assert caught.value.code == "in_past"


@pytest.mark.parametrize("wrong", ["", "A", "A1", "B20001", "A20001", "A2000١", "A99999999999999999999", "'; DROP TABLE appointment; --"])
def test_an_id_of_nothing_is_not_found(store: DomainStore, wrong: str) -> None:
    """Also where it is no id at all."""
    with pytest.raises(DomainError) as caught:
        get_appointment(store, wrong)
    assert caught.value.code == "not_found"


def test_confirmations_go_to_the_address_on_file_once(store: DomainStore) -> None:
    """In fixed words with the client's clock, and not twice for one request."""
    made = book(store, booking(client_id="10499"), key="k", now=MONDAY)
    for _ in range(2):
        send(store, made.id, None, key="m", now=MONDAY)
    (sent,) = list_confirmations(store, made.id)
    assert (sent.recipient, sent.channel) == ("hannah.vogt@example.com", "email")
    assert "Thursday 5 March 2026 at 16:00 (Europe/Berlin)" in sent.text


def test_clients_are_found_by_words_of_their_name(store: DomainStore) -> None:
    """Whole words in any order and case."""
    assert [one.id for one in find_clients(store, "chen")] == ["10431", "10440"]
    assert [one.id for one in find_clients(store, "Chen LILY")] == ["10440"]
    assert find_clients(store, "Che") == find_clients(store, " ") == find_clients(store, "%") == ()


def test_a_client_with_appointments_can_be_changed(store: DomainStore) -> None:
    """What is known of a client is replaced and their appointments stay."""
    book(store, booking(), key="k", now=MONDAY)
    client = get_client(store, "10422")
    save_client(store, type(client)(**{**{name: getattr(client, name) for name in client.__slots__}, "notes": "new"}))
    assert get_client(store, "10422").notes == "new"
    assert len(store.rows("SELECT * FROM appointment WHERE client_id = '10422'")) == 1


# --- clocks -------------------------------------------------------------------------------------------------------------


def search(store: DomainStore, ids: tuple[str, ...], day: date, zone: str, **more: object) -> list[str]:
    """Return the free times of a day on a clock."""
    values: dict[str, object] = {"part_of_day": "any", "duration_minutes": 30, "client_id": "10422", **more}
    group = get_professionals(store, ids)
    offers = find_offers(store, Search(groups=(group,), earliest=day, latest=day, zone=ZoneInfo(zone), **values), MONDAY)  # type: ignore[arg-type]
    return [f"{offer.slot.starts_at.astimezone(ZoneInfo(zone)):%H:%M}" for offer in offers]


def test_free_times_are_working_hours_less_what_is_taken(store: DomainStore) -> None:
    """On the half hours, those that leave room for the whole meeting; a closure and a weekend have none."""
    book(store, booking(client_id="10405", starts_at=datetime(2026, 3, 5, 10, 15, tzinfo=UTC)), key="k", now=MONDAY)
    free = search(store, ("P11",), date(2026, 3, 5), "Europe/London")
    assert free == ["09:00", "09:30", *(f"{hour:02}:{minute}" for hour in range(11, 17) for minute in ("00", "30")), "17:00"]
    assert search(store, ("P11",), date(2026, 3, 5), "Europe/London", duration_minutes=180)[-1] == "14:30"
    assert search(store, ("P11",), date(2026, 12, 25), "Europe/London") == search(store, ("P11",), date(2026, 3, 7), "Europe/London") == []


def test_parts_of_the_day_are_those_of_the_clock_asked_for(store: DomainStore) -> None:
    """London's morning seen from New York is the end of the night."""
    morning = search(store, ("P11",), date(2026, 3, 5), "America/New_York", part_of_day="morning")
    afternoon = search(store, ("P11",), date(2026, 3, 5), "America/New_York", part_of_day="afternoon")
    assert (morning[0], morning[-1], afternoon) == ("04:00", "11:30", ["12:00"])


def test_offices_meet_in_the_hours_they_share(store: DomainStore) -> None:
    """London and Singapore share the hour from 09:00 in winter; all three share none; a day in New York has two in Singapore."""
    assert search(store, ("P11", "P31"), date(2026, 3, 5), "Europe/London") == ["09:00", "09:30"]
    assert search(store, ("P11", "P21", "P31"), date(2026, 3, 5), "Europe/London") == []
    seen_from_new_york = search(store, ("P31",), date(2026, 3, 4), "America/New_York")
    assert (seen_from_new_york[0], seen_from_new_york[-1], "20:00" in seen_from_new_york) == ("00:00", "23:30", True)


def test_hours_are_those_on_the_wall_on_both_sides_of_a_clock_change(store: DomainStore) -> None:
    """09:00 in London is 09:00 UTC on the Friday before summer time and 08:00 UTC on the Monday after it."""
    for day, hour in ((date(2026, 3, 27), 9), (date(2026, 3, 30), 8), (date(2026, 10, 23), 8), (date(2026, 10, 26), 9)):
        assert search(store, ("P11",), day, "UTC")[0] == f"{hour:02}:00"
    # New York changes three weeks before London: for so long the two share an hour more.
    shared = [search(store, ("P11", "P21"), day, "UTC") for day in (date(2026, 3, 6), date(2026, 3, 13), date(2026, 3, 30))]
    assert [len(times) for times in shared] == [7, 9, 7]


def test_every_free_time_can_be_booked(store: DomainStore) -> None:
    """In the weeks around the change of the clocks, what is offered is taken by the rules of booking."""
    offers = find_offers(
        store,
        Search("10422", ((*get_professionals(store, ["P11", "P21"]),),), 30, date(2026, 3, 6), date(2026, 3, 12), get_zone("Asia/Tokyo")),
        MONDAY,
    )
    for number, offer in enumerate(offers):
        book(store, booking(professional_ids=("P11", "P21"), starts_at=offer.slot.starts_at), key=f"k{number}", now=MONDAY)
    assert len(offers) >= 30
    assert faults(store) == []


@pytest.mark.parametrize(
    ("clock", "utc"), [(clock_time(0, 30), "00:30"), (clock_time(1, 30), "01:30"), (clock_time(2, 30), "01:30")], ids=str
)
def test_a_skipped_hour_is_made_up_for(clock: clock_time, utc: str) -> None:
    """London has no 01:30 on 29 March 2026: that is 02:30."""
    assert f"{at_wall(date(2026, 3, 29), clock, ZoneInfo('Europe/London')):%H:%M}" == utc


def test_a_repeated_hour_is_the_first() -> None:
    """01:30 on 25 October 2026 in London is first 00:30 UTC, and people are told the offset."""
    moment = at_wall(date(2026, 10, 25), clock_time(1, 30), ZoneInfo("Europe/London"))
    assert moment == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert say(moment, ZoneInfo("Europe/London")) == "Sunday 25 October 2026 at 01:30 (Europe/London)"


@pytest.mark.parametrize("wrong", ["Europe/Londn", "GMT+25", "", "../../etc/passwd", "Europe", "europe/london", "\0"])
def test_an_unknown_time_zone_names_one_that_is(wrong: str) -> None:
    """No file of such a name is looked for."""
    with pytest.raises(DomainError, match=r"Use an IANA name such as [A-Z]"):
        get_zone(wrong)


# --- at the same time ---------------------------------------------------------------------------------------------------


def test_of_many_at_once_one_is_booked(tmp_path: Path) -> None:
    """Eight connections book overlapping times of one person at the same moment: one has it, seven are told."""
    with world(tmp_path) as built:
        clients = [one.id for one in CLIENTS[:8]]
        results: list[str] = []
        together = threading.Barrier(len(clients))

        def book_it(client_id: str, offset: int) -> None:
            with closing(DomainStore(built.store.path)) as own:
                together.wait()
                try:
                    wanted = booking(client_id=client_id, starts_at=THURSDAY_15 + timedelta(minutes=15 * offset), duration_minutes=60)
                    results.append(book(own, wanted, key=client_id, now=MONDAY).id)
                except DomainError as error:
                    results.append(error.code)

        threads = [threading.Thread(target=book_it, args=(one, number % 3)) for number, one in enumerate(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == ["A20001", *["conflict"] * 7]
        assert faults(built.store) == []


def test_the_same_request_at_once_is_done_once(tmp_path: Path) -> None:
    """Eight connections with one key: all are answered with the one appointment."""
    with world(tmp_path) as built:
        results: list[str] = []
        together = threading.Barrier(8)

        def book_it() -> None:
            with closing(DomainStore(built.store.path)) as own:
                together.wait()
                results.append(book(own, booking(), key="k", now=MONDAY).id)

        threads = [threading.Thread(target=book_it) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == ["A20001"] * 8


BOOKER = """
import sys
from datetime import UTC, datetime, timedelta
from sample_agent.domain.appointments import Booking, book
from sample_agent.domain.store import DomainStore

store = DomainStore(sys.argv[1])
print("ready", flush=True)
for number in range(int(sys.argv[2]), 100_000):
    start = datetime(2026, 3, 3, 9, tzinfo=UTC) + timedelta(days=7 * (number // 30), minutes=15 * (number % 30))
    wanted = Booking("10422", ("P11",), start, 15)
    for attempt in range(2):
        book(store, wanted, key=f"k{number}", now=datetime(2026, 3, 2, 9, tzinfo=UTC))
    print(number, flush=True)
"""


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_moment_nothing_is_lost_or_doubled(tmp_path: Path, seed: int) -> None:
    """A process that books and is killed: what it said it had booked is there, once, and asking again what it was at does no harm."""
    with world(tmp_path) as built:
        command = [sys.executable, "-c", BOOKER, built.store.path, "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
        assert process.stdout is not None
        said: list[int] = []
        after = random.Random(seed).randrange(1, 25)
        for line in process.stdout:
            said += [int(line)] if line.strip().isdigit() else []
            if len(said) == after:
                os.kill(process.pid, signal.SIGKILL)
                break
        said += [int(line) for line in process.stdout.read().splitlines() if line.strip().isdigit()]
        process.stdout.close()
        process.wait()
        assert [number for number in said if find_outcome(built.store, f"k{number}") is None] == []
        # As the process itself goes on, which may have come far before it was killed.
        next_start = datetime(2026, 3, 3, 9, tzinfo=UTC) + timedelta(days=7 * (len(said) // 30), minutes=15 * (len(said) % 30))
        again = Booking("10422", ("P11",), next_start, 15)
        book(built.store, again, key=f"k{len(said)}", now=MONDAY)
        assert len(built.store.rows("SELECT * FROM appointment")) == len(said) + 1
        assert faults(built.store) == []
        assert built.store.rows("PRAGMA integrity_check")[0][0] == "ok"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["book", "cancel", "move"]),
            st.sampled_from(["10422", "10405", "10431"]),
            st.sampled_from([("P11",), ("P12",), ("P11", "P12"), ("P31",)]),
            st.integers(0, 12),
            st.sampled_from([15, 30, 45, 60]),
        ),
        max_size=25,
    )
)
def test_no_sequence_of_changes_makes_meetings_meet(changes: list[tuple[str, str, tuple[str, ...], int, int]]) -> None:
    """Whatever is booked, moved and cancelled in whatever order, no two meetings of a calendar overlap and no time stays taken."""
    with world() as built:
        for key, (what, client_id, who, quarter, minutes) in enumerate(changes):
            start = datetime(2026, 3, 5, 9, tzinfo=UTC) + timedelta(minutes=15 * quarter)
            appointment_id = f"A{20_000 + quarter}"
            try:
                if what == "book":
                    book(built.store, Booking(client_id, who, start, minutes), key=str(key), now=MONDAY)
                elif what == "cancel":
                    cancel(built.store, appointment_id, "", key=str(key), now=MONDAY)
                else:
                    reschedule(built.store, Move(appointment_id, start, minutes), key=str(key), now=MONDAY)
            except DomainError as error:
                assert error.message
            assert faults(built.store) == []
        assert faults(built.store) == []


# --- the firm -----------------------------------------------------------------------------------------------------------


def test_the_firm_is_planted_the_same_each_time(tmp_path: Path) -> None:
    """Same season, same calendars; planting twice plants once; calendars are as full as asked for and nobody is booked twice."""
    season = Season(date(2026, 2, 16))
    dumps = []
    for name in ("a.db", "b.db"):
        with closing(DomainStore(tmp_path / name)) as built:
            plant(built, season)
            plant(built, season)
            tables = ("appointment", "attendance", "occupied")
            dumps.append([[tuple(row) for row in built.rows(f"SELECT * FROM {table}")] for table in tables])
            assert faults(built) == []
            assert 10 <= len(built.rows("SELECT * FROM appointment")) <= 250
    assert dumps[0] == dumps[1]


def test_closures_are_observed_on_working_days() -> None:
    """One at a weekend on the next working day that is none itself, in every year."""
    found = {year: [(office, f"{day:%m-%d}") for office, day, _ in closures(year)] for year in (2026, 2027)}
    assert found[2026] == [
        *[("london", "12-25"), ("london", "12-28")],
        *[("new-york", "12-25"), ("new-york", "07-06")],
        *[("singapore", "12-25"), ("singapore", "08-10")],
    ]
    assert found[2027][:2] == [("london", "12-27"), ("london", "12-28")]


def test_nobody_is_busy_where_the_office_is_closed(tmp_path: Path) -> None:
    """Planted calendars keep the holidays."""
    with closing(DomainStore(tmp_path / "a.db")) as built:
        plant(built, Season(date(2026, 12, 14), days=20, filled=1.0, ours=0.5))
        offices = {"P1": "london", "P2": "new-york", "P3": "singapore"}
        closed = {(row["office_id"], row["day"]) for row in built.rows("SELECT * FROM closure")}
        busy = {
            (offices[row["calendar_id"][:2]], from_seconds(row["quarter"] * QUARTER_S).date().isoformat())
            for row in built.rows("SELECT * FROM occupied WHERE calendar_id LIKE 'P%'")
        }
    assert ("london", "2026-12-24") in busy
    assert not busy & closed


def test_the_same_process_may_read_while_another_writes(tmp_path: Path) -> None:
    """A reader does not wait for a writer's transaction."""
    with world(tmp_path) as built, closing(DomainStore(built.store.path)) as other, built.store.change() as connection:
        connection.execute("DELETE FROM closure")
        started = time.monotonic()
        assert len(other.rows("SELECT * FROM closure")) == 12
        assert time.monotonic() - started < 1
