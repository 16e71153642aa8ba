"""What a stateful agent does between requests: sessions that are idle too long are summarised and closed, old ones are deleted."""

from dataclasses import dataclass, field
from typing import Any

from tracer import TerminationReason, agent_run, step

from .memory.conversation import summarise_plainly
from .memory.episodic import Episodes
from .observe import Observe, Remembered, Told, ignore
from .settings import AgentSettings
from .state.garbage import delete_counts, delete_sessions, old_sessions
from .state.sessions import Closed, Keeping, Sessions
from .state.store import StateStore
from .truth import Ledger
from .visit import World

DAY_S = 86_400.0
REQUEST = "Close what is idle, delete what is old."


@dataclass(frozen=True, slots=True)
class Tidied:
    """The ids of the sessions that were closed and deleted, and the ledger of it: empty where there was nothing to do."""

    closed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    ledger: Ledger = field(default_factory=Ledger)
    trace_id: str = ""


def tidy(settings: AgentSettings, world: World, also: Observe = ignore) -> Tidied:
    """Do what is to be done, as a run of its own; where nothing is, there is no run. Summaries are made without a model: nobody waits."""
    store, now_s = world.state, world.now().timestamp()
    delete_counts(store, now_s - max(DAY_S, *(float(rate.window_s) for rate in settings.rates)))
    ledger = Ledger()

    def hear(told: Told) -> None:
        ledger.hear(told)
        also(told)

    episodes = Episodes(store, world.now, hear)
    keeping = Keeping(
        owner="housekeeping",
        now=world.now,
        summarise=summarise_plainly,
        ttl_s=settings.idle_ttl_s,
        observe=hear,
        closed=remembering(episodes),
    )
    sessions = Sessions(store, keeping)
    if not sessions.are_idle() and not old_sessions(store, now_s - settings.keep_s):
        return Tidied()
    about: dict[str, Any] = {"environment": settings.environment, "version": settings.version}
    name = f"{settings.name} housekeeping"
    with agent_run(name, input=REQUEST, **about) as run, ledger.within("agent", agent=name, input=REQUEST, **about) as entry:
        closed = sessions.close_idle()
        deleted = _delete(store, now_s - settings.keep_s, hear)
        output = f"sessions closed: {len(closed)}; deleted: {len(deleted)}"
        run.output(output)
        run.terminate(TerminationReason.COMPLETED)
        entry |= {"output": output, "termination": {"reason": "completed", "detail": None}}
    return Tidied(closed, deleted, ledger, run.trace_id)


def _delete(store: StateStore, before_s: float, observe: Observe) -> tuple[str, ...]:
    with step("delete old sessions", kind="memory") as deleting:
        deleted = delete_sessions(store, before_s)
        text = ", ".join(deleted) or "none"
        deleting.output(text)
        observe(Remembered("delete old sessions", text))
    return deleted


def remembering(episodes: Episodes) -> Closed:
    """Return what keeps each closed session as an episode of its user's, unless nothing was said in it."""

    def remember(session_id: str, user_id: str, summary: str) -> None:
        if summary:
            episodes.remember(user_id, session_id, summary)

    return remember
