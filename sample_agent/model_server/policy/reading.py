"""A conversation as the policy reads it, the same from either API: instructions, turns, tools, and the tagged blocks of the last prompt."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

MARKER = re.compile(r"^(Role|Task|Speciality|Reference): *([^\n(]+)", re.MULTILINE)
BLOCK = re.compile(r"<([a-z_]+)>(.*?)</\1>", re.DOTALL)


@dataclass(frozen=True)
class Call:
    """A tool call that an assistant's turn asked for."""

    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class ToolAnswer:
    """What a tool answered. ``call`` is None where the conversation does not hold the request."""

    call: Call | None
    content: str
    is_error: bool = False

    @property
    def tool(self) -> str:
        """The tool's name, empty where unknown."""
        return self.call.name if self.call else ""

    @cached_property
    def data(self) -> dict[str, Any]:
        """The answer as JSON object; empty where it is none."""
        # Tools that are guarded may wrap their answer in tags that mark it as data.
        text = self.content[self.content.find("{") : self.content.rfind("}") + 1]
        return read_object(text)

    @property
    def error(self) -> str | None:
        """What the tool complained of, None where it did what it was asked."""
        found = self.data.get("error")
        return str(found) if found else (self.content if self.is_error else None)

    @property
    def code(self) -> str:
        """The error's short name, empty where there is none."""
        return str(self.data.get("code") or "")


@dataclass(frozen=True)
class Turn:
    """One message: words, tool calls (an assistant's), tool answers (a user's)."""

    role: str
    text: str = ""
    calls: tuple[Call, ...] = ()
    outcomes: tuple[ToolAnswer, ...] = ()


@dataclass(frozen=True)
class Conversation:
    """Everything the policy decides by. ``tools`` are the names offered."""

    system: str
    turns: tuple[Turn, ...]
    tools: tuple[str, ...] = ()
    model: str = ""
    wants_json: bool = False
    max_tokens: int = 1024

    @cached_property
    def markers(self) -> dict[str, str]:
        """The lines at the head of the instructions, by their names in lower case."""
        return {name.lower(): value.strip() for name, value in MARKER.findall(self.system)}

    @property
    def role(self) -> str:
        """What this call is for, empty where the instructions do not say."""
        return self.markers.get("role", "")

    @cached_property
    def _prompt_at(self) -> int:
        """Where the prompt stands: the last user's turn with blocks; else the last with words."""
        users = [n for n, turn in enumerate(self.turns) if turn.role == "user" and turn.text]
        tagged = [n for n in users if BLOCK.search(self.turns[n].text)]
        return (tagged or users or [0])[-1]

    @cached_property
    def blocks(self) -> dict[str, str]:
        """The blocks of the prompt by name."""
        return dict(BLOCK.findall(self.turns[self._prompt_at].text)) if self.turns else {}

    @cached_property
    def words(self) -> str:
        """What the user says now."""
        return (self.blocks.get("user_input") or self.turns[self._prompt_at].text if self.turns else "").strip()

    @cached_property
    def earlier(self) -> tuple[Turn, ...]:
        """The turns before the prompt, with the tags around the user's words taken off."""
        return tuple(Turn(turn.role, _untagged(turn.text), turn.calls, turn.outcomes) for turn in self.turns[: self._prompt_at])

    @cached_property
    def outcomes(self) -> tuple[ToolAnswer, ...]:
        """What tools answered since the prompt, in order."""
        return tuple(outcome for turn in self.turns[self._prompt_at :] for outcome in turn.outcomes)

    def block_object(self, name: str) -> dict[str, Any]:
        """Return a block that holds a JSON object; empty where there is none."""
        return read_object(self.blocks.get(name, ""))

    @cached_property
    def notes(self) -> list[dict[str, Any]]:
        """The scratchpad, oldest first."""
        return _read_list(self.blocks.get("notes", ""))

    @cached_property
    def memory(self) -> list[dict[str, Any]]:
        """Policies and earlier episodes that were found for this request."""
        return _read_list(self.blocks.get("memory", ""))


@dataclass(frozen=True)
class Said:
    """What the policy says: thinking first, then words, then tool calls (name and arguments)."""

    thinking: str = ""
    text: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    data: dict[str, Any] | None = field(default=None)
    """What ``text`` says as JSON, where an object was asked for."""

    @staticmethod
    def of(thinking: str, data: dict[str, Any]) -> "Said":
        """Answer with a JSON object."""
        return Said(thinking, json.dumps(data, ensure_ascii=False), data=data)


def read_object(text: str) -> dict[str, Any]:
    """Return a JSON object; empty for anything else."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _read_list(text: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return list(_objects(found)) if isinstance(found, list) else []


def _objects(found: list[Any]) -> Iterator[dict[str, Any]]:
    for one in found:
        if isinstance(one, dict):
            yield one


def _untagged(text: str) -> str:
    found = dict(BLOCK.findall(text))
    return str(found.get("user_input", text)).strip()
