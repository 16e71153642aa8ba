"""What the traces of the benchmarks say: agents whose model calls repeat their whole history, as real agents' calls do.

A planned trace is 24 spans: one agent, eleven model calls and the twelve tools these asked for, about 25 attributes and
3.5 KB a span. Words in ``~`` are filled in per trace by ``payloads``, each with a text of the same length.
"""

import json
import re
from dataclasses import dataclass
from random import Random
from typing import Any

SESSION = "~session~"
USER = "~user~"
NUMBER = "~number~~"
"""The number of the trace in nine digits: its order reference, and part of the ids of its calls."""
RARE_WORD = "~rareword~"
ROOT_HEX = "~rootspan-hex~~~"

SPANS_PER_TRACE = 24

_MODEL_CALLS = 11
_CALLS_FOR_TWO_TOOLS = (2, 6)
_REMEMBERED_MESSAGES = 6
"""Beside the question: agents keep their context bounded."""

_SYLLABLES = tuple(re.findall("..", "bacodefiguhajekilomunapequirosatevuwixoyazenterlingmondstapration"))
_VOCABULARY_WORDS = 3000


@dataclass(frozen=True, slots=True)
class Agent:
    """One kind of agent and what it runs on."""

    name: str
    service: str
    environment: str
    provider: str
    model: str
    host: str


AGENTS = (
    Agent("scheduler", "clinic-scheduling", "production", "openai", "gpt-4.1", "api.openai.com"),
    Agent("triage", "clinic-scheduling", "production", "openai", "gpt-4.1-mini", "api.openai.com"),
    Agent("billing", "billing-assistant", "production", "anthropic", "claude-sonnet-4-5", "api.anthropic.com"),
    Agent("refunds", "billing-assistant", "staging", "anthropic", "claude-haiku-4-5", "api.anthropic.com"),
    Agent("researcher", "research-desk", "production", "gcp.gemini", "gemini-2.5-flash", "generativelanguage.googleapis.com"),
    Agent("summariser", "research-desk", "staging", "openai", "gpt-4o-mini", "api.openai.com"),
)

TOOLS = ("check_slots", "find_customer", "read_order", "book_slot", "send_notice")


@dataclass(frozen=True, slots=True)
class PlannedSpan:
    """One span of a planned trace; ``parent`` is the place of its parent in the trace."""

    parent: int | None
    name: str
    kind: int
    start_us: int
    end_us: int
    error: str | None
    attributes: dict[str, Any]


class Words:
    """Text that looks like text to a compressor and to a search index: few words are common, many are rare."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        made = Random(3)
        self._all = ["".join(made.choices(_SYLLABLES, k=made.choice((1, 2, 2, 3)))) for _ in range(_VOCABULARY_WORDS)]

    def text(self, words: int) -> str:
        """Return a text of this many words in sentences; the nth word of the vocabulary is as likely as 1 / n."""
        picked = [self._all[int(_VOCABULARY_WORDS ** self._rng.random()) - 1] for _ in range(words)]
        for place in range(11, len(picked), 12):
            picked[place] += "."
        return " ".join(picked).capitalize()


def resource_attributes(agent: Agent) -> dict[str, Any]:
    """Return the attributes of the process that an agent runs in."""
    return {
        "service.name": agent.service,
        "service.version": "2.7.1",
        "service.instance.id": f"{agent.service}-5d9c7",
        "deployment.environment.name": agent.environment,
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": "1.38.0",
        "host.name": f"node-{agent.name}",
        "process.pid": 4711,
    }


def plan_trace(agent: Agent, rng: Random) -> list[PlannedSpan]:
    """Return the spans of one run of an agent, the agent's own first. One run in ten fails."""
    return _Planner(agent, rng).plan()


