"""What an agent does besides calling models and tools: steps, plans, decisions, retrievals, hand-offs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self, TypeVar, overload

from .. import names, semconv
from . import active
from .active import Active
from .marks import mark
from .said import put_answered, put_asked, put_text
from .scope import IDLE, Scope, recording
from .wrapping import Signature

_Function = TypeVar("_Function", bound=Callable[..., Any])

STEP_KINDS = frozenset(
    (
        "plan", "thought", "decision", "llm", "tool", "retrieval", "memory", "guardrail", "retry", "fallback", "repair", "breaker",
        "cache", "handoff", "agent", "other",
    )
)  # fmt: skip
"""The kinds that Clew shows; any other is shown as ``other``."""

_OF_KIND = {kind: {"kind": kind} for kind in STEP_KINDS}


class Asked(Scope):
    """A scope that is asked something and answers."""

    def _describe(self, known: dict[str, Any], pipeline: Active) -> None:
        value = self._options.get("input")
        if value is not None and pipeline.content:
            put_asked(known, names.INPUT_MESSAGES, value, pipeline.max_value_chars)

    def _called(self, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        fresh = super()._called(signature, args, kwargs)
        if self._options.get("input") is None:
            fresh._options = {**self._options, "input": _alone(signature.bind(args, kwargs))}
        return fresh

    @recording
    def _returned(self, value: Any) -> None:
        if value is not None and names.OUTPUT_MESSAGES not in self._late:
            self.output(value)

    @recording
    def input(self, value: Any) -> None:
        """Record what it was asked: a text, a conversation, or any value."""
        if value is not None and self._keeps_content() and self._pipeline is not None:
            put_asked(self._late, names.INPUT_MESSAGES, value, self._pipeline.max_value_chars)

    @recording
    def output(self, value: Any) -> None:
        """Record what it answered."""
        if value is not None and self._keeps_content() and self._pipeline is not None:
            put_answered(self._late, names.OUTPUT_MESSAGES, value, self._pipeline.max_value_chars)


def _alone(bound: dict[str, Any]) -> Any:
    """Return the arguments of a call as its question: a single one stands for itself."""
    if len(bound) == 1:
        return next(iter(bound.values()))
    return bound or None


class Step(Asked):
    """A step of any kind, e.g. ``memory`` or ``guardrail``."""

    def __init__(self, name: str | None, options: dict[str, Any]) -> None:
        self._name = name
        self._options = options
        self.kind = options["kind"]


@overload
def step(name: _Function) -> _Function: ...


@overload
def step(name: str | None = None, *, kind: str = "other") -> Step: ...


def step(name: Any = None, *, kind: str = "other") -> Any:
    """Record a step.

    ``with step("find a slot") as s:``, or ``@step`` on a function. ``kind`` is one of Clew's step kinds (``thought``, ``memory``,
    ``guardrail`` ...). As a decorator it records arguments and return value.
    """
    if callable(name):
        return Step(None, {"kind": kind})(name)
    return Step(name, _OF_KIND.get(kind) or {"kind": kind})


class Plan(Asked):
    """The making of a plan."""

    kind = "plan"
    operation = "plan"
    def _describe(self, known: dict[str, Any], pipeline: Active) -> None:
        super()._describe(known, pipeline)
        if pipeline.content:
            _put_plan(known, self._options.get("steps"), self._options.get("because"), pipeline)

    @recording
    def _returned(self, value: Any) -> None:
        if value is not None and names.OUTPUT_MESSAGES not in self._late:
            self.output(_numbered(value))

    def thought(self, text: str) -> None:
        """Record a thought, after the reason the plan was given."""
        because = self._options.get("because")
        if because and not self._thoughts:
            self._thoughts = (str(because),)
        super().thought(text)

    @recording
    def revise(self, steps: Sequence[str] | str, because: str | None = None) -> None:
        """Record that the plan was changed, as a step of its own."""
        if self._span is not None and self._pipeline is not None:
            known: dict[str, Any] = {names.OPERATION: "plan"}
            if self._pipeline.content:
                _put_plan(known, steps, because, self._pipeline)
            mark("plan", f"{self._title()} revised", known)


def _put_plan(known: dict[str, Any], steps: Any, because: str | None, pipeline: Active) -> None:
    if steps is not None:
        put_answered(known, names.OUTPUT_MESSAGES, _numbered(steps), pipeline.max_value_chars)
    if because is not None:
        put_text(known, semconv.THOUGHT, because, pipeline.max_value_chars)


def _numbered(steps: Any) -> Any:
    """Return a list of steps as numbered lines, anything else as it is."""
    if isinstance(steps, list | tuple) and all(isinstance(one, str) for one in steps):
        return "\n".join(f"{number}. {one}" for number, one in enumerate(steps, 1))
    return steps


@overload
def plan(steps: _Function) -> _Function: ...


@overload
def plan(steps: Sequence[str] | str | None = None, *, name: str = "plan", because: str | None = None) -> Plan: ...


def plan(steps: Any = None, *, name: str = "plan", because: str | None = None) -> Any:
    """Record the making of a plan.

    ``with plan(["look up the order", "answer"]) as p:``, or ``@plan`` on a function that returns its steps.
    """
    if callable(steps):
        return Plan(name, {})(steps)
    return Plan(name, {"steps": steps, "because": because})


class Decision(Scope):
    """A branch point: what was offered, what was chosen, and why."""

    kind = "decision"
    _chosen: str | None = None
    _because: str | None = None
    _alternatives: dict[str, dict[str, Any]] | None = None

    def _describe(self, known: dict[str, Any], pipeline: Active) -> None:
        if pipeline.content:
            put_text(known, semconv.DECISION_QUESTION, self._options["question"], pipeline.max_value_chars)

    def _finish(self, late: dict[str, Any], error: BaseException | None, failed_kind: str | None) -> None:
        if self._pipeline is None:
            return
        if self._chosen is not None:
            late[semconv.DECISION_CHOSEN] = self._chosen
        if self._because is not None and self._pipeline.content:
            self._set(semconv.DECISION_BECAUSE, self._because)
        offered = list(self._offered().values())
        if not self._pipeline.content:
            offered = [{**one, "because": None} for one in offered]
        self._set(semconv.DECISION_ALTERNATIVES, offered)

    def _offered(self) -> dict[str, dict[str, Any]]:
        """Return the options by name, in the order in which they were offered."""
        if self._alternatives is None:
            self._alternatives = {}
            options = self._options["options"]
            for offered in options.items() if isinstance(options, Mapping) else options:
                if isinstance(offered, Mapping):
                    self._keep(str(offered.get("name")), offered.get("because"), offered.get("score"))
                elif isinstance(offered, tuple) and len(offered) == 2:
                    self._keep(str(offered[0]), None, offered[1])
                else:
                    self._keep(str(offered), None, None)
        return self._alternatives

    def _keep(self, name: str, because: Any, score: Any) -> None:
        known = self._offered().setdefault(name, {"name": name, "because": None, "score": None})
        if because is not None:
            known["because"] = str(because)
        if score is not None:
            known["score"] = float(score)

    @recording
    def _returned(self, value: Any) -> None:
        if isinstance(value, str) and self._chosen is None:
            self._choose(value, None)

    @recording
    def option(self, name: str, score: float | None = None, because: str | None = None) -> None:
        """Add an option, or what speaks for or against one that was offered."""
        self._keep(str(name), because, score)

    def choose(self, name: str, because: str | None = None) -> str:
        """Record the choice, and return it. Outside of a ``with`` block the decision is recorded at once, as it is."""
        if self._state == IDLE:
            if not active.touched:
                return name
            with self as entered:
                entered._choose(name, because)
        else:
            self._choose(name, because)
        return name

    @recording
    def _choose(self, name: str, because: str | None) -> None:
        self._chosen = str(name)
        self._because = str(because) if because is not None else None
        self._keep(self._chosen, None, None)

    def _title(self) -> str:
        return self._name or "decision"


def decision(question: str, options: Iterable[Any] | Mapping[str, float | None] = (), *, name: str | None = None) -> Decision:
    """Record a branch point.

    ``decision("which tool?", ["search", "ask"]).choose("ask", because="…")``. Options are names, ``(name, score)`` pairs,
    ``{"name", "score", "because"}`` or a mapping of names to scores. As ``with`` block it holds the work that led to the choice;
    as decorator, the function's return value is the choice.
    """
    if not isinstance(options, list | tuple | dict):
        options = dict(options) if isinstance(options, Mapping) else tuple(options)
    return Decision(name, {"question": question, "options": options})


class Retrieval(Scope):
    """A search for documents."""

    kind = "retrieval"
    operation = "retrieval"
    def _title(self) -> str:
        source = self._options.get("source")
        return self._name or (f"retrieval {source}" if source else "retrieval")

    def _describe(self, known: dict[str, Any], pipeline: Active) -> None:
        source, query = self._options.get("source"), self._options.get("query")
        if source is not None:
            known[names.DATA_SOURCE] = str(source)
        if query is not None and pipeline.content:
            put_text(known, names.QUERY, query, pipeline.max_value_chars)

    def _called(self, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        fresh = super()._called(signature, args, kwargs)
        if self._options.get("query") is None:
            bound = signature.bind(args, kwargs)
            fresh._options = {**self._options, "query": bound.get("query", _alone(bound))}
        return fresh

    @recording
    def _returned(self, value: Any) -> None:
        if isinstance(value, list | tuple) and names.DOCUMENTS not in self._late:
            self.documents(value)

    @recording
    def documents(self, found: Iterable[Any]) -> None:
        """Record what was found: ``{"id", "score", "content"}`` each, or texts."""
        if self._keeps_content():
            self._set(names.DOCUMENTS, [{"content": one} if isinstance(one, str) else one for one in found])


@overload
def retrieval(query: _Function) -> _Function: ...


@overload
def retrieval(query: str | None = None, *, name: str | None = None, source: str | None = None) -> Retrieval: ...


def retrieval(query: Any = None, *, name: str | None = None, source: str | None = None) -> Any:
    """Record a search for documents.

    ``with retrieval("opening hours", source="handbook") as r: r.documents(found)``, or ``@retrieval`` on a function that returns them.
    """
    if callable(query):
        return Retrieval(name, {"source": source})(query)
    return Retrieval(name, {"query": query, "source": source})


class Handoff(Asked):
    """The work being given to another agent."""

    kind = "handoff"
    is_deed = True
    def _title(self) -> str:
        return f"handoff to {self._name}"

    def _describe(self, known: dict[str, Any], pipeline: Active) -> None:
        super()._describe(known, pipeline)
        known[semconv.HANDOFF_TO] = self._name
        because = self._options.get("because")
        if because is not None and pipeline.content:
            put_text(known, semconv.THOUGHT, because, pipeline.max_value_chars)


def handoff(to: str, *, because: str | None = None, input: Any = None) -> Handoff:  # noqa: A002  # the host's word
    """Record that the work is given to another agent: a ``with`` block around that agent's run, or an empty one where it runs elsewhere."""
    return Handoff(str(to), {"because": because, "input": input})
