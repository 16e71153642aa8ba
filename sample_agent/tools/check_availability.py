"""The tool that finds free times."""

from datetime import date, timedelta
from typing import Annotated

from pydantic import Field

from ..domain.calendars import Offer, PartOfDay, Search, find_offers
from ..domain.clients import get_client
from ..domain.model import Client, Professional
from ..domain.professionals import get_professionals, list_professionals
from ..domain.time_zones import get_zone
from .contract import Arguments, Result, ToolContext, ToolError, ToolSpec
from .views import ClientId, ProfessionalId, on_clock

PAGE_SIZE = 8
MOST_DAYS = 14


class CheckAvailability(Arguments):
    """What to look for."""

    client_id: ClientId
    earliest: date = Field(description="First day to look at, as the clock in time_zone shows it: YYYY-MM-DD.")
    latest: date = Field(description=f"Last day to look at, YYYY-MM-DD; at most {MOST_DAYS} days from the first. The same day for one day.")
    duration_minutes: int = Field(ge=15, le=180, multiple_of=15, description="Length of the meeting: 15 to 180, in steps of 15.")
    professional_ids: Annotated[list[ProfessionalId], Field(max_length=4)] = Field(
        default=[],
        description="Who must attend, all together: ids like P11. Leave out for anybody of the client's office, the preferred one first.",
    )
    part_of_day: PartOfDay = Field(default="any", description="morning: before 12:00, afternoon: from 12:00 on, by the clock in time_zone.")
    time_zone: str | None = Field(
        default=None, max_length=40, description="IANA time zone of days and times, e.g. Europe/London. Left out: the client's own."
    )
    page: int = Field(default=1, ge=1, le=1000, description=f"Page of {PAGE_SIZE} free times, from 1.")


class FreeTime(Result):
    """A free time."""

    starts_at: str
    ends_at: str
    professional_ids: list[str]
    professional_names: list[str]
    also_free: list[str]
    """Others who are free then; empty where all of those asked for must attend."""


class Availability(Result):
    """A page of free times."""

    free: list[FreeTime]
    total: int
    page: int
    pages: int
    time_zone: str
    hint: str | None = None


def check_availability(context: ToolContext, arguments: CheckAvailability) -> Availability:
    """Find free times. Raises ``DomainError``: not_found, unknown_time_zone, invalid_arguments."""
    client = get_client(context.store, arguments.client_id)
    _check_days(arguments, context.now().date())
    zone = get_zone(arguments.time_zone or client.time_zone)
    search = Search(
        client_id=client.id,
        groups=_groups(context, arguments, client),
        duration_minutes=arguments.duration_minutes,
        earliest=arguments.earliest,
        latest=arguments.latest,
        zone=zone,
        part_of_day=arguments.part_of_day,
    )
    offers = find_offers(context.store, search, context.now())
    names = {one.id: one.name for group in search.groups for one in group}
    first = (arguments.page - 1) * PAGE_SIZE
    pages = -(-len(offers) // PAGE_SIZE)
    return Availability(
        free=[_view(offer, search, names) for offer in offers[first : first + PAGE_SIZE]],
        total=len(offers),
        page=arguments.page,
        pages=pages,
        time_zone=zone.key,
        hint=_hint(arguments, pages),
    )


def _check_days(arguments: CheckAvailability, today: date) -> None:
    if arguments.latest < arguments.earliest:
        raise ToolError("invalid_arguments", "latest is before earliest. Give the first day, then the last.")
    if (arguments.latest - arguments.earliest).days >= MOST_DAYS:
        raise ToolError("invalid_arguments", f"At most {MOST_DAYS} days can be looked at. Ask for fewer, then for the next ones.")
    if arguments.latest < today - timedelta(days=1):
        raise ToolError("invalid_arguments", f"{arguments.latest.isoformat()} is in the past; today is {today.isoformat()}.")
    if arguments.latest > today + timedelta(days=400):
        raise ToolError("invalid_arguments", f"{arguments.latest.isoformat()} is too far ahead. Appointments can be booked a year ahead.")


def _groups(context: ToolContext, arguments: CheckAvailability, client: Client) -> tuple[tuple[Professional, ...], ...]:
    if arguments.professional_ids:
        return (get_professionals(context.store, dict.fromkeys(arguments.professional_ids)),)
    people = list_professionals(context.store, client.office_id)
    preferred = client.preferred_professional_id
    return tuple((one,) for one in sorted(people, key=lambda one: (one.id != preferred, one.id)))


def _view(offer: Offer, search: Search, names: dict[str, str]) -> FreeTime:
    slot = offer.slot
    return FreeTime(
        starts_at=on_clock(slot.starts_at, search.zone),
        ends_at=on_clock(slot.ends_at, search.zone),
        professional_ids=list(slot.professional_ids),
        professional_names=[names[one] for one in slot.professional_ids],
        also_free=[one for group in offer.others for one in group],
    )


def _hint(arguments: CheckAvailability, pages: int) -> str | None:
    if not pages:
        together = " together" if len(arguments.professional_ids) > 1 else ""
        return f"Nothing is free{together}. Try other days, any part of the day, a shorter meeting or other professionals."
    if arguments.page > pages:
        return f"There are {pages} pages."
    return None


SPEC = ToolSpec(
    name="check_availability",
    description=(
        "Find times that are free both for a client and for the professionals they would meet. Reads only; books nothing. Use it before "
        "book_appointment and reschedule_appointment, and copy starts_at from its answer. Times come in order, "
        f"{PAGE_SIZE} on a page, with the UTC offset of the time zone they are shown in."
    ),
    arguments=CheckAvailability,
    result=Availability,
    run=check_availability,
)
