"""Model calls."""

from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any, Self, TypeVar, overload

from opentelemetry.trace import SpanKind

from .. import names, semconv
from ..quiet import report
from ..values.content import messages_text, system_text, tools_text
from ..values.responses import Reply, read_response
from ..values.streams import accumulate, accumulate_async
from .active import Active
from .said import put_answered
from .scope import Scope, recording
from .wrapping import Signature

_Function = TypeVar("_Function", bound=Callable[..., Any])

_USAGE = {
    "input": names.INPUT_TOKENS,
    "output": names.OUTPUT_TOKENS,
    "cache_read": names.CACHE_READ_TOKENS,
    "cache_write": names.CACHE_WRITE_TOKENS,
    "reasoning": names.REASONING_TOKENS,
}

_SPELLINGS = {"n": "choice.count", "stop": "stop_sequences"}
"""Providers' words for request parameters that the conventions call otherwise."""

_PARAMETERS: dict[str, type] = {
    "temperature": float, "top_p": float, "top_k": float, "max_tokens": int, "frequency_penalty": float, "presence_penalty": float,
    "seed": int, "choice.count": int, "stream": bool,
}  # fmt: skip
"""Request parameters of the conventions that are single values."""


class LlmCall(Scope):
    """One call of a model."""

    kind = "llm"
    operation = "chat"
    span_kind = SpanKind.CLIENT
    is_deed = True
    _model: str | None = None
    _usd: float | None = None
    _counted = (0, 0.0, 0)
    """Tokens, US dollars and calls without a price that the budgets know of."""
    _usage: dict[str, int] | None = None

    @property
    def _operation(self) -> str:
        return str(self._options["params"].get("operation") or "chat")

    def _list_constants(self) -> dict[str, Any]:
        return {**super()._list_constants(), names.OPERATION: self._operation}

    def _title(self) -> str:
        return f"{self._operation} {self._name}" if self._name else self._operation

    def _describe(self, known: dict[str, Any], pipeline: Active) -> None:
        options = self._options
        if self._name is not None:
            known[names.REQUEST_MODEL] = self._name
        if options.get("provider"):
            known[names.PROVIDER] = str(options["provider"])
        params = options["params"]
        for name, value in params.items():
            _put_parameter(known, name, value)
        if pipeline.content:
            for name, option, text_of in _CONTENTS:
                said = options.get(option) if option != "tools" else params.get(option)
                if said is not None:
                    known[name], was_cut = text_of(said, pipeline.max_value_chars)
                    if was_cut:
                        known[semconv.CONTENT_TRUNCATED] = True

    def _called(self, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        fresh = self._fresh()
        if self._options.get("messages") is None:
            bound = signature.bind(args, kwargs)
            asked = next((bound[name] for name in ("messages", "prompt") if name in bound), None)
            fresh._options = {**self._options, "messages": asked}
        return fresh

    @recording
    def _returned(self, value: Any) -> None:
        if names.OUTPUT_MESSAGES not in self._late:
            self.record(value)

    def _finish(self, late: dict[str, Any], error: BaseException | None, failed_kind: str | None) -> None:
        self._count(error is None or bool(self._usage))

    # --- recording --------------------------------------------------------------------------------------------------

    @recording
    def record(self, response: Any) -> None:
        """Record a response: Anthropic's Message, OpenAI's ChatCompletion or Response, LiteLLM's ModelResponse, or the dict of one.

        Model, id, finish reason, usage, messages, thoughts and tool calls are taken from it.
        """
        self._record_reply(response if isinstance(response, Reply) else read_response(response))

    def _record_reply(self, reply: Reply) -> None:
        late = self._late
        if reply.model:
            late[names.RESPONSE_MODEL] = self._model = reply.model
        if reply.id:
            late[names.RESPONSE_ID] = reply.id
        if reply.finish_reasons:
            late[names.FINISH_REASONS] = list(reply.finish_reasons)
            self._finish_reason = reply.finish_reasons[0]
        counts = (reply.input_tokens, reply.output_tokens, reply.cache_read_tokens, reply.cache_write_tokens, reply.reasoning_tokens)
        self._use(counts)
        if reply.messages and self._keeps_content() and self._pipeline is not None:
            text, was_cut = messages_text(list(reply.messages), self._pipeline.max_value_chars)
            late[names.OUTPUT_MESSAGES] = text
            if was_cut:
                late[semconv.CONTENT_TRUNCATED] = True

    def stream(self, events: Iterable[Any] | AsyncIterable[Any]) -> Any:
        """Return the events of a streamed reply unchanged, one by one, and record the whole once they end or are left.

        An async iterable gives an async generator. To be consumed inside the call's block.
        """
        if self._pipeline is None and self._meter is None:
            return events
        if isinstance(events, AsyncIterable):
            return accumulate_async(events, self.record)
        return accumulate(events, self.record)

    @recording
    def usage(
        self,
        input: int | None = None,  # noqa: A002  # the words of the field
        output: int | None = None,
        cache_read: int | None = None,
        cache_write: int | None = None,
        reasoning: int | None = None,
    ) -> None:
        """Record tokens. ``input`` is everything the model read, cached or not; ``output`` includes ``reasoning``."""
        self._use((input, output, cache_read, cache_write, reasoning))

    def _use(self, counts: tuple[int | None, ...]) -> None:
        usage = self._usage = {**(self._usage or {})}
        for (name, attribute), count in zip(_USAGE.items(), counts, strict=True):
            if count is not None:
                usage[name] = self._late[attribute] = int(count)
        self._count(is_whole=False)

    @recording
    def cost(self, usd: float) -> None:
        """Record what the call cost in US dollars, where the provider says so."""
        self._usd = self._late[semconv.COST_USD] = float(usd)
        self._count(is_whole=False)

    @recording
    def output(self, value: Any) -> None:
        """Record the reply as a text or value, where there is no response to ``record``."""
        if value is not None and self._keeps_content() and self._pipeline is not None:
            put_answered(self._late, names.OUTPUT_MESSAGES, value, self._pipeline.max_value_chars)

    @recording
    def input(self, messages: Any) -> None:
        """Record the messages, where they are not known when the call begins."""
        if messages is not None and self._keeps_content() and self._pipeline is not None:
            self._late[names.INPUT_MESSAGES], was_cut = messages_text(messages, self._pipeline.max_value_chars)
            if was_cut:
                self._late[semconv.CONTENT_TRUNCATED] = True

    # --- the bill ---------------------------------------------------------------------------------------------------

    def _count(self, is_whole: bool) -> None:
        """Count what is new since the last time against the budgets; a call without a price is told once it is whole."""
        if self._meter is None:
            return
        usage = self._usage or {}
        tokens = usage.get("input", 0) + usage.get("output", 0)
        usd = self._usd if self._usd is not None else self._price()
        counted = (tokens, usd or 0.0, int(is_whole and usd is None))
        self._meter.add(tokens - self._counted[0], counted[1] - self._counted[1], counted[2] - self._counted[2])
        self._counted = counted

    def _price(self) -> float | None:
        price = self._pipeline.price if self._pipeline is not None else None
        model = self._model or self._name
        if price is None or model is None or not self._usage:
            return None
        try:
            return price(model, self._options.get("provider"), self._usage)
        except Exception as error:
            report(error)
            return None


_CONTENTS: tuple[tuple[str, str, Callable[[Any, int], tuple[str, bool]]], ...] = (
    (names.INPUT_MESSAGES, "messages", messages_text),
    (names.SYSTEM_INSTRUCTIONS, "system", system_text),
    (names.TOOL_DEFINITIONS, "tools", tools_text),
)


def _put_parameter(known: dict[str, Any], name: str, value: Any) -> None:
    """Put a request parameter in the type that the conventions give it; what they do not name is left out."""
    name = _SPELLINGS.get(name, name)
    if value is None:
        return
    if name in _PARAMETERS:
        known[names.REQUEST_PREFIX + name] = _PARAMETERS[name](value)
    elif name == "stop_sequences":
        known[names.REQUEST_PREFIX + name] = [value] if isinstance(value, str) else [str(one) for one in value]


@overload
def llm_call(model: _Function) -> _Function: ...


@overload
def llm_call(
    model: str | None = None, *, provider: str | None = None, messages: Any = None, system: Any = None, **params: Any
) -> LlmCall: ...


def llm_call(model: Any = None, *, provider: str | None = None, messages: Any = None, system: Any = None, **params: Any) -> Any:
    """Record a model call.

    ``with llm_call("claude-…", provider="anthropic", messages=messages, max_tokens=500) as call: call.record(response)``.
    ``tools`` are the definitions offered, ``operation`` is ``chat`` unless it is another one of the conventions (``text_completion``,
    ``embeddings`` ...); other parameters (``temperature``, ``max_tokens`` ...) are those of the request. As a decorator, the return
    value is the response, and a parameter named ``messages`` or ``prompt`` is what was asked.
    """
    options: dict[str, Any] = {"provider": provider, "messages": messages, "system": system, "params": params}
    if model.__class__ is str or not callable(model):
        return LlmCall(model, options)
    return LlmCall(None, options)(model)
