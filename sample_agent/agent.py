"""The scheduling agent: what happens between a user's request and the answer, in the order in which it happens.

Rate limit, session, sanitising, yes or no to what was asked before, recall, architecture, hand-over to a person, output filter, answer.
"""

import random
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from contextvars import ContextVar
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from tracer import Budget, agent_run

from .architectures import multi_agent, plan_execute, react
from .architectures.desk import Desk, Outcome, Task, ask
from .domain.clients import get_client
from .domain.model import DomainError
from .endings import EXPECTED, Ending, done_in_words, ending_of, words_of
from .escalation import Case, EscalationQueue
from .limits import RateLimiter, check_request
from .memory.conversation import Conversation, Turn, summarise_plainly, write_out
from .memory.episodic import Episodes
from .memory.scratchpad import Scratchpad
from .memory.semantic import SemanticMemory, read_corpus
from .models.provider import Message, Text, ToolRequest, said
from .models.stack import build_stack
from .observe import Observe, Told, ignore
from .prompts import acting_for, all_prompts, blocks, now_words
from .security.output_filter import Secrets, release
from .security.sanitise import admit_content, admit_text
from .settings import REFUSAL, AgentSettings, Architecture
from .state import agreements
from .state.agreements import Agreements
from .state.journal import Journal, recover
from .state.sessions import Keeping, NotYourSession, Sessions, SessionTaken
from .state.store import StateStore
from .tools.catalogue import TOOLS
from .tools.contract import ToolContext, ToolResult, ToolSpec
from .tools.registry import call_tool
from .truth import Ledger
from .visit import Answer, Request, Visit, World, asks_for_message, client_of, is_nothing_left, yes_or_no

HEAD_OFFICE_ZONE = "Europe/London"

RUNS: Mapping[Architecture, Callable[[Task, Desk], Outcome]] = {
    "plan_execute": plan_execute.run,
    "react": react.run,
    "multi_agent": multi_agent.run,
}


_visit: ContextVar[Visit] = ContextVar("visit")
"""The request that this thread works on: model layers and stores are shared by all of them."""


