"""What our own attributes say, on whatever span they stand: they go on top of any convention."""

from collections.abc import Callable
from typing import Any

from ingest.model import SPAN_KINDS, Decision, Facts, Option

from .reading import Reading
from .values import MOST_ITEMS, listing, number, real, show, span_id, truth, word

_KINDS = frozenset(SPAN_KINDS)


def own_kind(reading: Reading) -> str | None:
    """Return the kind that our SDK declared."""
    kind = reading.word("clew.kind") if "clew.kind" in reading.values else None
    return kind if kind in _KINDS else None


def read_own(reading: Reading, facts: Facts) -> None:
    """Fill in decisions, termination, budgets, references and the like."""
    references = reading.flat.get("references")
    if references:
        facts.references = {name[:200]: text for name, value in references[:MOST_ITEMS] if name and (text := word(value))}
    values = reading.values
    if not reading.own or reading.own == _ONLY_RUN:
        return
    for field in reading.own:
        if field in _SIMPLE:
            name, read = _SIMPLE[field]
            said = read(values[field])
            if said is not None:
                setattr(facts, name, said)
    if facts.announce is not None:
        facts.kind, facts.announced_kind = "announcement", facts.kind
    facts.decision = _decision(reading) or _fallback(reading)
    facts.output = facts.output or _state(values)


_ONLY_RUN = ["clew.run"]
"""What stands on every span inside a run, whoever made it, and is read with the names."""


def _announcement(value: Any) -> str | None:
    return value if value in ("started", "heartbeat", "loss") else None


def _interval_ns(value: Any) -> int | None:
    seconds = real(value)
    return round(seconds * 1e9) if seconds is not None and 0 < seconds <= 86_400 else None


def _usd(value: Any) -> float | None:
    amount = real(value)
    return amount if amount is not None and 0 <= amount < 1e9 else None


_SIMPLE: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "clew.thought": ("thought", show),
    "clew.termination": ("termination", word),
    "clew.termination_detail": ("termination_detail", show),
    "clew.budget_tokens": ("budget_tokens", number),
    "clew.budget_steps": ("budget_steps", number),
    "clew.budget_usd": ("budget_usd", _usd),
    "clew.announce": ("announce", _announcement),
    "clew.announced_name": ("announced_name", word),
    "clew.announced_parent": ("announced_parent", span_id),
    "clew.heartbeat": ("heartbeat_ns", _interval_ns),
    "clew.lost_spans": ("lost_spans", number),
    "clew.truncated": ("truncated", lambda value: truth(value) is True),
}
"""Field -> fact, and how it is read."""


def _decision(reading: Reading) -> Decision | None:
    chosen = reading.word("clew.chosen")
    if chosen is None:
        return None
    options = [option for item in listing(reading.values.get("clew.alternatives"))[:MOST_ITEMS] if (option := _option(item))]
    if all(option.name != chosen for option in options):
        options.append(Option(chosen))
    values = reading.values
    return Decision(chosen, "declared", show(values.get("clew.question")), show(values.get("clew.because")), options)


def _option(item: Any) -> Option | None:
    if isinstance(item, dict):
        name = word(item.get("name"))
        because = item.get("because")
        return Option(name, because[:2_000] if isinstance(because, str) else None, real(item.get("score"))) if name else None
    name = word(item)
    return Option(name) if name else None


def _fallback(reading: Reading) -> Decision | None:
    """Read a fallback as what it is: a choice of another way once the first one failed."""
    target = reading.word("clew.fallback_to")
    if target is None:
        return None
    origin = reading.word("clew.fallback_from")
    options = [Option(name) for name in dict.fromkeys((origin, target)) if name is not None]
    return Decision(target, "declared", "fallback", show(reading.values.get("clew.because")), options)


def _state(values: dict[str, Any]) -> str | None:
    attempt = number(values.get("clew.retry"))
    if attempt is not None:
        return f"attempt {attempt}"
    hit = truth(values.get("clew.cache"))
    if hit is not None:
        return "hit" if hit else "miss"
    return show(values.get("clew.breaker"))
