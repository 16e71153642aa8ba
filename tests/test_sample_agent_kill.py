"""Killed with -9 at random points of a booking: nothing booked twice, nothing confirmed lost, and Clew says that the run was lost."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from sample_agent.domain.appointments import get_appointment, to_id
from sample_agent.domain.model import Appointment
from sample_agent.domain.seed_data import Season, plant
from sample_agent.domain.store import DomainStore

from .sample_agent_clew import Clew, running_clew
from .sample_agent_world import MONDAY
from .wire import answer as stored_answer

KILLS = int(os.environ.get("SAMPLE_AGENT_KILLS", "5"))
"""How many; the figure in the documentation was measured with 50."""

LATER_NS = 3600 * 10**9
_LIMIT_S = 120.0


class Victim:
    """The process whose children are killed."""

    def __init__(self, directory: Path, clew: Clew) -> None:
        self._directory = directory
        self._clew = clew
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("CLEW_", "OTEL_"))}
        command = [sys.executable, "-m", "tests.sample_agent_victim"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean)
        self._guard = threading.Timer(_LIMIT_S + 3 * KILLS, self.process.kill)
        self._guard.start()
        assert self._read()["ready"]

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def answer(self, says: str, session: str, kill_after_s: float | None = None) -> dict[str, Any]:
        """Let a child answer, killed after so long since its run can be looked up; return all that was told of it."""
        order = {
            "directory": str(self._directory),
            "endpoint": self._clew.endpoint,
            "now": MONDAY.isoformat(),
            "says": says,
            "session": session,
        }
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        told: dict[str, Any] = {}
        while "ended" not in told:
            told |= self._read()
            if "begun" in told and "began_s" not in told:
                told["began_s"] = time.monotonic()
                if kill_after_s is not None:
                    time.sleep(kill_after_s)
                    with suppress(ProcessLookupError):  # it was quicker
                        os.kill(told["child"], signal.SIGKILL)
            if "answered" in told:
                told.setdefault("took_s", time.monotonic() - told["began_s"])
        return told

    def close(self) -> None:
        """End it."""
        self._guard.cancel()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(_LIMIT_S)
        self.process.stdout.close()


@contextmanager
def victim(directory: Path, clew: Clew) -> Iterator[Victim]:
    found = Victim(directory, clew)
    try:
        yield found
    finally:
        found.close()


def booked(domain: DomainStore, day: int) -> list[Appointment]:
    """Return the appointments of a day, of those that were made here."""
    every = [get_appointment(domain, to_id(row["number"])) for row in domain.rows("SELECT number FROM appointment")]
    return [one for one in every if one.starts_at.date() == (MONDAY + timedelta(days=day)).date() and one.status == "booked"]


def test_killed_at_random_points(tmp_path: Path, capsys: Any) -> None:
    """After each kill the same request is made again, by another process: there is one appointment then, the one confirmed if any was."""
    chance = random.Random(11)
    lost = confirmed = at_work = 0
    with running_clew(tmp_path) as clew, DomainStore(tmp_path / "calendars.db") as domain, victim(tmp_path, clew) as process:
        plant(domain, Season(MONDAY.date(), days=0))
        took_s = process.answer(request(1), "whole")["took_s"]
        for number in range(KILLS):
            # Every other kill falls into the part in which the booking is.
            day = 2 + number
            told = process.answer(request(day), f"s-{number}", kill_after_s=chance.uniform(0.6 * took_s * (number % 2), took_s))
            before = booked(domain, day)
            assert len(before) <= 1
            again = process.answer(request(day), f"s-{number}")
            after = booked(domain, day)
            assert len(after) == (0 if (MONDAY + timedelta(days=day)).weekday() > 4 else 1), (told, again)
            assert before in ([], after)
            if "answered" in told and (promised := re.search(r"A\d{5}", told["answered"])):
                confirmed += 1
                assert [one.id for one in after] == [promised[0]]
            if told["ended"] == signal.SIGKILL and "answered" not in told:
                lost += 1
                at_work += bool(before)
                assert_lost(clew, told["begun"])
    with capsys.disabled():
        print(f"\n  {KILLS} kills: {lost} amid a run ({at_work} after the booking, before the answer), {confirmed} after the answer")
    assert lost


def request(day: int) -> str:
    """Return a request that is like no other: an hour of a day of its own."""
    return f"Book a meeting with Ana Hartwell on {MONDAY + timedelta(days=day):%-d %B %Y} at 10:00 for 30 minutes."


def assert_lost(clew: Clew, trace_id: str) -> None:
    """The run has no end, so it counts as lost once it was silent for long, and what it did is there to read."""
    trace = json.loads(stored_answer(clew.store, bytes.fromhex(trace_id), now_ns=time.time_ns() + LATER_NS))[0]
    (run,) = trace["runs"]
    assert (run["agent"], run["status"], run["ended_at"]) == ("scheduler", "error", None)
    assert (run["termination"]["reason"], run["termination"]["source"]) == ("lost", "inferred")
    assert run["input"].startswith("Book a meeting")
    assert [step["name"] for step in run["steps"]][:1] == ["rate limit"]
    assert all(step["started_at"] for step in run["steps"])
