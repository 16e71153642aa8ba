"""Taking a run along into a thread, a pool or another process."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from opentelemetry.context import Context

from .propagation import attach, extract, get_current, inject_from

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Carried:
    """A function together with the context that it runs in. In another process that context is what its headers tell of it."""

    def __init__(self, function: Callable[..., Any], context: Context) -> None:
        self._function = function
        self._context = context
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function in its context."""
        before = get_current()
        attach(self._context)
        try:
            return self._function(*args, **kwargs)
        finally:
            attach(before)

    def __reduce__(self) -> tuple[Any, ...]:
        """Go to another process as function and headers."""
        return _arrive, (self._function, inject_from(self._context))


def _arrive(function: Callable[..., Any], headers: dict[str, str]) -> Carried:
    return Carried(function, extract(headers, Context()))


def carry(function: _Function, context: Context) -> _Function:
    """Return the function made to run in the context given."""
    carried = Carried(function, context)
    if not inspect.iscoroutinefunction(function):
        return carried  # type: ignore[return-value]  # called like the function

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        before = get_current()
        attach(context)
        try:
            return await function(*args, **kwargs)
        finally:
            attach(before)

    return call  # type: ignore[return-value]  # the same signature
