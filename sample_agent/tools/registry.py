"""The one door to all tools: known, permitted, valid, authorised, confirmed and within limits, and only then run."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from tracer import BudgetExhausted, RunStopped, tool

from ..domain.model import DomainError
from ..observe import Guarded, ToolCalled
from ..security.authorise import check_authorised
from ..security.verdict import record_verdict
from .catalogue import TOOLS
from .complaints import explain
from .confirmation import NeedsConfirmation, check_confirmed, key_of
from .contract import Arguments, ToolContext, ToolError, ToolResult, ToolSpec

GUARD = "check tool call"


def call_tool(
    name: str,
    arguments: Mapping[str, Any],
    context: ToolContext,
    *,
    specs: Mapping[str, ToolSpec] = TOOLS,
    call_id: str | None = None,
) -> ToolResult:
    """Run a tool that a model asked for and answer what the model is to read, whatever the model asked; recorded as one tool call.

    Raises only what stops the whole run: ``BudgetExhausted`` and ``RunStopped`` of the tracer's guard.
    """
    spec = specs.get(name)
    with tool(name, arguments=dict(arguments), call_id=call_id, description=spec.description if spec else None) as call:
        result = _answer(name, arguments, context, specs)
        if result.error is None:
            call.result(result.content)
        else:
            call.fail(result.error, result=result.content)
        told = ToolCalled(name, dict(arguments), result.content, result.error, result.code, call_id)
        context.observe(told)
    return result


def _answer(name: str, arguments: Mapping[str, Any], context: ToolContext, specs: Mapping[str, ToolSpec]) -> ToolResult:
    try:
        spec, valid = _check(name, arguments, context, specs)
        return ToolResult(ok=True, content=_run(spec, valid, context))
    except NeedsConfirmation as asked:
        content = {"needs_confirmation": asked.message}
        return ToolResult(ok=False, content=content, code=asked.code, needs_confirmation=asked.message, confirmation_key=asked.key)
    except DomainError as error:
        return _failed(error.code, error.message)
    except (sqlite3.Error, OSError):
        return _failed("unavailable", "The calendars cannot be reached at the moment. Try once more, then hand over to a person.")
    except (BudgetExhausted, RunStopped):
        raise
    except Exception as error:  # a fault in one tool must neither end the conversation nor show its insides
        return _failed("internal", f"{name} failed ({type(error).__name__}). Do not repeat it: hand over to a person.")


def _failed(code: str, message: str) -> ToolResult:
    return ToolResult(ok=False, content={"error": message, "code": code}, error=message, code=code)


def _check(name: str, arguments: Mapping[str, Any], context: ToolContext, specs: Mapping[str, ToolSpec]) -> tuple[ToolSpec, Arguments]:
    """Return the tool and its valid arguments, having recorded the verdict; raises ``DomainError`` where the verdict is no."""
    try:
        spec = _get_spec(name, context, specs)
        valid = _validate(spec, arguments)
        check_authorised(context, valid)
        if spec.destructive:
            check_confirmed(context, spec, valid)
        if spec.changes:
            _check_limit(context, spec)
    except DomainError as error:
        record_verdict(Guarded(GUARD, name, "refused", f"{error.code}: {error.message}"), context.observe)
        raise
    record_verdict(Guarded(GUARD, name, "allowed", "known, permitted, valid and authorised"), context.observe)
    return spec, valid


def _get_spec(name: str, context: ToolContext, specs: Mapping[str, ToolSpec]) -> ToolSpec:
    usable = ", ".join(one for one in specs if one in context.allowed_tools)
    if name not in specs:
        raise ToolError("unknown_tool", f"There is no tool {name[:40]!r}. Tools of this task: {usable}.")
    if name not in context.allowed_tools:
        raise ToolError("not_permitted", f"{name} is not among the tools of this task: {usable}. Say so, or hand over to a person.")
    return specs[name]


def _validate(spec: ToolSpec, arguments: Mapping[str, Any]) -> Arguments:
    try:
        # As JSON, since dates in it are text even where nothing else is coerced.
        return spec.arguments.model_validate_json(json.dumps(arguments))
    except ValidationError as error:
        raise ToolError("invalid_arguments", explain(error, spec.arguments)) from None
    except (TypeError, ValueError, RecursionError):
        raise ToolError("invalid_arguments", "The arguments are not a JSON object.") from None


def _check_limit(context: ToolContext, spec: ToolSpec) -> None:
    wait_s = context.admit(spec.name, context.session_id, context.user_id)
    if wait_s is not None:
        minutes = max(1, round(wait_s / 60))
        again = f"possible again in about {minutes} minutes. Do not repeat it: hand over to a person."
        raise ToolError("rate_limited", f"Too many calls of {spec.name} for now; {again}")


def _run(spec: ToolSpec, arguments: Arguments, context: ToolContext) -> dict[str, Any]:
    if not spec.changes:
        return spec.run(context, arguments).model_dump(mode="json")
    if spec.destructive:
        context.spend(key_of(spec, arguments))
    key = context.journal.begin(context.session_id, spec.name, arguments.model_dump(mode="json"))
    try:
        content = spec.run(replace(context, request_key=key), arguments).model_dump(mode="json")
    except DomainError as error:
        context.journal.finish(key, {"error": error.message, "code": error.code})
        raise
    # Any other exception leaves the intent open: whether it was done is not known, and the same request again finds out.
    context.journal.finish(key, content)
    return content
