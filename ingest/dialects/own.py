"""What our own attributes say, on whatever span they stand: they go on top of any convention."""

from typing import Any

from ingest.model import SPAN_KINDS, Decision, Facts, Option

from .reading import Reading
from .values import MOST_ITEMS, listing, number, real, show, truth, word

_KINDS = frozenset(SPAN_KINDS)


def own_kind(reading: Reading) -> str | None:
    """Return the kind that our SDK declared."""
    kind = reading.word("clew.kind") if reading.has_own else None
    return kind if kind in _KINDS else None


def read_own(reading: Reading, facts: Facts) -> None:
    """Fill in decisions, termination, budgets, references and the like."""
    references = reading.flat.get("references")
    if references:
        facts.references = {name[:200]: text for name, value in references[:MOST_ITEMS] if name and (text := word(value))}
    if not reading.has_own:
        return
    values = reading.values
    facts.run_id = _run_id(reading.word("clew.run"))
    facts.thought = show(values.get("clew.thought")) or facts.thought
    facts.termination = reading.word("clew.termination")
    facts.termination_detail = show(values.get("clew.termination_detail"))
    facts.budget_tokens = number(values.get("clew.budget_tokens"))
    facts.budget_steps = number(values.get("clew.budget_steps"))
    budget = real(values.get("clew.budget_usd"))
    facts.budget_usd = budget if budget is not None and 0 <= budget < 1e9 else None
    facts.truncated = truth(values.get("clew.truncated")) is True
    facts.decision = _decision(reading) or _fallback(reading)
    facts.output = facts.output or _state(values)


def _run_id(value: str | None) -> str | None:
    if value is None or len(value) != 16:
        return None
    plain = value.lower()
    return plain if all(digit in "0123456789abcdef" for digit in plain) else None


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
