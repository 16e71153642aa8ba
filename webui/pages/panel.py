"""The panel of one step: why it happened, what went in, what came out, what it cost, and the span as it came."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from ingest.model import Run, Step
from webui.api_json import span_json, timestamp
from webui.format import UNKNOWN, clip, cost, count, duration, plural, size

from .anatomy import Anatomy, dissect
from .conversation import conversation_of, prompt_text
from .focus import Focus
from .lore import Lore
from .origin import Origin, trace_arguments
from .steps import Placed, is_cause
from .why import Why, explain_choice

TABS = (("why", "Why"), ("input", "Input"), ("output", "Output"), ("tokens", "Tokens"), ("raw", "Raw"))
_SHOWN = 65_536
"""Characters of a text that a page shows; it says so, and the API has the whole."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text bounded for the page, and what was left out of it."""

    body: str
    note: str
    words: bool
    """True for people's and models' words, False for data."""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """An earlier step that led here."""

    key: str
    index: str
    what: str
    say: str


@dataclass(frozen=True, slots=True)
class Panel:
    """What the panel says of a step, for the chosen tab."""

    key: str
    tab: str
    title: str
    bad: bool
    facts: str
    error: str
    span_id: str
    origins: tuple[Origin, ...] = ()
    led_here: tuple[Cause, ...] = ()
    came_of_it: tuple[Cause, ...] = ()
    texts: tuple[Text, ...] = ()
    numbers: tuple[tuple[str, str], ...] = field(default=())
    choice: Why | None = None
    anatomy: Anatomy | None = None


def build_panel(focus: Focus, tab: str, lore: Lore) -> Panel:
    """Return the panel of a step, for the chosen tab; what the tab does not show is not asked for."""
    run, placed, at = focus.run, focus.placed, focus.at
    item = placed[at]
    step = item.step
    tab = tab if tab in dict(TABS) else "why"
    bad = is_cause(step)
    parts = {"why": _why, "input": _input, "output": _output, "tokens": _tokens, "raw": _raw}[tab](focus, lore)
    return Panel(
        key=item.key,
        tab=tab,
        title=f"{step.index} {clip(step.tool.name if step.tool else step.name, 80)}",
        bad=bad,
        facts=_facts(run, step),
        error=clip(step.error, 600) if step.status == "error" else "",
        span_id=step.span_id.hex(),
        **parts,
    )


def _facts(run: Run, step: Step) -> str:
    kind = {"llm": "model call", "agent": "sub-agent", "other": "step"}.get(step.kind, step.kind)
    parts = [kind if step.status == "ok" else f"{kind} failed"]
    if step.ended_ns > step.started_ns:
        parts.append(duration(step.ended_ns - step.started_ns))
    if step.started_ns > run.started_ns:
        parts.append(f"at {duration(step.started_ns - run.started_ns)}")
    return " · ".join(parts)


def _why(focus: Focus, lore: Lore) -> dict[str, Any]:
    placed, at, step = focus.placed, focus.at, focus.item.step
    texts = []
    if step.thought:
        texts.append(bounded_text(step.thought, words=True, title="Thought"))
    elif step.output and step.kind in ("llm", "plan"):
        texts.append(bounded_text(step.output, words=True, title="Said"))
    if step.tool is not None and step.tool.arguments is not None:
        texts.append(_data(step.tool.arguments, "Arguments as sent"))
    return {
        "origins": trace_arguments(placed[at], placed[:at], focus.run, lambda: told_before(placed, at, lore)),
        "led_here": _led_here(placed, at),
        "came_of_it": _came_of_it(placed, at),
        "choice": explain_choice(focus, lore),
        "texts": tuple(texts),
    }


def told_before(placed: Sequence[Placed], at: int, lore: Lore) -> str:
    """Return what the model was told when it made a call: by the last model call before it."""
    asker = next((item for item in reversed(placed[max(at - 60, 0) : at]) if item.step.kind == "llm"), None)
    return prompt_text(conversation_of(asker, lore)) if asker is not None else ""


def _led_here(placed: Sequence[Placed], at: int) -> tuple[Cause, ...]:
    """Return the last model call or thought before a step, and the decision that chose it."""
    causes: list[Cause] = []
    for item in reversed(placed[max(at - 12, 0) : at]):
        step = item.step
        if step.decision is not None and not any(cause.what.startswith("decided") for cause in causes):
            others = max(len(step.decision.alternatives) - 1, 0)
            causes.append(
                Cause(
                    item.key,
                    str(step.index),
                    f"decided, over {plural(others, 'other')}" if others else "decided",
                    clip(step.decision.because, 160),
                )
            )
        if step.kind in ("llm", "thought", "plan") and (step.thought or step.output):
            causes.append(Cause(item.key, str(step.index), "said", clip(step.thought or step.output, 200)))
            break
    return tuple(reversed(causes))


