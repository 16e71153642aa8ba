"""What happens between steps: retries, fallbacks, repairs, circuit breakers, caches. One call each, a step without length."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, overload

from .. import names, semconv
from ..quiet import report
from . import active
from .active import Active
from .marks import mark
from .said import put_asked, put_text

_Fields = dict[str, Any]


@overload
def record(
    kind: Literal["retry"], *, attempt: int, of: int | None = None, because: str | None = None, delay_s: float | None = None
) -> None: ...


@overload
def record(kind: Literal["fallback"], *, source: str, to: str, because: str | None = None) -> None: ...


@overload
def record(kind: Literal["repair"], *, attempt: int, of: int | None = None, errors: str | Iterable[str] | None = None) -> None: ...


@overload
def record(kind: Literal["breaker"], *, state: Literal["open", "half_open", "closed"], because: str | None = None) -> None: ...


@overload
def record(kind: Literal["cache"], *, hit: bool, name: str | None = None, saved_usd: float | None = None) -> None: ...


def record(kind: str, **fields: Any) -> None:
    """Record that something was tried again, done another way, repaired, refused by a circuit breaker or found in a cache.

    Raises ``TypeError`` for a kind or field there is not, whether or not anything is configured: that is a mistake in the program.
    """
    known = _FIELDS.get(kind)
    if known is None or not fields.keys() <= known:
        raise TypeError(f"record takes one of {', '.join(_FIELDS)} with its fields; got {kind!r} with {', '.join(fields) or 'none'}")
    pipeline = active.current()
    if pipeline is None:
        return
    try:
        attributes: dict[str, Any] = {}
        title = _WRITERS[kind](attributes, fields, pipeline)
        because = fields.get("because")
        if because is not None and pipeline.content:
            name = semconv.DECISION_BECAUSE if kind == "fallback" else semconv.THOUGHT
            put_text(attributes, name, because, pipeline.max_value_chars)
        mark(kind, title, attributes)
    except Exception as error:
        report(error)


def _retry(attributes: _Fields, fields: _Fields, pipeline: Active) -> str:
    _put_attempt(attributes, fields)
    if fields.get("delay_s") is not None:
        attributes[semconv.RETRY_DELAY_S] = float(fields["delay_s"])
    return _numbered("retry", fields)


def _repair(attributes: _Fields, fields: _Fields, pipeline: Active) -> str:
    _put_attempt(attributes, fields)
    errors = fields.get("errors")
    if errors is not None and pipeline.content:
        text = errors if isinstance(errors, str) else "\n".join(str(one) for one in errors)
        put_asked(attributes, names.INPUT_MESSAGES, text, pipeline.max_value_chars)
    return _numbered("repair", fields)


def _fallback(attributes: _Fields, fields: _Fields, pipeline: Active) -> str:
    attributes[semconv.FALLBACK_FROM] = str(fields["source"])
    attributes[semconv.FALLBACK_TO] = str(fields["to"])
    return f"fallback to {fields['to']}"


def _breaker(attributes: _Fields, fields: _Fields, pipeline: Active) -> str:
    attributes[semconv.BREAKER_STATE] = str(fields["state"])
    return f"breaker {fields['state']}"


def _cache(attributes: _Fields, fields: _Fields, pipeline: Active) -> str:
    attributes[semconv.CACHE_HIT] = bool(fields["hit"])
    if fields.get("saved_usd") is not None:
        attributes[semconv.CACHE_SAVED_USD] = float(fields["saved_usd"])
    return f"cache {fields['name']}" if fields.get("name") else "cache"


def _put_attempt(attributes: _Fields, fields: _Fields) -> None:
    attributes[semconv.RETRY_ATTEMPT] = int(fields["attempt"])
    if fields.get("of") is not None:
        attributes[semconv.RETRY_OF] = int(fields["of"])


def _numbered(word: str, fields: _Fields) -> str:
    return f"{word} {fields['attempt']} of {fields['of']}" if fields.get("of") is not None else f"{word} {fields['attempt']}"


_FIELDS: dict[str, frozenset[str]] = {
    "retry": frozenset(("attempt", "of", "because", "delay_s")),
    "fallback": frozenset(("source", "to", "because")),
    "repair": frozenset(("attempt", "of", "errors")),
    "breaker": frozenset(("state", "because")),
    "cache": frozenset(("hit", "name", "saved_usd")),
}

_WRITERS: dict[str, Callable[[_Fields, _Fields, Active], str]] = {
    "retry": _retry, "fallback": _fallback, "repair": _repair, "breaker": _breaker, "cache": _cache,
}  # fmt: skip
"""Each puts its attributes and returns the name of the span."""
