"""Model calls made with Anthropic's client, recorded without a word at the call."""

import functools
import inspect
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextvars import ContextVar
from typing import Any, TypeVar

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_current

from ..quiet import report
from ..recording import active
from ..recording.propagation import SCOPE
from ..values.plain import field
from .anthropic_call import ClientCall

_Client = TypeVar("_Client")

_Method = Callable[..., Any]
"""A method of the client's messages, which are its first argument."""

_METHODS = ("create", "parse", "stream")
_MARK = "_clew_records"

_OTHERS = ("openinference.", "opentelemetry.instrumentation.", "openlit.", "langtrace")
"""Packages whose wrappers make a span of each call already: ours gives way to them."""

_within: ContextVar[bool] = ContextVar("clew-anthropic-within", default=False)
"""Whether the client's method runs inside one of ours: it may be wrapped on the client and on its class."""


def instrument_anthropic(client: _Client) -> _Client:
    """Make every ``messages.create``, ``parse`` and ``stream`` of a client a model call of the trace, and return the same client.

    Takes sync and async clients, those of Bedrock and Vertex too; ``beta.messages`` and copies made by ``with_options`` are recorded as
    well. Doing it twice changes nothing. Inside a ``with llm_call(...)`` block the call fills that block in; where another instrumentation
    makes a span of each call, that stays the only one. What the client returns and raises is untouched, but ``BudgetExhausted`` and
    ``RunStopped`` are raised before a call that the run around may not make.
    """
    try:
        for messages in (field(client, "messages"), field(field(client, "beta"), "messages")):
            if messages is not None:
                _wrap_methods(messages)
        _wrap_copies(client)
    except Exception as error:
        report(error)
    return client


def instrument_classes(owners: Iterable[type]) -> Callable[[], None]:
    """Do the same to all clients at once, through the classes of their messages, and return what undoes it."""
    wrapped: list[tuple[type, str, Any, Any]] = []
    for owner in owners:
        for name in _METHODS:
            original = vars(owner).get(name)
            if callable(original) and not hasattr(original, _MARK):
                recorded = _recorded(name, original, original)
                setattr(owner, name, recorded)
                wrapped.append((owner, name, original, recorded))

    def undo() -> None:
        for owner, name, original, recorded in wrapped:
            # Somebody may have wrapped ours since: taking it out would take theirs.
            if vars(owner).get(name) is recorded:
                setattr(owner, name, original)

    return undo


def _wrap_methods(messages: Any) -> None:
    for name in _METHODS:
        own = vars(messages).get(name)
        looks_like = own or getattr(type(messages), name, None)
        if looks_like is None or hasattr(own, _MARK):
            continue
        # The class's method is looked up at each call: others may have wrapped it since.
        original = _bound(own) if own is not None else functools.partial(_of_class, name)
        recorded = _recorded(name, original, looks_like)
        setattr(messages, name, _marked(functools.partial(recorded, messages)))
    for cached in ("with_raw_response", "with_streaming_response"):
        # Made before, they would hold on to the methods as they were.
        vars(messages).pop(cached, None)


def _of_class(name: str, messages: Any, /, *args: Any, **kwargs: Any) -> Any:
    return getattr(type(messages), name)(messages, *args, **kwargs)


def _bound(method: _Method) -> _Method:
    return lambda _messages, *args, **kwargs: method(*args, **kwargs)


def _marked(function: Any) -> Any:
    setattr(function, _MARK, True)
    return function


def _wrap_copies(client: Any) -> None:
    """Instrument the copies that a client makes of itself."""
    for name in ("copy", "with_options"):
        method = getattr(type(client), name, None)
        if method is not None and not hasattr(vars(client).get(name), _MARK):
            setattr(client, name, _marked(functools.partial(_copied, method, client)))


def _copied(method: _Method, client: Any, /, *args: Any, **kwargs: Any) -> Any:
    return instrument_anthropic(method(client, *args, **kwargs))


def _recorded(name: str, original: _Method, looks_like: Any) -> _Method:
    """Return a method like the original one that is recorded; its first argument are the messages."""
    if name == "stream":
        made = _recorded_manager(original)
    elif inspect.iscoroutinefunction(inspect.unwrap(looks_like)):
        made = _recorded_coroutine(name, original)
    else:
        made = _recorded_plain(name, original)
    found: _Method = _marked(functools.wraps(looks_like)(made))
    return found


def _passes(messages: Any, name: str) -> bool:
    """Tell whether a call is not to be recorded here."""
    context = get_current()
    if active.current() is None and context.get(SCOPE) is None:
        return True
    return _within.get() or bool(context.get(_SUPPRESS_INSTRUMENTATION_KEY)) or _is_recorded_elsewhere(type(messages), name)


def _is_recorded_elsewhere(owner: type, name: str) -> bool:
    method = next((vars(base)[name] for base in owner.__mro__ if name in vars(base)), None)
    for _ in range(16):
        # Instrumentations wrap with wrapt, whose wrappers keep what they call under this name.
        wrapper = getattr(method, "_self_wrapper", None)
        if wrapper is not None and str(getattr(wrapper, "__module__", "")).startswith(_OTHERS):
            return True
        method = getattr(method, "__wrapped__", None)
        if method is None:
            return False
    return False


class _Within:
    """The time in which the client's own method runs, for one call of it."""

    __slots__ = ("_call", "_token")

    def __init__(self, call: ClientCall) -> None:
        self._call = call

    def __enter__(self) -> None:
        self._call.begin()
        self._token = _within.set(True)

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        _within.reset(self._token)
        self._call.answered(error)


def _recorded_plain(name: str, original: _Method) -> _Method:
    def method(messages: Any, /, *args: Any, **kwargs: Any) -> Any:
        if _passes(messages, name):
            return original(messages, *args, **kwargs)
        call = ClientCall(messages, kwargs)
        with _Within(call):
            response = original(messages, *args, **kwargs)
        call.take(response)
        return response

    return method


def _recorded_coroutine(name: str, original: _Method) -> _Method:
    async def method(messages: Any, /, *args: Any, **kwargs: Any) -> Any:
        if _passes(messages, name):
            return await original(messages, *args, **kwargs)
        call = ClientCall(messages, kwargs)
        with _Within(call):
            response = await original(messages, *args, **kwargs)
        call.take(response)
        return response

    return method


def _recorded_manager(original: _Method) -> _Method:
    """Record what a stream manager asks for once it is entered: until then nothing is sent."""

    def method(messages: Any, /, *args: Any, **kwargs: Any) -> Any:
        manager = original(messages, *args, **kwargs)
        try:
            # Private to the manager's class, hence its name before it.
            name = next((name for name in vars(manager) if name.endswith("__api_request")), None)
            if name is not None and not _passes(messages, "stream"):
                request = vars(manager)[name]
                call = ClientCall(messages, {**kwargs, "stream": True})
                setattr(manager, name, functools.partial(_requested, request, call) if callable(request) else _Requested(request, call))
        except Exception as error:
            report(error)
        return manager

    return method


def _requested(request: Callable[[], Any], call: ClientCall) -> Any:
    with _Within(call):
        stream = request()
    call.take(stream)
    return stream


class _Requested:
    """A request to be awaited, which nothing is known of where it never is."""

    __slots__ = ("_call", "_request")

    def __init__(self, request: Awaitable[Any], call: ClientCall) -> None:
        self._request = request
        self._call = call

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._go().__await__()

    async def _go(self) -> Any:
        with _Within(self._call):
            stream = await self._request
        self._call.take(stream)
        return stream
