"""The conversation view: the messages of one model call as the model saw them, and what of them it had seen before."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ingest.dialects.conversation import Conversation, Definition, read_conversation
from ingest.dialects.parts import Message
from ingest.model import Span
from webui.format import clip, count, plural, size

from .focus import Chain
from .lore import Lore
from .steps import Placed, arguments_line, compact_json

_ONE_CHARS = 65_536
_ALL_CHARS = 300_000
_FEW_CHARS = 600
_MOST_SHOWN = 200
"""Messages of one conversation that a page shows: the first few and the last ones, being what the reply answers."""
_FIRST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Said:
    """One part of a message."""

    kind: str
    """``text``, ``thought``, ``request`` or ``result``."""
    name: str
    text: str
    note: str
    words: bool
    bad: bool


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """One message."""

    role: str
    name: str
    number: int
    parts: tuple[Said, ...]
    seen: bool
    """True where the model had been told it in its previous call."""
    size: str


@dataclass(frozen=True, slots=True)
class CallLink:
    """A model call that the view can show."""

    href: str
    number: int
    index: str


@dataclass(frozen=True, slots=True)
class ConversationView:
    """One model call's conversation."""

    title: str
    facts: str
    number: int
    calls: int
    previous: CallLink | None
    following: CallLink | None
    step_href: str
    seen: tuple[ShownMessage, ...]
    seen_words: str
    fresh: tuple[ShownMessage, ...]
    left_out: int
    reply: ShownMessage | None
    tools: tuple[Definition, ...]
    tools_words: str
    note: str


def view_conversation(chain: Chain, lore: Lore) -> ConversationView | None:
    """Return the conversation of the selected model call, else of the one that asked for the selected step; None without any."""
    focus = chain.focus
    if focus is None:
        return None
    calls = [n for n, item in enumerate(focus.placed) if item.step.kind == "llm"]
    if not calls:
        return None
    before = [n for n in calls if n <= focus.at] if chain.asked.step or chain.failure else calls
    number = len(before) if before else 1
    item = focus.placed[calls[number - 1]]
    said = conversation_of(item, lore)
    previous = conversation_of(focus.placed[calls[number - 2]], lore) if number > 1 else None
    known = {identity(message) for message in previous.messages} if previous is not None else set()
    if previous is not None and previous.reply is not None:
        known.add(identity(previous.reply))
    shown = _shown(said, known, previous is not None and said.system == previous.system)
    seen = _leading(shown)
    step = item.step

    def link(place: int) -> CallLink | None:
        if not 1 <= place <= len(calls):
            return None
        other = focus.placed[calls[place - 1]]
        return CallLink(chain.href(other.key), place, str(other.step.index))

    return ConversationView(
        title=clip(step.model or step.name, 80),
        facts=_facts(item),
        number=number,
        calls=len(calls),
        previous=link(number - 1),
        following=link(number + 1),
        step_href=f"{chain.href(item.key).replace('view=conversation', 'view=chain')}#s-{item.key}",
        seen=shown[:seen],
        seen_words=f"{plural(seen, 'message')} as in the call before" if seen else "",
        fresh=shown[seen:],
        left_out=max(len(said.messages) - _MOST_SHOWN, 0),
        reply=_message(said.reply, 0, set(), _Room()) if said.reply is not None else None,
        tools=tuple(said.tools[:100]),
        tools_words=_tools_words(said.tools),
        note=_note(said, number, previous),
    )


def conversation_of(item: Placed, lore: Lore) -> Conversation:
    """Read the conversation of a model call from its stored span; an empty one where that is not stored."""
    span: Span | None = lore.span(item.step.span_id)
    if span is None:
        return Conversation(None, [], None, [], whole=False)
    return read_conversation(span, lore.records(item.step.span_id))


def _facts(item: Placed) -> str:
    usage = item.step.usage
    if usage is None or usage.input_tokens is None:
        return ""
    cached = f" ({count(usage.cache_read_tokens)} cached)" if usage.cache_read_tokens else ""
    return f"{count(usage.input_tokens)} tokens in{cached}, {count(usage.output_tokens)} out"


