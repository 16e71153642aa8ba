"""Talks from a terminal, recorded where a Clew runs: ``python -m sample_agent "book client 10422 for 30 minutes on Thursday afternoon"``.

Without a key of a provider in the environment the models are answered by the offline server, which this command starts and ends.
"""

import argparse
import os
import socket
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TextIO
from urllib.parse import urlsplit

import tracer

from .agent import SchedulingAgent
from .domain.seed_data import Season, plant
from .domain.store import DomainStore
from .escalation import EscalationQueue
from .housekeeping import tidy
from .model_server.server import running_server
from .models.prices import usd_by_class
from .models.settings import Endpoint, ModelSettings
from .settings import ARCHITECTURES, AgentSettings
from .state.store import StateStore
from .visit import Answer, Request, World

_CONNECT_S = 0.5


def main() -> int:
    """Hold a conversation and return the exit status."""
    options = _parser().parse_args()
    options.data_dir.mkdir(parents=True, exist_ok=True)
    if options.cases or options.take:
        return _at_the_front_desk(options)
    if not _connect(options.endpoint, options.web):
        _say(f"No Clew at {options.endpoint}: this conversation is not recorded (make up starts one).", sys.stderr)
    with (
        _models(os.environ) as models,
        DomainStore(options.data_dir / "calendars.db") as domain,
        StateStore(options.data_dir / "state.db") as state,
    ):
        plant(domain, Season(_now().date()))
        settings = AgentSettings(architecture=options.architecture, models=models)
        world = World(domain, state, _now, time.sleep)
        tidy(settings, world)
        with SchedulingAgent(settings, world, owner=f"terminal {os.getpid()}") as agent:
            _converse(agent, options)
    return 0


def _at_the_front_desk(options: argparse.Namespace) -> int:
    """Show who waits, or give the oldest case to somebody with all that belongs to it."""
    with StateStore(options.data_dir / "state.db") as state:
        queue = EscalationQueue(state, _now)
        if options.cases:
            for one in queue.waiting():
                _say(f"{one.id}  {one.queued_at:%a %d %b %H:%M} UTC  {one.case.user_id}: {one.case.because}".replace("\n", "; "))
            return 0
        taken = queue.take(options.take)
    if taken is None:
        _say("Nobody waits.", sys.stderr)
        return 1
    for name, value in asdict(taken.case).items():
        _say(f"{name.replace('_', ' '):<12} {_lines(value)}")
    return 0


def _lines(value: object) -> str:
    lines = value if isinstance(value, tuple) else str(value if value is not None else "").split("\n")
    return f"\n{'':<13}".join(str(line) for line in lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sample_agent", description="A scheduling agent. Ctrl-D ends the conversation.")
    parser.add_argument("words", nargs="*", help="what to say first; without, it asks")
    parser.add_argument("--architecture", choices=ARCHITECTURES, default="plan_execute")
    parser.add_argument("--client", metavar="ID", help="sign in as this client; without, as somebody of the front desk")
    parser.add_argument("--session", metavar="ID", help="go on with a session; without, a new one begins")
    otlp, web = os.environ.get("CLEW_ENDPOINT", "http://127.0.0.1:4318"), os.environ.get("CLEW_BASE_URL", "http://127.0.0.1:7070")
    parser.add_argument("--endpoint", metavar="URL", default=otlp, help="Clew's OTLP address")
    parser.add_argument("--web", metavar="URL", default=web, help="Clew's web address")
    front_desk = parser.add_mutually_exclusive_group()
    front_desk.add_argument("--cases", action="store_true", help="list the cases that wait for a person, oldest first")
    front_desk.add_argument("--take", metavar="WHO", help="give the oldest of them to somebody and show all of it")
    directory = Path.home() / ".local" / "share" / "clew" / "sample-agent"
    parser.add_argument("--data-dir", type=Path, metavar="DIR", default=directory, help="where calendars and sessions are kept")
    return parser


def _connect(endpoint: str, web: str) -> bool:
    """Record into the Clew at an address, if there is one."""
    parts = urlsplit(endpoint)
    try:
        socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 4318), _CONNECT_S).close()
    except OSError:
        return False
    tracer.configure(endpoint=endpoint, base_url=web, service="sample-agent", prices=usd_by_class)
    return True


@contextmanager
def _models(environ: Mapping[str, str]) -> Iterator[ModelSettings]:
    """Yield where models are asked: the providers whose keys are there, else the offline server."""
    key, other = environ.get("ANTHROPIC_API_KEY"), environ.get("OPENAI_API_KEY")
    if key:
        yield ModelSettings(primary=Endpoint(key=key), fallback=Endpoint(key=other))
        return
    with running_server() as server:
        yield ModelSettings(primary=Endpoint(server.url), fallback=Endpoint(f"{server.url}/v1"))


def _converse(agent: SchedulingAgent, options: argparse.Namespace) -> None:
    session = options.session or f"terminal-{uuid.uuid4().hex[:8]}"
    clients = frozenset({options.client} if options.client else {"*"})
    user = f"client-{options.client}" if options.client else "front-desk"
    role: Literal["client", "staff"] = "client" if options.client else "staff"
    said = " ".join(options.words) or _read()
    while said is not None:
        if said:
            _show(agent.handle(Request(said, session, user, clients, role)))
        said = _read()
    tracer.flush()


def _show(answer: Answer) -> None:
    _say(answer.text)
    if answer.url:
        _say(f"  why: {answer.url}")


def _read() -> str | None:
    """Return what the person says next, None at the end; nobody is asked where nobody sits at a terminal."""
    if not sys.stdin.isatty():
        return None
    try:
        return input("> ").strip()
    except (EOFError, KeyboardInterrupt):
        return None


def _now() -> datetime:
    return datetime.now(UTC)


def _say(text: str, where: TextIO | None = None) -> None:
    print(text, file=where, flush=True)  # a command's own voice


if __name__ == "__main__":
    sys.exit(main())
