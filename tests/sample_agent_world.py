"""The sample agent's firm for tests: real stores, a clock in a list, and what must always hold of the calendars."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sample_agent.domain.seed_data import Season, plant
from sample_agent.domain.store import DomainStore
from sample_agent.observe import Told
from sample_agent.state.journal import Journal
from sample_agent.state.store import StateStore
from sample_agent.tools.catalogue import TOOLS
from sample_agent.tools.contract import ALL_CLIENTS, ToolContext, ToolResult
from sample_agent.tools.registry import call_tool

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass
class World:
    """A firm with empty calendars on a Monday morning, and a session of somebody who works there."""

    store: DomainStore
    state: StateStore
    clock: list[datetime] = field(default_factory=lambda: [MONDAY])
    told: list[Told] = field(default_factory=list)
    agreed: set[str] = field(default_factory=set)

    def now(self) -> datetime:
        return self.clock[0]

    def wait(self, **units: float) -> None:
        """Move the clock on."""
        self.clock[0] += timedelta(**units)

    def context(self, **changes: Any) -> ToolContext:
        context = ToolContext(
            session_id="s1",
            user_id="u1",
            role="staff",
            allowed_clients=ALL_CLIENTS,
            allowed_tools=frozenset(TOOLS),
            now=self.now,
            store=self.store,
            journal=Journal(self.state),
            confirmed=self.agreed.__contains__,
            spend=self.agreed.discard,
            observe=self.told.append,
        )
        return replace(context, **changes)

    def call(self, name: str, context: ToolContext | None = None, **arguments: Any) -> ToolResult:
        return call_tool(name, arguments, context or self.context())

    def agree_and_call(self, name: str, context: ToolContext | None = None, **arguments: Any) -> ToolResult:
        """Call a destructive tool, say yes, and call it again."""
        asked = self.call(name, context, **arguments)
        if asked.confirmation_key is None:
            return asked
        self.agreed.add(asked.confirmation_key)
        return self.call(name, context, **arguments)

    def book(self, client_id: str, professional_id: str, starts_at: str, minutes: int = 30) -> str:
        """Book and return the id."""
        arguments: dict[str, Any] = {"client_id": client_id, "professional_ids": [professional_id]}
        result = self.call("book_appointment", **arguments, starts_at=starts_at, duration_minutes=minutes)
        assert result.ok, result.error
        return str(result.content["appointment_id"])


@contextmanager
def world(folder: Path | None = None, filled: float = 0.0) -> Iterator[World]:
    """Open a world in a folder, or in memory."""
    places = (folder / "domain.db", folder / "state.db") if folder else (":memory:", ":memory:")
    with DomainStore(places[0]) as store, StateStore(places[1]) as state:
        plant(store, Season(date(2026, 2, 16), filled=filled, ours=0.5))
        yield World(store, state)


def faults(store: DomainStore) -> list[str]:
    """Return what must never be, read from the appointments themselves: meetings of one calendar that meet, and time taken wrongly."""
    spans = """SELECT client_id AS calendar, number, starts_s, ends_s FROM appointment WHERE status = 'booked' UNION ALL
               SELECT professional_id, number, starts_s, ends_s FROM appointment JOIN attendance USING (number) WHERE status = 'booked'"""
    query = f"""WITH spans AS ({spans}) SELECT a.calendar, a.number AS one, b.number AS other FROM spans AS a JOIN spans AS b
                ON a.calendar = b.calendar AND a.number < b.number AND a.starts_s < b.ends_s AND b.starts_s < a.ends_s"""
    meeting = [f"{row['calendar']}: {row['one']} and {row['other']} overlap" for row in store.rows(query)]
    booked = {(row["calendar"], second // 900) for row in store.rows(spans) for second in range(row["starts_s"], row["ends_s"], 900)}
    taken = {(row["calendar_id"], row["quarter"]) for row in store.rows("SELECT * FROM occupied WHERE number IS NOT NULL")}
    return meeting + [f"{calendar}: quarter {quarter} is taken wrongly" for calendar, quarter in sorted(taken ^ booked)]
