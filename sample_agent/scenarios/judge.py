"""An answer graded by a strong model: for what patterns cannot tell. It costs real calls, so nothing asks it unasked."""

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ..models.settings import ModelSettings
from ..models.stack import Around
from ..models.types import Complete, ModelRequest, said
from ..observe import ignore
from ..prompts import blocks, system_prompt
from .format import Turn
from .runner import Played

Build = Callable[[ModelSettings, Around], Complete]
"""Builds a model stack, as ``models.stack.build_stack`` does."""


class Grade(BaseModel):
    """How good an answer is: 5 does all that was expected, 4 with flaws of wording, below that something is missing or wrong."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    score: Annotated[int, Field(ge=1, le=5)]
    because: Annotated[str, Field(min_length=1, max_length=600)]


def grade(played: Played, models: ModelSettings, build: Build) -> list[Grade]:
    """Return a grade a turn. Raises what the model layer raises."""
    complete = build(models, Around(now=lambda: datetime.now(UTC), sleep=time.sleep, jitter=random.Random(1), observe=ignore))
    return list(_grades(played, complete))


def _grades(played: Played, complete: Complete) -> Iterator[Grade]:
    for number, (turn, answer) in enumerate(zip(played.scenario.turns, played.answers, strict=True), 1):
        question = blocks(scenario=played.scenario.about, turn=number, expected=_expected(turn), user_input=turn.says, answer=answer.text)
        request = ModelRequest(
            role="judge",
            system=system_prompt("judge", "none"),
            messages=(said(question),),
            schema=Grade,
            session=f"judge-{played.scenario.id}",
        )
        data = complete(request).data
        if isinstance(data, Grade):
            yield data


def _expected(turn: Turn) -> dict[str, object]:
    expects = turn.expects
    return {"tools": [one.name for one in expects.tools], "never": expects.never, "says": expects.says, "ends": expects.termination}
