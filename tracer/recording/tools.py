"""Tool calls."""

from collections.abc import Callable
from typing import Any, Self, TypeVar, overload

from .. import names
from .active import Active
from .said import put_text
from .scope import Scope, recording
from .wrapping import Signature

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Tool(Scope):
    """One call of a tool."""

    kind = "tool"
    operation = "execute_tool"
    is_deed = True
    _bound: dict[str, Any] | None = None
    """The arguments of a decorated function's call."""

    def _title(self) -> str:
        return f"execute_tool {self._name}"

    def _list_constants(self) -> dict[str, Any]:
        known = super()._list_constants()
        known[names.TOOL_NAME] = self._name or "tool"
        known[names.TOOL_TYPE] = "function"
        for name, option in _PLAIN:
            if self._options[option] is not None:
                known[name] = str(self._options[option])
        return known

    def _describe(self, known: dict[str, Any], pipeline: Active) -> None:
        arguments = self._options["arguments"] if self._bound is None else self._bound
        if arguments is not None and pipeline.content:
            put_text(known, names.TOOL_ARGUMENTS, arguments, pipeline.max_value_chars)

    def _called(self, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        fresh = type(self)(self._name or signature.name, self._options)
        fresh._signature = signature
        if self._options["arguments"] is None:
            fresh._bound = signature.bind(args, kwargs)
        return fresh

    @recording
    def _returned(self, value: Any) -> None:
        pipeline = self._pipeline
        if value is not None and pipeline is not None and pipeline.content and names.TOOL_RESULT not in self._late:
            put_text(self._late, names.TOOL_RESULT, value, pipeline.max_value_chars)

    @recording
    def arguments(self, value: Any) -> None:
        """Record the arguments."""
        if self._keeps_content():
            self._set(names.TOOL_ARGUMENTS, value)

    @recording
    def result(self, value: Any) -> None:
        """Record the result."""
        if self._keeps_content():
            self._set(names.TOOL_RESULT, value)

    def fail(self, message: str, result: Any = None) -> None:
        """Mark the call as failed although no exception ends it, with what the tool gave all the same."""
        super().fail(message)
        if result is not None:
            self.result(result)


_PLAIN = ((names.TOOL_CALL_ID, "call_id"), (names.TOOL_DESCRIPTION, "description"))


@overload
def tool(name: _Function) -> _Function: ...


@overload
def tool(name: str | None = None, *, arguments: Any = None, call_id: str | None = None, description: str | None = None) -> Tool: ...


def tool(name: Any = None, *, arguments: Any = None, call_id: str | None = None, description: str | None = None) -> Any:
    """Record tool calls.

    ``@tool`` on a function, or ``with tool("search", arguments={...}) as call: call.result(...)``. As a decorator it records the
    arguments by the function's parameter names, without ``self``, and the return value as result.
    ``call_id`` is the model's id of the request that the call answers.
    """
    options = {"arguments": arguments, "call_id": call_id, "description": description}
    if callable(name):
        return Tool(None, options)(name)
    return Tool(name, options)
