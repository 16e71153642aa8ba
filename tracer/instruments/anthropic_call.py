"""One call of Anthropic's client: a model call of its own, or the block around it filled in."""

import json
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from opentelemetry.context import Context, attach, get_current

from ..quiet import quietly, report
from ..recording.calls import LlmCall, llm_call
from ..recording.propagation import SCOPE
from ..values.plain import field
from ..values.stream_shapes import Gatherer

_CONTENTS = ("messages", "system", "tools")
_PARAMETERS = ("temperature", "top_p", "top_k", "max_tokens", "stop_sequences", "stream")
_PROVIDERS = (("Bedrock", "aws.bedrock"), ("Vertex", "gcp.vertex_ai"))
"""Words in the names of clients that reach Anthropic's models through somebody else."""


class ClientCall:
    """What is recorded of one call. Nothing of it raises, but for what a budget forbids when it begins."""

    __slots__ = ("_block", "_handle", "_is_stream", "_messages", "_outside", "_request")

    def __init__(self, messages: Any, request: dict[str, Any]) -> None:
        self._messages = messages
        self._request = request
        self._is_stream = bool(request.get("stream") is True)
        self._block: LlmCall | None = None
        self._handle: LlmCall | None = None

    def begin(self) -> None:
        """Begin it where it is called. Raises ``BudgetExhausted`` or ``RunStopped``."""
        self._outside: Context = get_current()
        scope = self._outside.get(SCOPE)
        try:
            made = self._made()
        except Exception as error:
            report(error)
            return
        if isinstance(scope, LlmCall):
            self._block = scope
            _fill(scope, made)
        else:
            self._handle = made.__enter__()

    def answered(self, error: BaseException | None) -> None:
        """Take note that the client's method has returned or raised: what follows happens outside of the call."""
        if error is not None:
            self.end(error)
        elif self._handle is not None:
            # A stream goes on, but its consumer's steps are not part of the call.
            attach(self._outside)

    @quietly
    def take(self, response: Any) -> None:
        """Record what the client's method returned, a stream when it has been read."""
        if self._is_stream and watch(response, self):
            return
        if not self._is_stream:
            self.record(_message_in(response))
        self.end(None)

    def record(self, response: Any) -> None:
        """Record a response or a reply."""
        call = self._handle or self._block
        if call is not None:
            call.record(response)

    def end(self, error: BaseException | None) -> None:
        """End it, once; a block around it ends by itself."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.__exit__(None if error is None else type(error), error, None)

    def _made(self) -> LlmCall:
        given = {name: value for name, value in self._request.items() if type(value).__name__ not in ("NotGiven", "Omit")}
        asked = {name: given[name] for name in (*_CONTENTS, *_PARAMETERS) if given.get(name) is not None}
        made: LlmCall = llm_call(field(given, "model"), provider=self._provider(), **asked)
        return made

    def _provider(self) -> str:
        client = type(field(self._messages, "_client")).__name__
        return next((provider for word, provider in _PROVIDERS if word in client), "anthropic")


def _fill(block: LlmCall, made: LlmCall) -> None:
    """Put into a block around the call what the block itself does not say of the request."""
    try:
        if block._pipeline is not None and block._span is not None:
            asked: dict[str, Any] = {}
            made._describe(asked, block._pipeline)
            for name, value in asked.items():
                if name not in block._known:
                    block._late.setdefault(name, value)
        block._model = block._model or made._name
    except Exception as error:
        report(error)


def _message_in(response: Any) -> Any:
    """Return the message, also where the caller wanted the raw response: its body if that was read already."""
    raw = field(response, "http_response")
    if raw is None:
        return response
    body = field(raw, "content")
    try:
        return json.loads(body) if isinstance(body, bytes) else None
    except ValueError:
        return None


class _Watched:
    """What is known of a stream while it is read."""

    __slots__ = ("_call", "gatherer")

    def __init__(self, call: ClientCall) -> None:
        self.gatherer = Gatherer()
        self._call: ClientCall | None = call

    def end(self, error: BaseException | None = None) -> None:
        """Record what was read, once: at its end, when it is closed or thrown away, or when it breaks."""
        call, self._call = self._call, None
        if call is None:
            return
        try:
            call.record(self.gatherer.reply())
            call.end(None if isinstance(error, GeneratorExit) else error)
        except Exception as problem:
            report(problem)


def watch(stream: Any, call: ClientCall) -> bool:
    """Record a stream of the client's while its own reader reads it; False where it is not of a kind known here.

    The stream stays the object it is: its iterator is replaced by one that passes each event on.
    """
    iterator = getattr(stream, "_iterator", None)
    if iterator is None:
        return False
    watched = _Watched(call)
    is_async = hasattr(iterator, "__anext__")
    stream._iterator = _pass_on_async(iterator, watched) if is_async else _pass_on(iterator, watched)
    stream.close = (_closing_async if is_async else _closing)(weakref.ref(stream), watched)
    weakref.finalize(stream, watched.end).atexit = False
    return True


def _pass_on(events: Iterator[Any], watched: _Watched) -> Iterator[Any]:
    try:
        for event in events:
            watched.gatherer.add(event)
            yield event
    except BaseException as error:
        watched.end(error)
        raise
    watched.end()


async def _pass_on_async(events: AsyncIterator[Any], watched: _Watched) -> AsyncIterator[Any]:
    try:
        async for event in events:
            watched.gatherer.add(event)
            yield event
    except BaseException as error:
        watched.end(error)
        raise
    watched.end()


def _closing(stream: "weakref.ref[Any]", watched: _Watched) -> Callable[[], Any]:
    # Held weakly: a cycle would keep a stream that is thrown away open until the garbage collector comes by.
    def close() -> Any:
        watched.end()
        found = stream()
        return type(found).close(found) if found is not None else None

    return close


def _closing_async(stream: "weakref.ref[Any]", watched: _Watched) -> Callable[[], Any]:
    async def close() -> Any:
        watched.end()
        found = stream()
        return await type(found).close(found) if found is not None else None

    return close
