"""Model calls that other instrumentations report: what they used counts against the budgets of the run that they are in."""

from collections.abc import Mapping
from typing import Any, Protocol

from .. import names, semconv
from ..quiet import quietly
from . import active
from .guard import Meter


class OpenRun(Protocol):
    """A run, as calls count in it."""

    last_finish: str | None
    """How its last deed finished, where that was a model call."""

    @property
    def meter(self) -> Meter | None:
        """What it has used."""


open_runs: dict[str, OpenRun] = {}
"""The open runs of this process by their id."""

_OPERATIONS = frozenset(("chat", "text_completion", "generate_content", "completion", "embeddings"))
_INPUT = (names.INPUT_TOKENS, "gen_ai.usage.prompt_tokens", "llm.token_count.prompt")
_OUTPUT = (names.OUTPUT_TOKENS, "gen_ai.usage.completion_tokens", "llm.token_count.completion")
_MODEL = (names.RESPONSE_MODEL, names.REQUEST_MODEL, "llm.model_name")
_PROVIDER = (names.PROVIDER, "gen_ai.system", "llm.provider", "llm.system")

_around: dict[int, None] = {}
"""The spans around calls that were counted: a framework's own report of a call that its provider's client reported is no second one."""

_MOST_AROUND = 1_000


@quietly
def count_reported(span: Any) -> None:
    """Count an ended span of another library, where it is a model call in an open run. Each call counts once."""
    attributes: Mapping[str, Any] = span.attributes or {}
    run = open_runs.get(str(attributes.get(semconv.RUN_ID)))
    if run is None or run.meter is None or semconv.STEP_KIND in attributes or not _is_call(attributes):
        return
    finish = attributes.get(names.FINISH_REASONS) or (None,)
    run.last_finish = finish if isinstance(finish, str) else finish[0]
    if span.parent is not None:
        _around[span.parent.span_id] = None
        if len(_around) > _MOST_AROUND:
            _around.pop(next(iter(_around)), None)
    if span.context.span_id in _around:
        return
    tokens = {"input": _count(attributes, _INPUT), "output": _count(attributes, _OUTPUT)}
    price = _price(attributes, tokens)
    run.meter.add(sum(tokens.values()), price or 0.0, int(price is None))


def _is_call(attributes: Mapping[str, Any]) -> bool:
    kind = attributes.get("openinference.span.kind") or attributes.get("llm.request.type")
    return attributes.get(names.OPERATION) in _OPERATIONS or kind in ("LLM", "EMBEDDING", "chat", "completion")


def _first(attributes: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((attributes[key] for key in keys if attributes.get(key) is not None), None)


def _count(attributes: Mapping[str, Any], keys: tuple[str, ...]) -> int:
    found = _first(attributes, keys)
    return found if isinstance(found, int) and found > 0 else 0


def _price(attributes: Mapping[str, Any], tokens: dict[str, int]) -> float | None:
    pipeline, model = active.current(), _first(attributes, _MODEL)
    if pipeline is None or pipeline.price is None or model is None:
        return None
    return pipeline.price(str(model), _first(attributes, _PROVIDER), tokens)
