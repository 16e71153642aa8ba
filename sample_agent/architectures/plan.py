"""What models must answer with: plans, the outcome of a step, what to do after a failure, and replies. All are validated."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

ToolName = Literal[
    "check_availability", "book_appointment", "cancel_appointment", "reschedule_appointment", "get_client_preferences", "send_confirmation"
]
Line = Annotated[str, Field(min_length=1, max_length=600)]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Considered(_Answer):
    """One way that was open, and what spoke for or against it."""

    name: Annotated[str, Field(min_length=1, max_length=120)]
    because: Line
    score: Annotated[float, Field(ge=0, le=1)] | None = None


class Choice(_Answer):
    """A branch point: every way that was open, the chosen one among them."""

    question: Line
    options: Annotated[list[Considered], Field(min_length=2, max_length=8)]
    chosen: Annotated[str, Field(min_length=1, max_length=120)]
    because: Line

    @model_validator(mode="after")
    def _chosen_was_open(self) -> Self:
        names = [option.name for option in self.options]
        if len(set(names)) != len(names):
            raise ValueError("options must differ in name")
        if self.chosen not in names:
            raise ValueError(f"chosen must be one of the options: {', '.join(names)}")
        return self


class PlanStep(_Answer):
    """One thing to get done; ``tool`` is what it needs, None where thinking is enough."""

    goal: Line
    tool: ToolName | None = None
    because: Line


class Plan(_Answer):
    """How a request is handled: by three to five steps, or without any where it should not or cannot be carried out.

    ``approach`` is the choice behind the plan; ``reply`` is what to say where ``action`` is not to proceed.
    """

    action: Literal["proceed", "clarify", "refuse", "escalate"]
    approach: Choice
    steps: Annotated[list[PlanStep], Field(max_length=5)] = []
    reply: Line | None = None

    @model_validator(mode="after")
    def _fits_its_action(self) -> Self:
        if self.action == "proceed" and len(self.steps) < 3:
            raise ValueError("a plan to proceed has 3 to 5 steps")
        if self.action != "proceed" and (self.steps or not self.reply):
            raise ValueError(f"to {self.action} takes a reply and no steps")
        return self


class StepOutcome(_Answer):
    """How a step, or a specialist's task, ended.

    ``facts`` are what later steps need, by plain names: client_id, starts_at, appointment_id. ``choice`` is there where one was made, for
    instance between free times. ``needs_user`` ends the turn with ``question``.
    """

    status: Literal["done", "failed", "needs_user"]
    note: Line
    facts: dict[str, str] = {}
    choice: Choice | None = None
    question: Line | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if (self.status == "needs_user") != (self.question is not None):
            raise ValueError("question is there exactly where status is needs_user")
        return self


class Recovery(_Answer):
    """What to do after a step failed. The options are among retry, skip, replan, ask, escalate; ``steps`` replace those still open."""

    choice: Choice
    steps: Annotated[list[PlanStep], Field(max_length=5)] = []
    reply: Line | None = None

    @model_validator(mode="after")
    def _fits_its_choice(self) -> Self:
        if self.choice.chosen not in RECOVERIES:
            raise ValueError(f"choice.chosen must be one of {', '.join(RECOVERIES)}")
        if (self.choice.chosen == "replan") != bool(self.steps):
            raise ValueError("steps are there exactly where the choice is replan")
        if self.choice.chosen in ("ask", "escalate") and not self.reply:
            raise ValueError(f"to {self.choice.chosen} takes a reply: what the user is told")
        return self


RECOVERIES = ("retry", "skip", "replan", "ask", "escalate")


class Reply(_Answer):
    """What the user is told, and what that means: ``confirm`` waits for a yes, ``clarify`` for an answer, ``escalate`` for a person."""

    outcome: Literal["done", "clarify", "confirm", "refuse", "escalate", "partial"]
    text: Annotated[str, Field(min_length=1, max_length=2_000)]
    because: Line
    facts: dict[str, str] = {}
    """Ids that the answer is about: client_id, appointment_id."""
