"""What was wrong with arguments, in words from which a model can make right ones."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .contract import Arguments

MOST_COMPLAINTS = 3


def explain(error: ValidationError, arguments: type[Arguments]) -> str:
    """Return the first complaints, each with what the argument should be."""
    complaints = [_complaint(one, arguments) for one in error.errors(include_url=False, include_context=False)]
    return " ".join(complaints[:MOST_COMPLAINTS])


def _complaint(detail: ErrorDetails, arguments: type[Arguments]) -> str:
    name = str(detail["loc"][0])[:40] if detail["loc"] else "arguments"
    known = arguments.model_fields
    if detail["type"] == "extra_forbidden":
        return f"There is no argument {name!r}. Arguments are: {', '.join(known)}."
    what = (known[name].description or "") if name in known else ""
    if detail["type"] == "missing":
        return f"{name} is missing. {what}".strip()
    return f"{name}: {detail['msg']}, got {_shown(detail['input'])}. {what}".strip()


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
