"""A JSON value of any size as a tree that a page can show: bounded in nodes and characters, and honest about what it leaves out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.dialects.values import parse
from webui.format import clip, plural, size

from .steps import compact_json

TEXT_CHARS = 65_536
"""Characters of one text that a page holds at first."""

_ALL_CHARS = 400_000
"""Characters of all texts of a page together; texts after that show their beginning only."""
_FEW_CHARS = 400
_MOST_NODES = 1_500
_MOST_MEMBERS = 200
_MOST_DEPTH = 40
_INLINE = 100
_PARSED_CHARS = 1_000_000
"""A longer text is not tried for JSON inside it."""
_OPEN_CHARS = 1_500
"""A member whose text is no longer than that stands open."""

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class TreeNode:
    """One value: a scalar with its text, or a container with its members."""

    name: str
    path: str
    """How programs name the place: ``attributes["gen_ai.input.messages"][0].role``."""
    look: str
    """``s`` text, ``n`` number, ``k`` true, false or null, ``o`` a container."""
    text: str
    note: str
    """What was left out, or how long it is."""
    cut: bool
    members: tuple["TreeNode", ...]
    open: bool
    is_json: bool
    """True where the value is a text that holds JSON, shown as what it holds."""
    hit: bool
    address: str
    """The path for the address that has the whole text."""


class Tree:
    """Builds the nodes of one page within its bounds; ``find`` keeps only what holds a text."""

    def __init__(self, find: str = "") -> None:
        self._find = find.lower()
        self._nodes = _MOST_NODES
        self._chars = _ALL_CHARS
        self.hits = 0

    def build(self, name: str, value: Any) -> TreeNode | None:
        """Return the tree of a named value; None where something is looked for and not in it."""
        return self._node(name, value, (name,), 0)

    def _node(self, name: str, value: Any, path: Path, depth: int) -> TreeNode | None:
        self._nodes -= 1
        is_json = False
        if isinstance(value, str) and value[:1] in "{[" and 1 < len(value) <= _PARSED_CHARS:
            inner = parse(value)
            is_json = inner is not value and bool(inner)
            value = inner if is_json else value
        if isinstance(value, dict | list) and value and depth < _MOST_DEPTH:
            return self._container(name, value, path, is_json)
        return self._scalar(name, value, path)

    def _container(self, name: str, value: dict[Any, Any] | list[Any], path: Path, is_json: bool) -> TreeNode | None:
        named = bool(self._find) and self._find in name.lower()
        pairs = list(_pairs(value))
        members: list[TreeNode] = []
        left_out = 0
        for key, item in pairs:
            if self._nodes <= 0 or len(members) >= _MOST_MEMBERS:
                left_out += 1
                continue
            node = self._node(str(key), item, (*path, key), len(path))
            if node is not None:
                members.append(node)
        if self._find and not members and not named:
            return None
        self.hits += named
        noun = "member" if isinstance(value, dict) else "item"
        note = plural(len(pairs), noun) + (f", the first {len(pairs) - left_out:,} shown" if left_out else "")
        small = len(members) <= 40 and sum(len(member.text) for member in members) <= _OPEN_CHARS
        return TreeNode(
            clip(name, 200), path_text(path), "o", "", note, bool(left_out), tuple(members),
            bool(self._find) or small or len(path) == 1, is_json, named, compact_json(list(path)),
        )  # fmt: skip

    def _scalar(self, name: str, value: Any, path: Path) -> TreeNode | None:
        look = "s" if isinstance(value, str) else "n" if isinstance(value, int | float) and not isinstance(value, bool) else "k"
        text = value if isinstance(value, str) else value_text(value)
        found = bool(self._find) and (self._find in name.lower() or self._find in text.lower())
        if self._find and not found:
            return None
        self.hits += found
        most = TEXT_CHARS if self._chars >= min(len(text), TEXT_CHARS) else _FEW_CHARS
        shown = text[:most]
        self._chars -= len(shown)
        cut = len(text) > most
        note = f"first {size(most)} of {size(len(text))}" if cut else size(len(text)) if len(text) > _INLINE else ""
        return TreeNode(
            clip(name, 200), path_text(path), look, shown, note, cut, (), len(shown) <= _OPEN_CHARS, False, found, compact_json(list(path))
        )


def _pairs(value: dict[Any, Any] | list[Any]) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, dict):
        yield from ((str(key), item) for key, item in value.items())
    else:
        yield from enumerate(value)


def value_text(value: Any) -> str:
    """Return any value as text: a text as it is, all else as JSON."""
    if isinstance(value, str):
        return value
    return value.hex() if isinstance(value, bytes) else compact_json(value)


def path_text(path: Sequence[str | int]) -> str:
    """Write a path as programs do."""
    parts: list[str] = []
    for key in path:
        if isinstance(key, int):
            parts.append(f"[{key}]")
        elif key.isidentifier():
            parts.append(f".{key}" if parts else key)
        else:
            parts.append(f"[{compact_json(key)}]" if parts else key)
    return "".join(parts)


def value_at(value: Any, path: Sequence[Any]) -> Any:
    """Return the value at a path, texts that hold JSON read as what they hold. Raises ``LookupError`` where there is none."""
    for key in path:
        found = parse(value) if isinstance(value, str) else value
        listed = isinstance(found, list) and isinstance(key, int) and 0 <= key < len(found)
        if not (listed or (isinstance(found, dict) and isinstance(key, str) and key in found)):
            raise LookupError("no such place")
        value = found[key]
    return value