def _note(said: Conversation, number: int, previous: Conversation | None) -> str:
    """Say what is known to be missing."""
    if not said.messages and said.reply is None:
        return "No message of this call is on record. Content capture may be off at the sender."
    if not said.whole:
        return "Only what was new in this call is on record; its whole prompt is not."
    if number > 1 and previous is not None and previous.messages and identity(previous.messages[0]) != identity(said.messages[0]):
        return "This call does not begin as the one before it did: the emitter records new messages only, or the prompt was rewritten."
    return ""


def message_text(message: Message) -> Iterable[str]:
    """Yield all that a message says, part by part."""
    yield from message.texts
    yield from message.thoughts
    yield from (f"{one.name} {compact_json(one.arguments)}" for one in message.requests)
    yield from (one.result or "" for one in message.results)


def prompt_text(said: Conversation) -> str:
    """Return everything that a model was told before it replied, as one text."""
    told = [said.system or "", *(text for message in said.messages for text in message_text(message) if not message.is_own)]
    return "\n".join([*told, *(f"{tool.name} {tool.description or ''} {compact_json(tool.parameters)}" for tool in said.tools)])


def identity(message: Message) -> int:
    """Return what is equal for the same message in another call, whose maker may have left its thoughts out."""
    texts = "\0".join(message.texts)
    asked = tuple(one.call_id or one.name for one in message.requests)
    told = tuple((one.call_id, one.result) for one in message.results)
    return hash((message.is_own, texts if not asked else "", asked, told))


class _Room:
    """How many characters a page still takes."""

    def __init__(self) -> None:
        self.left = _ALL_CHARS

    def take(self, text: str) -> tuple[str, str]:
        """Return as much of a text as fits, and what to say of the rest."""
        most = _ONE_CHARS if self.left >= min(len(text), _ONE_CHARS) else _FEW_CHARS
        self.left -= min(len(text), most)
        if len(text) <= most:
            return text, ""
        return text[:most], f"first {size(most)} of {size(len(text))}; the whole is in the raw view"


def _shown(said: Conversation, known: set[int], same_system: bool) -> tuple[ShownMessage, ...]:
    """Return the messages, the last ones given room first, since the reply answers them."""
    room = _Room()
    system = Message(role="system", texts=[said.system]) if said.system else None
    numbered = list(enumerate(([system] if system is not None else []) + said.messages, 1))
    if len(numbered) > _MOST_SHOWN:
        numbered = numbered[:_FIRST_SHOWN] + numbered[-(_MOST_SHOWN - _FIRST_SHOWN) :]
    shown = [_message(message, number, known, room) for number, message in reversed(numbered)]
    if system is not None and same_system:
        shown[-1] = replace(shown[-1], seen=True)
    return tuple(reversed(shown))


def _leading(shown: Sequence[ShownMessage]) -> int:
    """Return how many messages at the start the model had been told before."""
    return next((n for n, message in enumerate(shown) if not message.seen), len(shown))


_ROLES = {"assistant": "model", "": "user"}


def _message(message: Message, number: int, known: set[int], room: _Room) -> ShownMessage:
    parts: list[Said] = []
    role = "tool" if message.results and not message.texts else _ROLES.get(message.role, message.role)
    for thought in message.thoughts:
        text, note = room.take(thought)
        parts.append(Said("thought", "", text, note, words=True, bad=False))
    for said in message.texts:
        text, note = room.take(said)
        parts.append(Said("text", "", text, note, words=role in ("user", "model", "system"), bad=False))
    for request in message.requests[:100]:
        parts.append(Said("request", clip(request.name, 120), arguments_line(request.arguments, 600), "", words=False, bad=False))
    for result in message.results[:100]:
        text, note = room.take(result.result or "")
        parts.append(Said("result", clip(result.name, 120), text, note, words=False, bad=result.is_error))
    weight = sum(len(one) for one in message_text(message))
    return ShownMessage(
        clip(role, 40), clip(message.name, 60), number, tuple(parts), bool(number) and identity(message) in known, size(weight)
    )


def _tools_words(tools: Sequence[Definition]) -> str:
    if not tools:
        return ""
    weight = sum(len(tool.name) + len(tool.description or "") + len(compact_json(tool.parameters)) for tool in tools)
    return f"{plural(len(tools), 'tool')} offered, {size(weight)} of definitions"