class SchedulingAgent:
    """Handles requests, one at a time in each thread.

    ``owner`` names the process to those that share its sessions; ``also`` is told what the ledger is told.
    """

    def __init__(
        self, settings: AgentSettings, world: World, *, tools: Mapping[str, ToolSpec] = TOOLS, also: Observe = ignore, owner: str = "agent"
    ) -> None:
        self._settings = settings
        self._world = world
        self._tools = tools
        self._also = also
        self._owner = owner
        self.models = build_stack(
            settings.models, now=world.now, sleep=world.sleep, jitter=random.Random(settings.seed), observe=self._hear
        )
        self._knowledge = SemanticMemory(read_corpus(world.domain), self._hear)
        self._journal = Journal(world.state)
        self._limiter = RateLimiter(world.state, world.now)
        self._queue = EscalationQueue(world.state, world.now, self._hear)
        self._secrets = Secrets(settings.canary, all_prompts(settings.canary))

    def _hear(self, told: Told) -> None:
        visit = _visit.get(None)
        if visit is not None:
            visit.ledger.hear(told)
        self._also(told)

    def close(self) -> None:
        """Close the connections to models. Twice is harmless."""
        self.models.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    # --- one request ------------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Answer:
        """Answer a request, as a run of its own. Raises only what is a mistake in the program, or ends the process."""
        ledger, settings = Ledger(), self._settings
        limits, about = settings.limits, _about(request, settings)
        budget = Budget(tokens=settings.models.session_tokens, usd=limits.usd, steps=limits.steps, seconds=limits.seconds)
        with (
            agent_run(settings.name, input=request.text, budget=budget, control=True, **about) as run,
            ledger.within("agent", agent=settings.name, input=request.text, **about) as entry,
        ):
            entry["budget"] = {"tokens": budget.tokens, "usd": budget.usd, "steps": budget.steps}
            with nullcontext(self._world.state) if settings.stateful else StateStore(":memory:") as state:
                outcome = self._answer(Visit(request, ledger, state, entry, run))
            run.output(outcome.text)
            run.terminate(outcome.reason, outcome.detail)
            entry |= {"output": outcome.text, "termination": {"reason": outcome.reason, "detail": outcome.detail}}
            return Answer(outcome.text, outcome.reason, outcome.detail, run.trace_id, run.url, ledger, outcome.pending)

    def _answer(self, visit: Visit) -> Outcome:
        token = _visit.set(visit)
        try:
            return self._remember(visit, self._release(self._work(visit)))
        except EXPECTED as error:
            return self._remember(visit, self._ended(visit, ending_of(error)))
        except NotYourSession:
            return Outcome("I can't continue that conversation. Please start a new one.", "refused", "the session is another user's")
        except SessionTaken:
            return Outcome("This conversation went on elsewhere; please ask again there.", "cancelled", "another process has the session")
        finally:
            _visit.reset(token)

    def _work(self, visit: Visit) -> Outcome:
        """Do everything up to the answer's last check."""
        request = visit.request
        wait_s = check_request(self._limiter, request.session_id, request.user_id, self._hear)
        if wait_s is not None:
            return Outcome(f"That was a lot at once. Please try again in {wait_s:.0f} seconds.", "guardrail", f"rate limit, {wait_s:.0f} s")
        visit.session = self._sessions(visit).open(request.session_id, request.user_id)
        if visit.session.opened == "taken_over":
            recover(self._journal, self._world.domain, visit.session.id, self._hear)
        text = admit_text("user input", request.text, self._hear)
        if is_nothing_left(request.text, text):
            return Outcome(REFUSAL, "guardrail", "nothing was left of the request but what is known to be harmful")
        visit.desk = self._desk(visit)
        outcome = RUNS[self._settings.architecture](self._task(visit, text), visit.desk)
        return self._hand_over(visit, outcome) if outcome.reason == "escalated" else outcome

    # --- what the architecture is given -----------------------------------------------------------------------------

    def _task(self, visit: Visit, text: str) -> Task:
        request, conversation = visit.request, self._conversation(visit)
        pending, confirmed = self._agreement(visit, text)
        context = {
            "now": self._now_words(request),
            "acting_for": acting_for(request.clients),
            "summary": conversation.summary,
            "memory": self._recall(request, text),
            "pending": {"tool": pending.tool, "arguments": pending.arguments, "question": pending.question} if pending else None,
            "confirmed": confirmed,
        }
        turns = tuple(Message(turn.role, (Text(turn.text),)) for turn in conversation.turns)
        return Task(text, visit.session_id, request.user_id, context, turns)

    def _conversation(self, visit: Visit) -> Conversation:
        if visit.session is None or not self._settings.stateful:
            return Conversation("", visit.request.history)
        visit.session = self._sessions(visit).condense(visit.session, self._settings.conversation_tokens)
        return visit.session.conversation

    def _agreement(self, visit: Visit, text: str) -> tuple[agreements.Pending | None, str | None]:
        """Return what waits for the user's yes, and whether these words are one."""
        book = self._agreements(visit)
        if visit.request.agreed is not None:
            book.grant(visit.request.agreed)
        word = yes_or_no(text)
        if word is None:
            return book.pending(), None
        return book.answer(agreed=word == "yes"), word

    def _recall(self, request: Request, text: str) -> list[dict[str, str]]:
        def may_see(client_id: str) -> bool:
            return "*" in request.clients or client_id in request.clients

        hits = self._knowledge.search(text, may_see, most=2)
        found = [{"id": hit.document.id, "text": hit.document.text} for hit in hits]
        if self._settings.stateful:
            episodes = Episodes(self._world.state, self._world.now, self._hear).recall(request.user_id, text, most=1)
            found += [{"id": one.id, "text": one.text} for one in episodes]
        return found

    def _now_words(self, request: Request) -> str:
        zone = HEAD_OFFICE_ZONE
        with suppress(DomainError):  # staff, and who is nobody's client, are told the head office's time
            zone = get_client(self._world.domain, client_of(request) or "").time_zone
        return now_words(self._world.now().astimezone(ZoneInfo(zone)), zone)

    def _desk(self, visit: Visit) -> Desk:
        pad = Scratchpad(visit.state, visit.session_id, self._hear)
        deadline = self._world.now() + timedelta(seconds=self._settings.limits.seconds)
        return Desk(
            settings=self._settings,
            complete=self.models,
            tools=self._tools,
            call_tool=lambda request, allowed: self._call_tool(visit, request, allowed),
            ledger=visit.ledger,
            write_note=pad.write,
            notes=list(pad.read()),
            is_late=lambda: self._world.now() > deadline,
        )

    def _call_tool(self, visit: Visit, request: ToolRequest, allowed: frozenset[str]) -> ToolResult:
        book = self._agreements(visit)
        context = ToolContext(
            session_id=visit.session_id,
            user_id=visit.request.user_id,
            role=visit.request.role,
            allowed_clients=visit.request.clients,
            allowed_tools=allowed,
            now=self._world.now,
            store=self._world.domain,
            journal=self._journal,
            confirmed=lambda key: book.is_granted(key) or (request.name == "send_confirmation" and asks_for_message(visit.request.text)),
            spend=book.spend,
            admit=self._limiter.admit,
            observe=self._hear,
        )
        with visit.ledger.within("tool"):
            result = call_tool(request.name, request.arguments, context, specs=self._tools, call_id=request.id)
        if result.ok and self._tools[request.name].changes:
            self._note_change(visit, request.name, result.content)
        return replace(result, content=admit_content(f"result of {request.name}", result.content, self._hear))

    def _note_change(self, visit: Visit, tool: str, content: dict[str, Any]) -> None:
        """Keep what was changed: for a partial answer, and so that the run is found by the appointment's id."""
        if visit.desk is not None:
            visit.desk.done.append({"tool": tool, "content": content})
            visit.run.partial(done_in_words(visit.desk.done))
        if "appointment_id" in content:
            references = {"appointment": str(content["appointment_id"])}
            visit.run.reference(**references)
            visit.entry["references"] = {**visit.entry["references"], **references}

    # --- how it ends ------------------------------------------------------------------------------------------------

    def _ended(self, visit: Visit, ending: Ending) -> Outcome:
        """Return what the user is told of a run that could not be finished."""
        done, case_id = done_in_words(visit.desk.done) if visit.desk is not None else "", None
        try:
            if ending.sums_up and visit.desk is not None:
                notes = "\n".join(f"note: {note['note']}" for note in visit.desk.notes)
                done = self._summarise(f"user: {visit.request.text}\n{notes}\nassistant: {done or 'Nothing was changed.'}")
            if ending.escalates:
                case_id = self._queue.escalate(self._case(visit, ending.detail)).id
            return self._release(Outcome(words_of(ending, done, case_id), str(ending.reason), ending.detail))
        except EXPECTED:
            # A hard ceiling of the tracer lets not even a guard's step happen any more. These words are our own.
            return Outcome(words_of(ending, done, case_id), str(ending.reason), ending.detail)

    def _hand_over(self, visit: Visit, outcome: Outcome) -> Outcome:
        queued = self._queue.escalate(self._case(visit, outcome.detail or "the agent cannot settle it"))
        return replace(outcome, text=f"{outcome.text} Your case number is {queued.id}.")

    def _case(self, visit: Visit, because: str) -> Case:
        request, desk = visit.request, visit.desk
        conversation = visit.session.conversation if visit.session is not None else Conversation("", request.history)
        return Case(
            session_id=visit.session_id,
            user_id=request.user_id,
            client_id=client_of(request),
            request=request.text,
            because=because,
            summary=summarise_plainly(write_out(conversation)),
            plan=tuple(f"{note.get('step')}: {note.get('note')}" for note in desk.notes) if desk is not None else (),
            done=tuple(done_in_words([one]) for one in desk.done) if desk is not None else (),
            trace_url=visit.run.url or None,
        )

    def _release(self, outcome: Outcome) -> Outcome:
        """Let the answer out, without what must not leave; a withheld one ends the run at the guard."""
        filtered = release(outcome.text, self._secrets, self._hear)
        if not filtered.is_withheld:
            return replace(outcome, text=filtered.text)
        found = ", ".join(one.kind for one in filtered.findings)
        return Outcome(filtered.text, "guardrail", f"the answer was withheld: {found}", outcome.facts)

    def _remember(self, visit: Visit, outcome: Outcome) -> Outcome:
        """Write down what was said, and what waits for a yes."""
        if visit.session is None:
            return outcome
        turns = (Turn("user", visit.request.text), Turn("assistant", outcome.text))
        visit.session = self._sessions(visit).add(visit.session, *turns)
        if outcome.pending is not None:
            waiting = outcome.pending
            self._agreements(visit).ask(agreements.Pending(waiting.key, waiting.tool, dict(waiting.arguments), waiting.question))
        return outcome

    # --- sessions ---------------------------------------------------------------------------------------------------

    def close_idle(self) -> tuple[str, ...]:
        """Summarise and close every session that was idle too long, keep each as an episode, and return their ids."""
        sessions = Sessions(self._world.state, self._keeping(summarise_plainly))
        episodes = Episodes(self._world.state, self._world.now, self._hear)
        closed = sessions.close_idle()
        for session_id, user_id, summary in closed:
            if summary:
                episodes.remember(user_id, session_id, summary)
        return tuple(session_id for session_id, _, _ in closed)

    def _sessions(self, visit: Visit) -> Sessions:
        def summarise(text: str) -> str:
            # The model's call stands inside the step that remembers the summary.
            with visit.ledger.within("memory"):
                return self._summarise(text)

        return Sessions(visit.state, self._keeping(summarise))

    def _keeping(self, summarise: Callable[[str], str]) -> Keeping:
        return Keeping(owner=self._owner, now=self._world.now, summarise=summarise, ttl_s=self._settings.idle_ttl_s, observe=self._hear)

    def _agreements(self, visit: Visit) -> Agreements:
        return Agreements(visit.state, visit.session_id, self._world.now)

    def _summarise(self, text: str) -> str:
        """Condense by a small model, or without one where none answers."""
        visit = _visit.get()
        task = Task(text, visit.session_id, visit.request.user_id, {})
        desk = visit.desk or self._desk(visit)
        try:
            reply = ask(desk, task, "summariser", [said(blocks(history=text))])
        except EXPECTED:
            return summarise_plainly(text)
        return reply.text.strip()


def _about(request: Request, settings: AgentSettings) -> dict[str, Any]:
    client_id = client_of(request)
    return {
        "session": request.session_id,
        "user": request.user_id,
        "references": {"client": client_id} if client_id else {},
        "environment": settings.environment,
        "version": settings.version,
    }
