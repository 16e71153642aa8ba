"""Decorating: functions of every sort, transparent to whoever calls them."""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, Protocol, Self, TypeVar

from . import active
from .propagation import attach, get_current

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Signature:
    """What a decorated function calls itself and its parameters, read once."""

    __slots__ = ("constants", "is_method", "name", "positional", "star", "title")

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name: str = getattr(function, "__name__", None) or type(function).__name__
        self.constants: dict[str, Any] | None = None
        """The attributes that all its calls have alike, once one was made."""
        self.title = ""
        """The name of their spans, likewise."""
        self.positional: tuple[str, ...] = ()
        self.star: str | None = None
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (ValueError, TypeError):
            # Some functions written in C do not tell.
            parameters = []
        ordered = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        self.positional = tuple(one.name for one in parameters if one.kind in ordered)
        self.star = next((one.name for one in parameters if one.kind is inspect.Parameter.VAR_POSITIONAL), "args")
        self.is_method = bool(self.positional) and self.positional[0] in ("self", "cls")

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call by name, without ``self``. Never raises: a call that does not fit fails by itself."""
        bound = dict(zip(self.positional, args, strict=False))
        if self.is_method:
            bound.pop(self.positional[0], None)
        if len(args) > len(self.positional):
            bound[self.star or "args"] = list(args[len(self.positional) :])
        if kwargs:
            bound.update(kwargs)
        return bound


class Recorder(Protocol):
    """A scope, as the wrappers use it."""

    _guards: bool

    def _called(self, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self: ...

    def _returned(self, value: Any) -> None: ...

    def _close(self, error: BaseException | None) -> None: ...

    def _enter_call(self) -> Self: ...


def wrap(template: Recorder, function: _Function) -> _Function:
    """Return the function decorated: each call enters a scope like the template."""
    if isinstance(function, staticmethod | classmethod):
        return type(function)(wrap(template, function.__func__))
    if not callable(function) or inspect.isclass(function):
        raise TypeError(f"only functions can be decorated, not {type(function).__name__}")
    signature = Signature(function)
    if inspect.iscoroutinefunction(function):
        wrapped = _wrap_coroutine(template, signature, function)
    elif inspect.isasyncgenfunction(function):
        wrapped = _wrap_async_generator(template, signature, function)
    elif inspect.isgeneratorfunction(function):
        wrapped = _wrap_generator(template, signature, function)
    else:
        wrapped = _wrap_plain(template, signature, function)
    return functools.update_wrapper(wrapped, function)  # type: ignore[return-value]  # the same signature


def _wrap_plain(template: Recorder, signature: Signature, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if not active.touched and not template._guards:
            return function(*args, **kwargs)
        scope = template._called(signature, args, kwargs)._enter_call()
        try:
            value = function(*args, **kwargs)
        except BaseException as error:
            scope._close(error)
            raise
        scope._returned(value)
        scope._close(None)
        return value

    return call


def _wrap_coroutine(template: Recorder, signature: Signature, function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        if not active.touched and not template._guards:
            return await function(*args, **kwargs)
        scope = template._called(signature, args, kwargs)._enter_call()
        try:
            value = await function(*args, **kwargs)
        except BaseException as error:
            scope._close(error)
            raise
        scope._returned(value)
        scope._close(None)
        return value

    return call


class _Resumed:
    """Makes the context of a generator's body current while it runs, and only then."""

    __slots__ = ("_before", "_inside", "_items", "_scope")

    def __init__(self, scope: Recorder) -> None:
        self._inside = get_current()
        self._scope = scope
        self._items: list[Any] = []

    def __enter__(self) -> None:
        self._before = get_current()
        attach(self._inside)

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        # What the body left open stays open in it: it may yield from inside a scope of its own.
        self._inside = get_current()
        attach(self._before)

    def take(self, item: Any) -> Any:
        """Take note of an item on its way."""
        if len(self._items) < _MOST_ITEMS:
            self._items.append(item)
        return item

    def close(self, error: BaseException | None, value: Any = None) -> None:
        """Close the scope in its own context."""
        with self:
            if value is not None or self._items:
                self._scope._returned(value if value is not None else _joined(self._items))
            self._scope._close(error)


_MOST_ITEMS = 4_096


def _joined(items: list[Any]) -> Any:
    return "".join(items) if all(isinstance(item, str) for item in items) else items


def _begin(scope: Recorder) -> _Resumed:
    before = get_current()
    resumed = _Resumed(scope._enter_call())
    attach(before)
    return resumed


def _wrap_generator(template: Recorder, signature: Signature, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        if not active.touched and not template._guards:
            return (yield from function(*args, **kwargs))
        resumed = _begin(template._called(signature, args, kwargs))
        try:
            value = yield from _drive(function(*args, **kwargs), resumed)
        except BaseException as error:
            resumed.close(error)
            raise
        resumed.close(None, value)
        return value

    return call


def _drive(body: Generator[Any, Any, Any], resumed: _Resumed) -> Generator[Any, Any, Any]:
    """Pass items, sent values and thrown exceptions between a body and its consumer, each in its own context."""
    sent: Any = None
    thrown: BaseException | None = None
    while True:
        try:
            with resumed:
                item = body.send(sent) if thrown is None else body.throw(thrown)
        except StopIteration as stop:
            return stop.value
        try:
            sent, thrown = (yield resumed.take(item)), None
        except GeneratorExit:
            with resumed:
                body.close()
            raise
        except BaseException as error:
            sent, thrown = None, error


def _wrap_async_generator(template: Recorder, signature: Signature, function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        body = function(*args, **kwargs)
        resumed = None if not active.touched and not template._guards else _begin(template._called(signature, args, kwargs))
        sent: Any = None
        thrown: BaseException | None = None
        try:
            while True:
                try:
                    item = await _next(body, resumed, sent, thrown)
                except StopAsyncIteration:
                    break
                try:
                    sent, thrown = (yield item), None
                except GeneratorExit:
                    await _close_body(body, resumed)
                    raise
                except BaseException as error:
                    sent, thrown = None, error
        except BaseException as error:
            if resumed is not None:
                resumed.close(error)
            raise
        if resumed is not None:
            resumed.close(None)

    return call


async def _next(body: AsyncGenerator[Any, Any], resumed: _Resumed | None, sent: Any, thrown: BaseException | None) -> Any:
    if resumed is None:
        return await (body.asend(sent) if thrown is None else body.athrow(thrown))
    with resumed:
        item = await (body.asend(sent) if thrown is None else body.athrow(thrown))
    return resumed.take(item)


async def _close_body(body: AsyncGenerator[Any, Any], resumed: _Resumed | None) -> None:
    if resumed is None:
        await body.aclose()
        return
    with resumed:
        await body.aclose()
