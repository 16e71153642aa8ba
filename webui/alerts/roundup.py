"""The mail of each morning, and of each Monday: what happened, and that alerts are alive. Silence must not mean both well and dead."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from ingest.store.access import list_projects
from ingest.store.alert_model import Parcel
from ingest.store.engine import Store
from ingest.store.roundup import AgentSum, Roundup, read_roundup
from webui.format import clip, money, plural

from .dispatch import Outlets, address_parcel
from .letter import MOST_SUBJECT, Letter, Line, Piece, RunLine, header_words
from .message import Desk, alert_href, masked

_DAY_NS = 86_400 * 10**9
_SHOWN_AGENTS = 5
_SHOWN_ALERTS = 12
_SENTENCE_CHARS = 200


class Edition(msgspec.Struct, frozen=True):
    """One such mail: ``daily`` or ``weekly``, of which project, from when to when."""

    kind: str
    project: str
    since_ns: int
    until_ns: int


def due_ns(outlets: Outlets, now_ns: int) -> int | None:
    """Return when the latest of these mails was due, in the time of the place; None where nobody wants any."""
    if outlets.digest_minute is None:
        return None
    now = datetime.fromtimestamp(now_ns // 10**9, outlets.desk.zone)
    hour, minute = divmod(outlets.digest_minute, 60)
    due = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if due > now:
        due = (due - timedelta(days=1)).replace(hour=hour, minute=minute)
    return int(due.timestamp()) * 10**9


def write_roundups(store: Store, outlets: Outlets, ticked_ns: int, now_ns: int) -> list[Parcel]:
    """Return the parcels that fell due since the watch looked last; a fresh installation waits for its first morning.

    Their message ids are made of the day: written twice they are one.
    """
    due = due_ns(outlets, now_ns)
    if due is None or not ticked_ns or not ticked_ns < due <= now_ns:
        return []
    is_weekly = datetime.fromtimestamp(due // 10**9, outlets.desk.zone).weekday() == 0
    found: list[Parcel] = []
    projects = list_projects(store)
    for project in projects:
        edition = Edition("weekly" if is_weekly else "daily", project.name, due - (7 if is_weekly else 1) * _DAY_NS, due)
        with store.engine.connect() as conn:
            seen = read_roundup(conn, project.id, edition.since_ns, edition.until_ns)
        if is_weekly or seen.runs or seen.alerts:
            found += list(_parcels(outlets, project.id, edition, seen, len(projects) > 1))
    return found


def _parcels(outlets: Outlets, project_id: int, edition: Edition, seen: Roundup, names_project: bool) -> Iterator[Parcel]:
    letter = write_roundup(edition, seen, outlets.desk, names_project=names_project)
    place = f"{edition.kind[0]}{edition.until_ns // 10**9}.{project_id}"
    for target in outlets.targets():
        if target[0] == "mail":
            blank = Parcel(
                project_id=project_id,
                alert_id=0,
                alert_ids=b"",
                kind=edition.kind,
                severity="info",
                channel="",
                receiver="",
                message_id="",
                thread="",
                subject=letter.subject,
                body="",
                html="",
                state="",
                created_ns=edition.until_ns,
                next_ns=edition.until_ns,
            )
            yield address_parcel(blank, letter, outlets, target, place)


def write_roundup(edition: Edition, seen: Roundup, desk: Desk, *, names_project: bool = False) -> Letter:
    """Return the letter of a day or week."""
    length = "week" if edition.kind == "weekly" else "day"
    going = sum(one.state != "resolved" for one in seen.alerts)
    where = f" in {clip(edition.project, 40)}" if names_project else ""
    alive = "Alerts are alive: " if edition.kind == "weekly" else ""
    spoken = f"{plural(len(seen.alerts), 'alert')}, {going} still firing" if seen.alerts else "no alert"
    words = f"{spoken}; {plural(seen.runs, 'run')}, {money(seen.cost_nanos)} spent"
    return Letter(
        severity="info" if not going else "warning",
        subject=header_words(f"[{edition.kind}] {alive}{words} in the last {length}{where}", MOST_SUBJECT),
        meta=f"The last {length}{where}, until {_at(edition.until_ns, desk)}",
        headline=f"{alive}{words}.",
        headline_bad="",
        lines=tuple(_lines(edition, seen)),
        others_title="Alerts",
        others=tuple(_alert_lines(seen, desk)),
        foot=(
            Piece(f"Sent each {'Monday' if edition.kind == 'weekly' else 'morning'}, as CLEW_ALERT_DIGEST says. "),
            Piece("All alerts", f"{desk.base_url}/alerts"),
            Piece(". "),
            Piece("Costs", f"{desk.base_url}/costs"),
            Piece("."),
        ),
    )


def _at(at_ns: int, desk: Desk) -> str:
    local = datetime.fromtimestamp(at_ns // 10**9, desk.zone)
    return f"{local:%a} {local.day} {local:%b} {local.year}, {local:%H:%M} {local.tzname() or UTC}"


def _lines(edition: Edition, seen: Roundup) -> Iterator[Line]:
    length = "week" if edition.kind == "weekly" else "day"
    share = f", {seen.failed / seen.runs:.1%} of them failed" if seen.runs else ""
    yield Line("Runs", (Piece(f"{seen.runs:,}{share}."),))
    change = f", {_times(seen.cost_nanos, seen.before_nanos)} the {length} before ({money(seen.before_nanos)})" if seen.before_nanos else ""
    yield Line("Money", (Piece(f"{money(seen.cost_nanos)}{change}."),))
    if seen.agents:
        yield Line("Agents", (Piece("; ".join(_agent(one) for one in seen.agents[:_SHOWN_AGENTS]) + "."),))
    unsent = f" {plural(seen.unsent, 'message')} could not be delivered yet, or at all." if seen.unsent else ""
    yield Line("Told", (Piece(f"{plural(seen.sent, 'message')} delivered.{unsent}", is_bad=bool(seen.unsent)),))


def _times(now: int, before: int) -> str:
    return f"{now / before:.1f} times"


def _agent(one: AgentSum) -> str:
    failed = f", {one.failed} failed" if one.failed else ""
    return f"{clip(one.agent or 'no agent', 40)} {money(one.cost_nanos)} in {plural(one.runs, 'run')}{failed}"


def _alert_lines(seen: Roundup, desk: Desk) -> Iterator[RunLine]:
    for one in seen.alerts[:_SHOWN_ALERTS]:
        state = "over" if one.state == "resolved" else "still firing"
        sentence, note = masked(one.sentence, _SENTENCE_CHARS), f"rule {one.rule}, {state}"
        yield RunLine(sentence, one.severity, note, f"incident {one.id}", alert_href(desk, one))
    if len(seen.alerts) > _SHOWN_ALERTS:
        yield RunLine("", "", f"and {len(seen.alerts) - _SHOWN_ALERTS} more", "all alerts", f"{desk.base_url}/alerts")
