"""``clew demo`` and ``clew up --demo``: the sample agent at work against a running Clew, now and through the last two weeks."""

import argparse
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import tracer
from ingest.listen import url_host
from ingest.settings import Settings
from ingest.store.access import create_key, list_keys, revoke_key
from sample_agent.clock import SimulatedClock
from sample_agent.history import Happening, History, live_through
from sample_agent.live import STORIES, Story, run_live
from sample_agent.models.prices import usd_by_class
from sample_agent.visit import Answer
from webui.format import clip, plural, termination_word

from .errors import CliError
from .opening import opened_store, read_settings
from .progress import Told, progress_bar

Say = Callable[[str], None]

_SERVICE = "sample-agent"
_DAYS = 14
_SEED = 7
_RUNS_A_DAY = 14
_ANSWER_S = 5.0


@dataclass(frozen=True)
class Target:
    """The Clew that is sent to."""

    web: str
    otlp: str
    key: str | None = None


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Run the agent and say where to look. Raises ``CliError`` where no Clew answers."""
    settings = read_settings(arguments, environ)
    web = settings.base_url or f"http://{url_host(settings.host)}:{settings.port}"
    target = Target(web, f"http://{url_host(settings.host)}:{settings.otlp_http_port}", environ.get("CLEW_API_KEY"))
    _check(target)
    days = _number(arguments.days, "--days", 0)
    runs = _number(arguments.runs, "--runs", _RUNS_A_DAY * days if days else len(STORIES))
    seed = _number(arguments.seed, "--seed", _SEED)
    if not days:
        _show_live(target, runs, seed, print)
        return 0
    with progress_bar("runs") as told:
        _show_history(target, History(datetime.now(UTC), days, runs, seed), told, print)
    return 0


def show_demo(settings: Settings, told: str, say: Say) -> None:
    """Show a handful of runs, and fill the last two weeks of a Clew that has no runs yet. ``told`` are its addresses: web and OTLP."""
    web, otlp = told.split()
    with _key_for(settings) as key:
        target = Target(web, otlp, key)
        is_empty = not _get(target, "/api/v1/traces?limit=1")["items"]
        _show_live(target, len(STORIES), _SEED, say)
        if is_empty:
            _show_history(target, History(datetime.now(UTC), _DAYS, _RUNS_A_DAY * _DAYS, _SEED), _tell_nobody, say)


def _number(said: str | None, option: str, otherwise: int) -> int:
    if said is None:
        return otherwise
    if not said.isdigit():
        raise CliError(f"{option} takes a whole number, not {said!r}.")
    return int(said)


def _show_live(target: Target, count: int, seed: int, say: Say) -> None:
    _record_to(target)
    say(f"The sample agent handles {plural(count, 'request')}:")

    def done(story: Story, answer: Answer) -> None:
        say(f"  {clip(story.about, 40):<40} {termination_word(answer.reason):<18} {answer.url}")

    run_live(count, seed, done)
    _deliver()
    say(f"  what they cost: {target.web}/costs   all runs: {target.web}/runs")


def _show_history(target: Target, history: History, told: Told, say: Say) -> None:
    clock = SimulatedClock(history.starts_at)
    _record_to(target, clock)
    done: list[Answer] = []
    planted: dict[str, str] = {}

    def note(happening: Happening, answer: Answer) -> None:
        done.append(answer)
        told(len(done), history.runs)
        if happening.story and answer.reason != "completed":
            planted.setdefault(happening.story, answer.url)

    live_through(history, clock, note)
    _deliver()
    say(f"{plural(history.days, 'day')} of history: {plural(len(done), 'run')}, among them")
    for story, url in planted.items():
        say(f"  {story:<40} {url}")


def _record_to(target: Target, clock: SimulatedClock | None = None) -> None:
    tracer.configure(
        endpoint=target.otlp,
        base_url=target.web,
        api_key=target.key,
        service=_SERVICE,
        prices=usd_by_class,
        heartbeat_s=0.0 if clock else 15.0,
        clock_ns=clock.now_ns if clock else None,
    )


def _deliver() -> None:
    if not tracer.flush(120.0):
        raise CliError("Clew did not take all of the runs in; clew doctor looks for the reason.")


def _check(target: Target) -> None:
    """Raise ``CliError`` where no Clew answers."""
    try:
        _get(target, "/healthz")
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise CliError(f"No Clew answers at {target.web}; clew up starts one.") from error


def _get(target: Target, path: str) -> dict[str, object]:
    if urlsplit(target.web).scheme not in ("http", "https"):
        raise CliError(f"{target.web} is no web address.")
    headers = {"Authorization": f"Bearer {target.key}"} if target.key else {}
    with urllib.request.urlopen(urllib.request.Request(target.web + path, headers=headers), timeout=_ANSWER_S) as answer:
        found: dict[str, object] = json.loads(answer.read())
    return found


@contextmanager
def _key_for(settings: Settings) -> Iterator[str | None]:
    """Yield a key for as long as it is needed, where authentication is on."""
    if not settings.auth:
        yield None
        return
    with opened_store(settings) as store:
        key = create_key(store, "default", "clew up --demo", "all")
        try:
            yield key
        finally:
            revoke_key(store, str(max(one.id for one in list_keys(store) if one.name == "clew up --demo")))


def _tell_nobody(done: int, total: int) -> None:
    """Tell nobody."""
