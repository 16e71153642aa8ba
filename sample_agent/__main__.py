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
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

import tracer

from .agent import SchedulingAgent
from .domain.seed_data import Season, plant
from .domain.store import DomainStore
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
    if not _connect(options.endpoint, options.web):
        _say(f"No Clew at {options.endpoint}: this conversation is not recorded (make up starts one).", sys.stderr)
    options.data_dir.mkdir(parents=True, exist_ok=True)
    with (
        _models(os.environ) as models,
        DomainStore(options.data_dir / "calendars.db") as domain,
        StateStore(options.data_dir / "state.db") as state,
    ):
        plant(domain, Season(_now().date()))
        settings = AgentSettings(architecture=options.architecture, models=models)
        with SchedulingAgent(settings, World(domain, state, _now, time.sleep), owner=f"terminal {os.getpid()}") as agent:
            _converse(agent, options)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sample_agent", description="A scheduling agent. Ctrl-D ends the conversation.")
    parser.add_argument("words", nargs="*", help="what to say first; without, it asks")
    parser.add_argument("--architecture", choices=ARCHITECTURES, default="plan_execute")
    parser.add_argument("--client", metavar="ID", help="sign in as this client; without, as somebody of the front desk")
    parser.add_argument("--session", metavar="ID", help="go on with a session; without, a new one begins")
    otlp, web = os.environ.get("CLEW_ENDPOINT", "http://127.0.0.1:4318"), os.environ.get("CLEW_BASE_URL", "http://127.0.0.1:7070")
    parser.add_argument("--endpoint", metavar="URL", default=otlp, help="Clew's OTLP address")
    parser.add_argument("--web", metavar="URL", default=web, help="Clew's web address")
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
    words = " ".join(options.words) or _read()
    while words:
        _show(agent.handle(Request(words, session, user, clients, "client" if options.client else "staff")))
        words = _read()
    tracer.flush()


def _show(answer: Answer) -> None:
    _say(answer.text)
    if answer.url:
        _say(f"  why: {answer.url}")


def _read() -> str:
    """Return what the person says next, "" at the end; nobody is asked where nobody sits at a terminal."""
    if not sys.stdin.isatty():
        return ""
    try:
        return input("> ").strip()
    except (EOFError, KeyboardInterrupt):
        return ""


def _now() -> datetime:
    return datetime.now(UTC)


def _say(text: str, where: TextIO | None = None) -> None:
    print(text, file=where, flush=True)  # a command's own voice


if __name__ == "__main__":
    sys.exit(main())
