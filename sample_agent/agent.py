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
from .consent import asks_for_message, yes_or_no
from .domain.clients import get_client
from .domain.model import DomainError
from .endings import EXPECTED, OUTAGES, Ending, done_in_words, ending_of, words_of
from .escalation import EscalationQueue
from .handover import case_of
from .housekeeping import remembering
from .memory.answers import EarlierAnswers
from .memory.conversation import Conversation, Turn, summarise_plainly
from .memory.episodic import Episodes
from .memory.scratchpad import Scratchpad
from .memory.semantic import SemanticMemory, read_corpus
from .models.stack import Around, build_stack
from .models.types import ToolRequest, said
from .observe import Observe, Told, ignore
from .prompts import acting_for, all_prompts, blocks, now_words, said_before
from .rates import RateLimiter, check_request
from .security.output_filter import Secrets, release
from .security.sanitise import clean_content, clean_text
from .security.tasks import read_tasks, tools_for
from .settings import REFUSAL, AgentSettings, Architecture
from .state.agreements import Agreements, Pending
from .state.journal import Journal, recover
from .state.sessions import Keeping, NotYourSession, Sessions, SessionTaken
from .state.spending import StoredTokens
from .state.store import StateStore
from .tools.catalogue import TOOLS
from .tools.contract import ToolContext, ToolResult, ToolSpec, covers
from .tools.registry import call_tool
from .truth import Ledger
from .visit import Answer, Request, Visit, World, about, client_of, is_nothing_left

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
        around = Around(
            now=world.now,
            sleep=world.sleep,
            jitter=random.Random(settings.seed),
            observe=self._hear,
            tokens=StoredTokens(world.state, world.now),
        )
        self.models = build_stack(settings.models, around)
        self._knowledge = SemanticMemory(lambda: read_corpus(world.domain), self._hear)
        self._journal = Journal(world.state)
        self._limiter = RateLimiter(world.state, world.now, settings.rates)
        self._answers = EarlierAnswers(world.state, world.now, self._hear)
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
        limits, facts = settings.limits, about(request, settings)
        budget = Budget(tokens=settings.models.session_tokens, usd=limits.usd, steps=limits.steps, seconds=limits.seconds)
        with (
            agent_run(settings.name, input=request.text, budget=budget, control=True, **facts) as run,
            ledger.within("agent", agent=settings.name, input=request.text, **facts) as entry,
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
            return self._remember(visit, self._outcome(visit))
        except NotYourSession:
            return Outcome("I can't continue that conversation. Please start a new one.", "refused", "the session is another user's")
        except SessionTaken:
            return Outcome("This conversation went on elsewhere; please ask again there.", "cancelled", "another process has the session")
        finally:
            _visit.reset(token)

    def _outcome(self, visit: Visit) -> Outcome:
        try:
            return self._release(self._work(visit))
        except EXPECTED as error:
            return self._ended(visit, ending_of(error))

    def _work(self, visit: Visit) -> Outcome:
        """Do everything up to the answer's last check."""
        request = visit.request
        wait_s = check_request(self._limiter, request.session_id, request.user_id, self._hear)
        if wait_s is not None:
            return Outcome(f"That was a lot at once. Please try again in {wait_s:.0f} seconds.", "guardrail", f"rate limit, {wait_s:.0f} s")
        visit.session = self._sessions(visit).open(request.session_id, request.user_id)
        if visit.session.opened == "taken_over":
            recover(self._journal, self._world.domain, visit.session.id, self._hear)
        visit.text = clean_text("user input", request.text, self._hear)
        if is_nothing_left(request.text, visit.text):
            return Outcome(REFUSAL, "guardrail", "nothing was left of the request but what is known to be harmful")
        visit.desk = self._desk(visit)
        outcome = RUNS[self._settings.architecture](self._task(visit), visit.desk)
        if outcome.pending is not None and visit.desk.done:
            done = done_in_words(visit.desk.done)
            outcome = replace(outcome, text=f"{done[:1].upper()}{done[1:]} {outcome.text}")
        return self._hand_over(visit, outcome) if outcome.reason == "escalated" else outcome

    # --- what the architecture is given -----------------------------------------------------------------------------

    def _task(self, visit: Visit) -> Task:
        request, conversation = visit.request, self._conversation(visit)
        pending, confirmed = self._agreement(visit)
        # Whoever wrote it: what was said before and what was kept of it is no more to be trusted than what is said now.
        remembered = {"summary": conversation.summary, "memory": self._recall(visit)}
        context = {
            "now": self._now_words(request),
            "acting_for": acting_for(request.clients),
            **clean_content("memory", remembered, self._hear),
            "pending": {"tool": pending.tool, "arguments": pending.arguments, "question": pending.question} if pending else None,
            "confirmed": confirmed,
        }
        turns = tuple(said_before(turn.role, turn.text) for turn in conversation.turns)
        asked = [visit.text, *(turn.text for turn in reversed(conversation.turns) if turn.role == "user"), conversation.summary]
        tools = tools_for(*read_tasks([text for text in asked if text])) | ({pending.tool} if pending else set())
        return Task(visit.text, visit.session_id, request.user_id, context, tools, turns)

    def _conversation(self, visit: Visit) -> Conversation:
        if visit.session is None or not self._settings.stateful:
            turns = [{"role": turn.role, "text": turn.text} for turn in visit.request.history]
            admitted = clean_content("history", {"turns": turns}, self._hear)["turns"]
            return Conversation("", tuple(Turn(**turn) for turn in admitted))
        visit.session = self._sessions(visit).condense(visit.session, self._settings.conversation_tokens)
        return visit.session.conversation

    def _agreement(self, visit: Visit) -> tuple[Pending | None, str | None]:
        """Return what waits for the user's yes, and whether these words are one."""
        book = self._agreements(visit)
        if visit.request.agreed is not None:
            book.grant(visit.request.agreed)
        pending = book.pending()
        word = yes_or_no(visit.text, pending.question) if pending is not None else None
        if pending is not None and word is not None:
            book.answer(pending, agreed=word == "yes")
        return pending, word

    def _recall(self, visit: Visit) -> list[dict[str, str]]:
        request = visit.request
        hits = self._knowledge.search(visit.text, lambda client_id: covers(request.clients, client_id), most=2)
        found = [{"id": hit.document.id, "text": hit.document.text} for hit in hits]
        if self._settings.stateful:
            episodes = Episodes(self._world.state, self._world.now, self._hear).recall(request.user_id, visit.text, most=1)
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
            confirmed=lambda key: book.is_granted(key) or (request.name == "send_confirmation" and asks_for_message(visit.text)),
            spend=book.spend,
            admit=self._limiter.admit,
            observe=self._hear,
        )
        with visit.ledger.within("tool"):
            result = call_tool(request.name, request.arguments, context, specs=self._tools, call_id=request.id)
        if result.ok and self._tools[request.name].changes:
            self._note_change(visit, request.name, result.content)
        return replace(result, content=clean_content(f"result of {request.name}", result.content, self._hear))

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
                done = self._summarise(f"user: {visit.text}\n{notes}\nassistant: {done or 'Nothing was changed.'}")
            if ending.escalates:
                case_id = self._queue.escalate(case_of(visit, ending.detail)).id
            text = words_of(ending, done, case_id) + self._as_before(visit, ending)
            return self._release(Outcome(text, str(ending.reason), ending.detail))
        except EXPECTED:
            # A hard ceiling of the tracer lets not even a guard's step happen any more. These words are our own.
            return Outcome(words_of(ending, done, case_id), str(ending.reason), ending.detail)

    def _as_before(self, visit: Visit, ending: Ending) -> str:
        """Return what can be said without a model in an outage: the last answer to the same question, where nothing was done yet."""
        if ending.reason not in OUTAGES or visit.desk is None or visit.desk.done or not visit.is_first:
            return ""
        found = self._answers.recall(visit.whose, visit.text)
        return f" When you asked this on {found.at:%A} at {found.at:%H:%M} UTC, the answer was: {found.text}" if found else ""

    def _hand_over(self, visit: Visit, outcome: Outcome) -> Outcome:
        queued = self._queue.escalate(case_of(visit, outcome.detail or "the agent cannot settle it"))
        return replace(outcome, text=f"{outcome.text} Your case number is {queued.id}.")

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
        turns = (Turn("user", visit.text), Turn("assistant", outcome.text))
        is_plain = outcome.reason == "completed" and outcome.detail is None and visit.desk is not None and not visit.desk.done
        if is_plain and visit.is_first and self._settings.stateful:
            self._answers.keep(visit.whose, visit.text, outcome.text)
        visit.session = self._sessions(visit).add(visit.session, *turns)
        if outcome.pending is not None:
            self._agreements(visit).ask(outcome.pending)
        else:
            self._agreements(visit).drop()
        return outcome

    # --- sessions ---------------------------------------------------------------------------------------------------

    def _sessions(self, visit: Visit) -> Sessions:
        def summarise(text: str) -> str:
            # The model's call stands inside the step that remembers the summary.
            with visit.ledger.within("memory"):
                return self._summarise(text)

        return Sessions(visit.state, self._keeping(summarise))

    def _keeping(self, summarise: Callable[[str], str]) -> Keeping:
        episodes = Episodes(self._world.state, self._world.now, self._hear)
        return Keeping(
            owner=self._owner,
            now=self._world.now,
            summarise=summarise,
            ttl_s=self._settings.idle_ttl_s,
            observe=self._hear,
            closed=remembering(episodes),
        )

    def _agreements(self, visit: Visit) -> Agreements:
        return Agreements(visit.state, visit.session_id, self._world.now, self._settings.agreement_s)

    def _summarise(self, text: str) -> str:
        """Condense by a small model, or without one where none answers."""
        visit = _visit.get()
        task = Task(text, visit.session_id, visit.request.user_id, {}, frozenset())
        desk = visit.desk or self._desk(visit)
        try:
            reply = ask(desk, task, "summariser", [said(blocks(history=text))])
        except EXPECTED:
            return summarise_plainly(text)
        return reply.text.strip()
