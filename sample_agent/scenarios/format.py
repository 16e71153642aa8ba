"""What a scenario file says: the world before, what is said, and what must come of it. One JSON file a scenario.

Calendars are empty but for ``booked``, and the time is Monday, 2 March 2026, 09:00 in London unless told otherwise.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ..model_server.faults import Fault
from ..settings import ARCHITECTURES, Architecture

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DIRECTORY = Path(__file__).parent


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Booked(_Part):
    """An appointment made beforehand; they are numbered from A20001 on in their order."""

    id: str
    client: str
    professionals: list[str]
    starts_at: AwareDatetime
    minutes: int = 30
    cancelled: bool = False


class Call(_Part):
    """A tool call that must happen: by name, with at least these arguments, and this end (ok, or the error's code)."""

    name: str
    arguments: dict[str, Any] = {}
    ends: str = "ok"


class Expects(_Part):
    """What must come of a turn. Words are regular expressions, found in any case."""

    termination: str | list[str] = "completed"
    """Or several, where how it ends is the model's choice."""
    tools: list[Call] = []
    """In this order, with any others between."""
    never: list[str] = []
    """Tools that must not do anything: not called, or refused."""
    says: list[str] = []
    never_says: list[str] = []
    happens: dict[str, int] = {}
    """Steps that there must be at least so many of: retry, fallback, repair, breaker, cache, handoff, plan, memory."""
    most_tokens: int = 45_000


class Turn(_Part):
    """One request, and what must come of it. ``but`` names what is different in an architecture."""

    says: str
    after_minutes: float = 0
    new_process: bool = False
    """Another process answers, which knows only what is in the stores."""
    user: str | None = None
    session: str | None = None
    faults: list[Fault] | None = None
    """In place of the faults so far."""
    repeat: int = 1
    """Say it so many times; the last time counts."""
    expects: Expects = Expects()
    but: dict[Architecture, dict[str, Any]] = {}

    def expects_of(self, architecture: Architecture) -> Expects:
        """Return what one architecture must do."""
        return Expects.model_validate(self.expects.model_dump() | self.but.get(architecture, {}))


class Kept(_Part):
    """An appointment as it must be in the end; what is None may be anything."""

    client: str | None = None
    starts_at: AwareDatetime | None = None
    minutes: int | None = None
    professionals: list[str] | None = None
    status: Literal["booked", "cancelled"] = "booked"


class Scenario(_Part):
    """A scenario. ``shows`` names the checklist's items and whether the protection works or catches its fault."""

    id: str
    about: str
    shows: list[str] = []
    now: AwareDatetime = MONDAY
    acts_for: list[str] = ["10422"]
    """Client ids; ``["*"]`` is staff."""
    settings: dict[str, Any] = {}
    """Dotted names: ``limits.turns``, ``models.session_tokens``."""
    faults: list[Fault] = []
    booked: list[Booked] = []
    client_notes: dict[str, str] = {}
    """Notes on clients' records, which people typed."""
    architectures: list[Architecture] = list(ARCHITECTURES)
    turns: list[Turn] = Field(min_length=1)
    ends_with: dict[str, Kept] = {}
    """Every appointment that there is in the end, by id. Without it nothing may have changed."""
    may_end_anyhow: bool = False
    """Whether the calendars may be any in the end: where a run is cut off at a point that is not known."""
    mocks: dict[str, list[dict[str, Any]]] = {}
    """Predetermined results of tools, in their order (the last one stays): what the test with mocked tools uses."""
    only_mocked: bool = False
    """Whether it makes sense with these results alone: what it shows cannot be brought about with real calendars."""
    path: str = ""


def load_scenarios(kind: Literal["golden", "adversarial"]) -> Iterator[Scenario]:
    """Yield the scenarios of a suite in the order of their names. Raises ``ValueError`` that says what is wrong with a file."""
    for path in sorted((DIRECTORY / kind).glob("*.json")):
        yield Scenario.model_validate({"id": path.stem, "path": f"{kind}/{path.name}", **json.loads(path.read_text("utf-8"))})
