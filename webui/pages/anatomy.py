"""What the tokens of one model call are made of, what of them the model had been sent before, and what that costs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ingest.dialects.conversation import Conversation
from ingest.dialects.parts import Message
from ingest.model import Step, ToolResult, Usage
from webui.format import clip, cost, percent

from .conversation import conversation_of, identity, message_text
from .focus import Focus
from .lore import Lore
from .steps import Placed, compact_json

_LEAST_RATIO, _MOST_RATIO = 1.2, 9.0
"""Characters a token of any text has; a prompt outside of that is not the prompt that was counted."""
_MOST_RESULTS = 3


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a prompt."""

    name: str
    tokens: str
    share: str
    x: str
    width: str
    look: str


@dataclass(frozen=True, slots=True)
class Resent:
    """A tool result that is sent again with every call."""

    name: str
    key: str
    index: str
    tokens: str
    times: int
    cost: str


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The parts of a call's input."""

    parts: tuple[Part, ...]
    note: str
    resent_words: str
    results: tuple[Resent, ...]


_ROLES = {"system": "system", "user": "user", "assistant": "its own words", "tool": "tool results"}
_LOOKS = {"system": "f-think", "tools": "f-agent", "its own words": "f-llm", "tool results": "f-tool", "user": "f-decision"}


def dissect(focus: Focus, lore: Lore) -> Anatomy | None:
    """Return the anatomy of the selected model call; None where its tokens or its messages are not on record."""
    item = focus.item
    usage = item.step.usage
    if item.step.kind != "llm" or usage is None or not usage.input_tokens:
        return None
    said = conversation_of(item, lore)
    weights = _weigh(said)
    total = sum(weights.values())
    if not total:
        return None
    ratio = total / usage.input_tokens
    if not said.whole or not _LEAST_RATIO <= ratio <= _MOST_RATIO:
        note = f"The messages on record ({total:,} characters) are not the prompt that was counted ({usage.input_tokens:,} tokens)."
        return Anatomy((), note, "", ())
    parts = tuple(_parts(weights, total, usage.input_tokens))
    note = f"Shares are by characters, {ratio:.1f} a token in this call; the sum is the number that was reported."
    before = next((one for one in reversed(focus.placed[: focus.at]) if one.step.kind == "llm"), None)
    resent = _resent_words(said, total, before, item.step, lore)
    return Anatomy(parts, note, resent, tuple(_results(said, ratio, focus, lore)))


def _weigh(said: Conversation) -> dict[str, int]:
    """Return the characters of each part of a prompt."""
    weights = {"system": len(said.system or ""), "tools": _definitions(said)}
    for message in said.messages:
        for name, length in _of_message(message):
            weights[name] = weights.get(name, 0) + length
    return weights


def _of_message(message: Message) -> Iterable[tuple[str, int]]:
    results = sum(len(one.result or "") for one in message.results)
    if results:
        yield "tool results", results
    if not (results and message.role == "tool"):
        yield _ROLES.get("assistant" if message.is_own else message.role or "user", "user"), _length(message) - results


def _length(message: Message) -> int:
    return sum(len(text) for text in message_text(message))


def _definitions(said: Conversation) -> int:
    return sum(len(tool.name) + len(tool.description or "") + len(compact_json(tool.parameters)) for tool in said.tools)


def _parts(weights: dict[str, int], total: int, tokens: int) -> Iterable[Part]:
    x = 0.0
    for name, look in _LOOKS.items():
        share = percent(weights.get(name, 0), total)
        if share <= 0:
            continue
        yield Part(name, f"{round(tokens * share / 100):,}", f"{share:.0f} %", f"{x:.2f}%", f"{share:.2f}%", look)
        x += share


def _resent_words(said: Conversation, total: int, before: Placed | None, step: Step, lore: Lore) -> str:
    """Say what part of the prompt the call before had been sent too."""
    usage = step.usage
    if before is None or usage is None or not usage.input_tokens:
        return ""
    previous = conversation_of(before, lore)
    known = {identity(message) for message in previous.messages}
    again = sum(_length(message) for message in said.messages if identity(message) in known)
    again += len(said.system or "") if said.system == previous.system else 0
    again += _definitions(said) if [tool.name for tool in said.tools] == [tool.name for tool in previous.tools] else 0
    share = again / total
    if share < 0.01:
        return "Nothing of it was in the call before."
    rate = input_rate(step, lore)
    price = f", ≈ {cost(round(rate * usage.input_tokens * share), 0)}" if rate is not None else ""
    cached = percent(usage.cache_read_tokens or 0, usage.input_tokens)
    read = f" {cached:.0f} % of the input was read from the cache." if usage.cache_read_tokens is not None else ""
    return f"{100 * share:.0f} % of it was sent with the call before too{price}.{read}"


def input_rate(step: Step, lore: Lore) -> float | None:
    """Return what a token of a call's input cost on average, in nano-dollars; None where no price is known."""
    usage = step.usage
    if usage is None or not usage.input_tokens:
        return None
    read = Usage(usage.input_tokens, 0, usage.cache_read_tokens, usage.cache_write_tokens)
    nanos = lore.price(step.provider, step.model, read, step.started_ns)
    return None if nanos is None else nanos / usage.input_tokens


def _results(said: Conversation, ratio: float, focus: Focus, lore: Lore) -> Iterable[Resent]:
    """Return the largest tool results that were sent with more than one call, and what that came to so far."""
    steps = {item.step.tool.call_id: n for n, item in enumerate(focus.placed[: focus.at]) if item.step.tool and item.step.tool.call_id}
    largest = sorted((one for message in said.messages for one in message.results), key=lambda one: -len(one.result or ""))
    for result in largest[:_MOST_RESULTS]:
        at = steps.get(result.call_id) if result.call_id else None
        if at is None or not result.result:
            continue
        calls = [item.step for item in focus.placed[at : focus.at + 1] if item.step.kind == "llm" and item.step.status == "ok"]
        if len(calls) > 1:
            yield _resent(result, focus.placed[at], calls, len(result.result) / ratio, lore)


def _resent(result: ToolResult, item: Placed, calls: Sequence[Step], tokens: float, lore: Lore) -> Resent:
    rates = [input_rate(call, lore) for call in calls]
    known = [rate for rate in rates if rate is not None]
    spent = cost(round(tokens * sum(known)), len(rates) - len(known)) if known else ""
    name = clip(item.step.tool.name if item.step.tool else result.name, 60)
    return Resent(name, item.key, str(item.step.index), f"{round(tokens):,}", len(calls), spent)