class _Planner:
    """Plays one run: the clock goes on and the conversation grows with every call."""

    def __init__(self, agent: Agent, rng: Random) -> None:
        self._agent = agent
        self._rng = rng
        self._words = Words(rng)
        self._now_us = 1_000
        self._spans: list[PlannedSpan] = []
        self._question = f"Order {NUMBER}: {self._words.text(36)}"
        self._history: list[dict[str, Any]] = [_message("user", _text(self._question))]
        self._instructions = json.dumps([_text(f"You are {agent.name}. {self._words.text(40)}")])
        self._offered = json.dumps([_tool_definition(name, self._words) for name in TOOLS])
        self._fails = rng.random() < 0.1

    def plan(self) -> list[PlannedSpan]:
        answer = ""
        for call in range(_MODEL_CALLS):
            is_last = call == _MODEL_CALLS - 1
            asked = [] if is_last else self._requests(call)
            answer = self._model_call(call, asked)
            self._history.append(_message("tool", *(self._tool_call(*request) for request in asked)))
        error = "ToolFailure" if self._fails else None
        root = PlannedSpan(None, f"invoke_agent {self._agent.name}", 1, 0, self._now_us, error, self._agent_attributes(answer))
        return [root, *self._spans]

    def _requests(self, call: int) -> list[tuple[str, str, str]]:
        wanted = 2 if call in _CALLS_FOR_TWO_TOOLS else 1
        arguments = [json.dumps({"order": NUMBER, "query": self._words.text(5), "limit": self._rng.randrange(50)}) for _ in range(wanted)]
        return [(f"call_{NUMBER}_{call:02d}{place}", self._rng.choice(TOOLS), arguments[place]) for place in range(wanted)]

    def _model_call(self, call: int, asked: list[tuple[str, str, str]]) -> str:
        history = json.dumps(self._history[:1] + self._history[1:][-_REMEMBERED_MESSAGES:])
        thought = f"{self._words.text(22)} {RARE_WORD if call == 4 else self._words.text(1)}."
        said = self._words.text(8 if asked else 50)
        parts = [{"type": "reasoning", "content": thought}, _text(said)]
        parts += [{"type": "tool_call", "id": key, "name": name, "arguments": json.loads(text)} for key, name, text in asked]
        reply = _message("assistant", *parts)
        finish = "tool_calls" if asked else "stop"
        attributes = self._call_attributes(call, len(history) // 4, finish) | {
            "gen_ai.input.messages": history,
            "gen_ai.output.messages": json.dumps([reply | {"finish_reason": finish}]),
        }
        self._add(f"chat {self._agent.model}", 3, self._rng.randrange(400_000, 2_500_000), attributes, None)
        self._history.append(reply)
        return said

    def _call_attributes(self, call: int, input_tokens: int, finish: str) -> dict[str, Any]:
        agent = self._agent
        return {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": agent.provider,
            "gen_ai.request.model": agent.model,
            "gen_ai.response.model": agent.model,
            "gen_ai.response.id": f"resp_{NUMBER}_{self._rng.getrandbits(128):032x}",
            "gen_ai.request.temperature": 0.2,
            "gen_ai.request.top_p": 0.95,
            "gen_ai.request.max_tokens": 4096,
            "gen_ai.output.type": "text",
            "gen_ai.response.finish_reasons": [finish],
            "gen_ai.usage.input_tokens": input_tokens + 400,
            "gen_ai.usage.cache_read.input_tokens": input_tokens * 3 // 4 if call else 0,
            "gen_ai.usage.output_tokens": self._rng.randrange(40, 400),
            "gen_ai.usage.reasoning.output_tokens": self._rng.randrange(10, 40),
            "gen_ai.system_instructions": self._instructions,
            "gen_ai.tool.definitions": self._offered,
            "server.address": agent.host,
            "server.port": 443,
            "http.response.status_code": 200,
            "code.function.name": f"{agent.name}.loop.ask_model",
        } | self._common_attributes()

    def _tool_call(self, key: str, name: str, arguments: str) -> dict[str, Any]:
        error = "timeout" if self._rng.random() < 0.04 else None
        result = json.dumps({"ok": error is None, "note": self._words.text(34), "etag": f"{self._rng.getrandbits(256):064x}"})
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.description": f"Does what {name} says for one customer of the clinic.",
            "gen_ai.tool.call.id": key,
            "gen_ai.tool.call.arguments": arguments,
            "gen_ai.tool.call.result": result,
            "code.function.name": f"{self._agent.name}.tools.{name}",
            "code.file.path": f"/srv/app/{self._agent.name}/tools.py",
            "code.line.number": 88,
            "db.system.name": "postgresql",
            "db.operation.name": "SELECT",
            "peer.service": "orders",
            "cache.key": f"{self._rng.getrandbits(384):096x}",
            "db.query.summary": self._words.text(16),
            "network.peer.port": self._rng.randrange(32768, 60999),
        } | ({"error.type": error} if error else {})
        self._add(f"execute_tool {name}", 1, self._rng.randrange(20_000, 900_000), attributes | self._common_attributes(), error)
        return {"type": "tool_call_response", "id": key, "result": result}

    def _agent_attributes(self, answer: str) -> dict[str, Any]:
        return {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.provider.name": self._agent.provider,
            "gen_ai.request.model": self._agent.model,
            "gen_ai.agent.description": "Answers one request about an order.",
            "gen_ai.agent.version": "12",
            "gen_ai.system_instructions": self._instructions,
            "gen_ai.input.messages": json.dumps(self._history[:1]),
            "gen_ai.output.messages": json.dumps([_message("assistant", _text(answer)) | {"finish_reason": "stop"}]),
            "clew.reference.order": NUMBER,
            "clew.termination.reason": "tool_failure" if self._fails else "completed",
            "clew.budget.tokens": 500_000,
            "clew.budget.steps": 60,
        } | self._common_attributes()

    def _common_attributes(self) -> dict[str, Any]:
        return {
            "gen_ai.agent.name": self._agent.name,
            "gen_ai.agent.id": f"agent-{self._agent.name}",
            "gen_ai.conversation.id": SESSION,
            "session.id": SESSION,
            "user.id": USER,
            "clew.run.id": ROOT_HEX,
            "thread.name": "MainThread",
        }

    def _add(self, name: str, kind: int, lasts_us: int, attributes: dict[str, Any], error: str | None) -> None:
        self._spans.append(PlannedSpan(0, name, kind, self._now_us, self._now_us + lasts_us, error, attributes))
        self._now_us += lasts_us + 1_000


def _text(content: str) -> dict[str, Any]:
    return {"type": "text", "content": content}


def _message(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "parts": list(parts)}


def _tool_definition(name: str, words: Words) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"order": {"type": "string"}, "query": {"type": "string"}}}
    return {"type": "function", "name": name, "description": words.text(8), "parameters": schema}
