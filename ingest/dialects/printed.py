"""Objects as Python prints them, where an emitter sent ``str`` or ``repr`` of one instead of what is in it."""

import ast
import re
from collections.abc import Iterator
from typing import Any

from .values import is_storable, mapping

_OBJECT = re.compile(r"\A\w{1,80}\(\w{1,80}=")
_FIELDS = re.compile(r"\A\w{1,80}=(?:'[^']{0,200}'|None|True|False|\d{1,20}) \w{1,80}=")
_FIELD = re.compile(r"\b(\w{1,40})=('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")")
_MOST_CHARS = 20_000
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"'}
_CLASS = re.compile(r"\A<class '([\w.]{1,300})'>\Z")


def is_opaque(text: str) -> bool:
    """Tell an object's printed address, which says nothing of what is in it."""
    return text[:1] == "<" and text[-1:] == ">" and len(text) < 300 and " object at 0x" in text


def is_printed(text: str) -> bool:
    """Tell an object's printed fields from words."""
    return _OBJECT.match(text) is not None or _FIELDS.match(text) is not None


def printed_fields(text: str) -> Iterator[tuple[str, str]]:
    """Yield the texts among an object's printed fields, those of objects within it too, by name. One that was cut is left out."""
    for found in _FIELD.finditer(text, 0, _MOST_CHARS):
        yield found.group(1), _unquoted(found.group(2))


def _unquoted(text: str) -> str:
    return _ESCAPED.sub(lambda escape: _PLAIN.get(escape.group(1), escape.group(0)), text[1:-1])


_ROLE = re.compile(r"\A\w{1,80}\(role=(?:<\w{1,80}\.\w{1,80}: )?'(\w{1,40})'")
_PARTS = re.compile(r"\A\w{1,80}\(role=[^,]{1,120}, content=\[\{")
_TEXT = re.compile(r"'text': ('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")")


def printed_role(text: str) -> str | None:
    """Return who said a printed message, as smolagents sends them."""
    found = _ROLE.match(text)
    return found.group(1) if found else None


def printed_words(text: str) -> str | None:
    """Return what the first content or text among an object's printed fields says; None where there is none whole."""
    if _PARTS.match(text):
        part = _TEXT.search(text, 0, _MOST_CHARS)
        return _unquoted(part.group(1)) if part else None
    return next((said for name, said in printed_fields(text) if name in ("content", "text") and said), None)


_ENUM = re.compile(r"<[\w.]{1,100}: ('[^']{0,200}'|\d{1,20})>")
_ADDRESS = re.compile(r"<[\w. ]{1,300} at 0x[0-9a-f]{1,16}>")
_WORD_END = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_UNREADABLE = (SyntaxError, ValueError, TypeError, MemoryError, RecursionError)


def printed_object(text: str) -> dict[str, Any] | None:
    """Return the fields of an object from how it prints, of objects within it too; None where it was cut or is no such thing.

    An object's ``type`` is its class, spelt as the kinds of parts are. Only literals are read, nothing is run.
    """
    if len(text) > _MOST_CHARS or _OBJECT.match(text) is None:
        return None
    try:
        found = _told(ast.parse(_ADDRESS.sub("None", _ENUM.sub(r"\1", text)), mode="eval").body)
    except _UNREADABLE:
        return None
    return found if isinstance(found, dict) and is_storable(found) else None


def _told(node: ast.AST) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
        kind = _WORD_END.sub("_", node.func.id).lower().removesuffix("_content")
        return {"type": kind, **{field.arg.lstrip("_"): _told(field.value) for field in node.keywords if field.arg}}
    if isinstance(node, ast.List | ast.Tuple):
        return [_told(member) for member in node.elts]
    if isinstance(node, ast.Dict):
        return {str(ast.literal_eval(key)): _told(value) for key, value in zip(node.keys, node.values, strict=True) if key is not None}
    return ast.literal_eval(node)


def class_name(text: str) -> str:
    """Return the name of a class from how it prints; any other text as it is."""
    found = _CLASS.match(text) if text[:1] == "<" else None
    return found.group(1) if found else text


def fault_words(text: str) -> str:
    """Return the message of a failure of OpenAI's Agents SDK with its cause instead of the map that it prints; any other text as it is."""
    text = without_stack(text)
    if text.startswith("{'message':"):
        said = mapping(text)
        message, cause = said.get("message"), mapping(said.get("data")).get("error")
    else:
        message, _, rest = text.partition(": {") if text.startswith("Error ") and _names_cause(text) else (text, "", "")
        cause = mapping(f"{{{rest}").get("error") if rest else None
    return ": ".join(str(part) for part in (message, cause) if part) or text


def _names_cause(text: str) -> bool:
    return "'error': " in text or '"error":' in text


_FRAME = "\n    at "
"""How each line of a stack begins that V8 prints."""


def without_stack(text: str) -> str:
    """Return a failure's message without the stack that JavaScript programs send behind it, where it says the message again."""
    if _FRAME not in text:
        return text
    message = text.partition(_FRAME)[0]
    first, _, again = message.partition("\n\n")
    return first if first and again.endswith(first) else message