def _came_of_it(placed: Sequence[Placed], at: int) -> tuple[Cause, ...]:
    """Return what the model made of a result, and how often the same call came again."""
    step = placed[at].step
    causes: list[Cause] = []
    reply = next((item for item in placed[at + 1 : at + 8] if item.step.kind in ("llm", "thought")), None)
    if step.tool is not None:
        again = [item for item in placed[at + 1 :] if item.step.tool is not None and _same_call(item.step, step)]
        if again:
            causes.append(Cause(again[0].key, str(again[0].step.index), f"the same call again, {len(again)} ×", ""))
    if reply is not None and step.kind not in ("llm", "thought"):
        causes.append(Cause(reply.key, str(reply.step.index), "then said", clip(reply.step.thought or reply.step.output, 200)))
    return tuple(causes)


def _same_call(one: Step, other: Step) -> bool:
    a, b = one.tool, other.tool
    return a is not None and b is not None and a.name == b.name and bool(a.arguments == b.arguments)


def _input(focus: Focus, lore: Lore) -> dict[str, Any]:
    step = focus.item.step
    texts = []
    if step.tool is not None and step.tool.arguments is not None:
        texts.append(_data(step.tool.arguments, "Arguments"))
    if step.input:
        texts.append(
            bounded_text(
                step.input,
                words=step.kind in ("llm", "agent"),
                title="What is new in the prompt" if step.kind == "llm" else "Input",
            )
        )
    return {"texts": tuple(texts)}


def _output(focus: Focus, lore: Lore) -> dict[str, Any]:
    step = focus.item.step
    texts = []
    if step.tool is not None and step.tool.error:
        texts.append(bounded_text(step.tool.error, words=False, title="Error"))
    if step.tool is not None and step.tool.result is not None:
        texts.append(bounded_text(_pretty_text(step.tool.result), words=False, title="Result"))
    if step.thought and step.thought != step.output:
        texts.append(bounded_text(step.thought, words=True, title="Thought"))
    if step.output and (step.tool is None or step.output != step.tool.result):
        texts.append(
            bounded_text(step.output, words=step.kind in ("llm", "agent", "plan"), title="Answer" if step.kind == "llm" else "Output")
        )
    return {"texts": tuple(texts)}


def _tokens(focus: Focus, lore: Lore) -> dict[str, Any]:
    step, usage = focus.item.step, focus.item.step.usage
    if usage is None:
        return {"numbers": ()}
    source = {"stated": "stated by the emitter", "priced": "from the price list"}.get(step.cost_source or "", "no price known")
    rows = (
        ("Input", count(usage.input_tokens)),
        ("of it read from cache", count(usage.cache_read_tokens)),
        ("of it written to cache", count(usage.cache_write_tokens)),
        ("Output", count(usage.output_tokens)),
        ("of it reasoning", count(usage.reasoning_tokens)),
        ("Cost", f"{cost(step.cost_nanos, 1 if step.cost_nanos is None else 0)}, {source}"),
        ("Model", clip(step.model, 120) or UNKNOWN),
        ("Provider", clip(step.provider, 120) or UNKNOWN),
        ("Finish reason", clip(step.finish_reason, 120) or UNKNOWN),
    )
    return {"numbers": rows, "anatomy": dissect(focus, lore)}


def _raw(focus: Focus, lore: Lore) -> dict[str, Any]:
    span = lore.span(focus.item.step.span_id)
    if span is None:
        return {"texts": ()}
    whole = span_json(span)
    rows = (
        ("Span", whole["span_id"]),
        ("Parent", whole["parent_span_id"] or UNKNOWN),
        ("Name", clip(span.name, 200)),
        ("Started", timestamp(span.start_ns) or UNKNOWN),
        ("Ended", timestamp(span.end_ns) or UNKNOWN),
        ("Status", f"{span.status_code} {clip(span.status_message, 300)}".strip()),
        ("Scope", clip(f"{span.scope.name} {span.scope.version}", 200)),
    )
    texts = [_data(whole["attributes"], "Attributes")]
    if whole["events"]:
        texts.append(_data(whole["events"], "Events"))
    if whole["links"]:
        texts.append(_data(whole["links"], "Links"))
    texts.append(_data(whole["resource"]["attributes"], "Resource"))
    if span.repaired:
        texts.append(_data(span.repaired, "Repaired on arrival"))
    return {"numbers": rows, "texts": tuple(texts)}


def bounded_text(text: str, *, words: bool, title: str) -> Text:
    """Return a text as far as a page shows it, with what is said of the rest."""
    return Text(text[:_SHOWN], _cut_note(len(text)), words, title)


def _data(value: Any, title: str) -> Text:
    return bounded_text(value if isinstance(value, str) else _pretty(value), words=False, title=title)


def _cut_note(length: int) -> str:
    return f"first {size(_SHOWN)} of {size(length)}; the API has the whole" if length > _SHOWN else f"{size(length)}, whole"


def _pretty_text(text: str) -> str:
    """Indent a text that is JSON; leave any other as it is."""
    if text[:1] not in "{[" or len(text) > 4 * _SHOWN:
        return text
    try:
        return _pretty(orjson.loads(text))
    except orjson.JSONDecodeError:
        return text


def _pretty(value: Any) -> str:
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return str(value)
