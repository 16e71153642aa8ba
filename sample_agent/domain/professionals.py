"""The firm's offices and the people in them who can be booked."""

from collections.abc import Iterable
from datetime import date, time
from sqlite3 import Row

from .model import DomainError, Office, Professional
from .store import DomainStore

_SELECT = """
SELECT professional.id, professional.name, speciality, office_id, office.name AS office, time_zone, opens, closes, phone
FROM professional JOIN office ON office.id = office_id
"""


def list_professionals(store: DomainStore, office_id: str | None = None) -> tuple[Professional, ...]:
    """Return everybody who can be booked, or those of one office, by id."""
    rows = store.rows(f"{_SELECT} WHERE ?1 IS NULL OR office_id = ?1 ORDER BY professional.id", (office_id,))
    return tuple(_professional(row) for row in rows)


def get_professionals(store: DomainStore, ids: Iterable[str]) -> tuple[Professional, ...]:
    """Return professionals in the order of their ids. Raises ``DomainError`` (not_found) that lists who there is."""
    known = {one.id: one for one in list_professionals(store)}
    wanted = tuple(ids)
    missing = next((one for one in wanted if one not in known), None)
    if missing is not None:
        there = ", ".join(f"{one.id} {one.name} ({one.office.name})" for one in known.values())
        raise DomainError("not_found", f"Professional {missing[:20]!r} not found. There are: {there}.")
    return tuple(known[one] for one in wanted)


def closures_of(store: DomainStore, office_id: str) -> dict[date, str]:
    """Return the days on which an office is closed, and why."""
    rows = store.rows("SELECT day, because FROM closure WHERE office_id = ?", (office_id,))
    return {date.fromisoformat(row["day"]): row["because"] for row in rows}


def get_office(store: DomainStore, office_id: str) -> Office:
    """Return an office. Raises ``DomainError`` (not_found)."""
    rows = store.rows("SELECT id AS office_id, name AS office, time_zone, opens, closes, phone FROM office WHERE id = ?", (office_id,))
    if not rows:
        raise DomainError("not_found", f"Office {office_id[:20]!r} not found. There are: london, new-york, singapore.")
    return _office(rows[0])


def _professional(row: Row) -> Professional:
    return Professional(id=row["id"], name=row["name"], speciality=row["speciality"], office=_office(row))


def _office(row: Row) -> Office:
    return Office(
        id=row["office_id"],
        name=row["office"],
        time_zone=row["time_zone"],
        opens=time.fromisoformat(row["opens"]),
        closes=time.fromisoformat(row["closes"]),
        phone=row["phone"],
    )
