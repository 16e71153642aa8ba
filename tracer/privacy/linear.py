"""Tells of a regular expression whether it may take exponential time."""

import re._parser as parser  # type: ignore[import-not-found]  # the parser of the standard library, which has no public name
from typing import Any

_REPEATS = ("MAX_REPEAT", "MIN_REPEAT")
_MANY = 20
"""A repetition up to so many times counts as one without end."""


def why_not_linear(expression: str) -> str | None:
    """Return what is wrong with an expression, or None. It errs on the safe side: repeat possessively (``++``) what it objects to."""
    return _find(parser.parse(expression), is_repeated=False)


def _find(tokens: Any, is_repeated: bool) -> str | None:
    for operation, argument in tokens:
        name = str(operation)
        if name == "ATOMIC_GROUP" or name == "POSSESSIVE_REPEAT":
            continue
        if name in ("GROUPREF", "GROUPREF_EXISTS"):
            return "it refers back to a group"
        if name in _REPEATS:
            least, most, inner = argument
            varies = most != least and most > _MANY
            if is_repeated and most != least:
                return "a repetition inside a repetition"
            problem = _find(inner, is_repeated or varies)
        elif name == "BRANCH":
            if is_repeated and not _begin_apart(argument[1]):
                return "alternatives that begin alike inside a repetition"
            problem = next((found for branch in argument[1] if (found := _find(branch, is_repeated))), None)
        elif name == "SUBPATTERN":
            problem = _find(argument[-1], is_repeated)
        elif name in ("ASSERT", "ASSERT_NOT"):
            problem = _find(argument[1], is_repeated)
        else:
            problem = None
        if problem is not None:
            return problem
    return None


def _begin_apart(branches: list[Any]) -> bool:
    begins = [str(branch[0]) if len(branch) and str(branch[0][0]) == "LITERAL" else None for branch in branches]
    return None not in begins and len(set(begins)) == len(begins)
