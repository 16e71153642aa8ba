"""Running the programs of ``tracer_programs``: each node by the recorder of its kind, written in its style."""

import asyncio
import concurrent.futures
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from tracer import agent_run, configure, current_run, decision, handoff, llm_call, plan, record, retrieval, step, tool

from .tracer_programs import ERRORS, Node

_CAUGHT = tuple(ERRORS.values())


def switch_off() -> None:
    """End the pipeline that a test configured. A variable is the one way to say so."""
    os.environ["OTEL_SDK_DISABLED"] = "true"
    configure()
    del os.environ["OTEL_SDK_DISABLED"]


_traces: ContextVar[set[str]] = ContextVar("traces")
"""The traces of the runs begun so far."""


def play(program: Node) -> set[str]:
    """Run a program, and return the traces in which its runs began."""
    traces: set[str] = set()
    _traces.set(traces)
    asyncio.run(_play(program))
    return traces


# --- what is recorded ---------------------------------------------------------------------------------------------


def _scope(node: Node) -> Any:
    """Return the recorder of a node."""
    return _SCOPES[node.kind](node, node.name)


_SCOPES: dict[str, Callable[[Node, str], Any]] = {
    "run": lambda node, name: agent_run(name, input=f"in {name}", session="s-1", user="ada"),
    "step": lambda node, name: step(name),
    "memory": lambda node, name: step(name, kind="memory"),
    "guardrail": lambda node, name: step(name, kind="guardrail"),
    "plan": lambda node, name: plan(name=name, because=f"for {name}"),
    "tool": lambda node, name: tool(name, arguments={"name": name} if "with" in node.style else None),
    "decision": lambda node, name: decision(f"which {name}?", [(f"o{place}", place / 2) for place in range(node.size)], name=name),
    "retrieval": lambda node, name: retrieval(f"query {name}", name=name, source="shelf"),
    "handoff": lambda node, name: handoff(name, because=f"for {name}"),
    "llm": lambda node, name: llm_call(name, provider="openai", messages=[{"role": "user", "content": name}]),
}


def _begin(node: Node, handle: Any) -> None:
    """Record what is known at the beginning; there is no handle in a decorated function."""
    if node.kind == "run":
        current_run().reference(order=node.name)
        _traces.get(set()).add(current_run().trace_id)
    elif handle is not None and node.kind in ("step", "memory", "guardrail"):
        handle.thought(f"about {node.name}")


def _end(node: Node, handle: Any) -> Any:
    """Record how it ended, and return what a decorated function returns."""
    if node.end == "declared" and node.kind == "run":
        current_run().terminate("escalated", "as declared")
    if node.end in ERRORS:
        raise ERRORS[node.end](f"{node.name} failed")
    return _CLOSERS.get(node.kind, _close_plainly)(node, handle)


def _close_plainly(node: Node, handle: Any) -> Any:
    return f"out {node.name}"


def _close_tool(node: Node, handle: Any) -> Any:
    if handle is not None:
        handle.result(f"result {node.name}")
    return f"result {node.name}"


def _close_retrieval(node: Node, handle: Any) -> Any:
    return [{"id": node.name, "score": 0.5}]


_CLOSERS: dict[str, Callable[[Node, Any], Any]] = {"tool": _close_tool, "retrieval": _close_retrieval}


def _decide(node: Node, handle: Any) -> None:
    for place in range(node.size):
        handle.option(f"o{place}", because=f"why o{place}")
    handle.choose(f"o{node.size - 1}", because=node.name)


def _usage(size: int) -> dict[str, int]:
    return {"input": size, "output": size * 2, "cache_read": size // 2, "cache_write": size // 3, "reasoning": size}


def _reply(node: Node) -> dict[str, Any]:
    """Return a chat completion."""
    size = node.size
    usage = {
        "prompt_tokens": size,
        "completion_tokens": size * 2,
        "prompt_tokens_details": {"cached_tokens": size // 2, "cache_write_tokens": size // 3},
        "completion_tokens_details": {"reasoning_tokens": size},
    }
    message = {"role": "assistant", "content": f"says {node.name}", "reasoning_content": f"as {node.name}"}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return {"id": f"id-{node.name}", "object": "chat.completion", "model": node.name, "choices": [choice], "usage": usage}


# --- leaves -------------------------------------------------------------------------------------------------------


def _play_leaf(node: Node) -> None:
    name = node.name
    if node.kind == "llm":
        _play_call(node)
    elif node.kind == "thought":
        current_run().thought(name)
    elif node.kind == "retry":
        record("retry", attempt=1, because=name)
    elif node.kind == "fallback":
        record("fallback", source="big", to=name, because=name)
    else:
        record("cache", hit=True, name=name)


def _play_call(node: Node) -> None:
    if "call" in node.style and node.end == "return":
        _scope(node)(lambda messages: _reply(node))(["hi"])
        return
    with _scope(node) as call:
        if node.end == "return":
            call.record(_reply(node))
        else:
            call.usage(**_usage(node.size))
            call.thought(f"as {node.name}")
        _end(node, call)


# --- synchronous --------------------------------------------------------------------------------------------------


def _play_sync(node: Node) -> None:
    with suppress(*(_CAUGHT if node.caught else ())):
        if node.kind in ("llm", "thought", "retry", "fallback", "cache"):
            _play_leaf(node)
        elif node.style == "with":
            with _scope(node) as handle:
                _body(node, handle)
                if node.kind == "decision":
                    _decide(node, handle)
        elif node.style == "call":
            _called(node)
        else:
            _consume(node)


def _called(node: Node) -> None:
    if node.kind == "decision":
        # What a decorated function cannot say: the options' reasons.
        with _scope(node) as handle:
            _body(node, handle)
            _decide(node, handle)
        return

    def function(name: str) -> Any:
        return _body(node, None)

    _scope(node)(function)(node.name)


def _body(node: Node, handle: Any) -> Any:
    _begin(node, handle)
    if node.together == "threaded":
        _play_threaded(node)
    else:
        for child in node.children:
            _play_sync(child)
    return _end(node, handle)


def _play_threaded(node: Node) -> None:
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(current_run().wrap(_play_sync), child) for child in node.children]
    for future in futures:
        future.result()


def _consume(node: Node) -> None:
    def stream(name: str) -> Iterator[str]:
        _begin(node, None)
        for place, child in enumerate(node.children):
            _play_sync(child)
            yield f"item {place};"
        _end(node, None)

    items = _scope(node)(stream)(node.name)
    try:
        for taken, _ in enumerate(items, 1):
            if taken >= node.takes:
                break
    finally:
        items.close()


# --- asynchronous -------------------------------------------------------------------------------------------------


async def _play(node: Node) -> None:
    with suppress(*(_CAUGHT if node.caught else ())):
        if node.end == "cancelled":
            await _play_and_cancel(node)
        else:
            await _play_styled(node, asyncio.Event())


async def _play_and_cancel(node: Node) -> None:
    reached = asyncio.Event()
    task = asyncio.create_task(_play_styled(node, reached))
    waiting = asyncio.create_task(reached.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if reached.is_set():
        task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _play_styled(node: Node, reached: asyncio.Event) -> None:
    if node.kind in ("llm", "thought", "retry", "fallback", "cache") or node.style in ("call", "stream"):
        _play_sync(node)
    elif node.style == "with" or (node.kind == "decision" and node.style == "async call"):
        with _scope(node) as handle:
            await _body_async(node, handle, reached)
    elif node.style == "async with":
        async with _scope(node) as handle:
            await _body_async(node, handle, reached)
    elif node.style == "async call":

        async def function(name: str) -> Any:
            return await _body_async(node, None, reached)

        await _scope(node)(function)(node.name)
    else:
        await _consume_async(node)


async def _body_async(node: Node, handle: Any, reached: asyncio.Event) -> Any:
    _begin(node, handle)
    if node.together == "threaded":
        _play_threaded(node)
    elif node.together == "gathered":
        results = await asyncio.gather(*(_play(child) for child in node.children), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
    else:
        for child in node.children:
            await _play(child)
    if node.end == "cancelled":
        reached.set()
        await asyncio.Event().wait()
    value = _end(node, handle)
    if node.kind == "decision":
        _decide(node, handle)
    return value


async def _consume_async(node: Node) -> None:
    async def stream(name: str) -> AsyncIterator[str]:
        _begin(node, None)
        for place, child in enumerate(node.children):
            await _play(child)
            yield f"item {place};"
        _end(node, None)

    items = _scope(node)(stream)(node.name)
    taken = 0
    try:
        async for _ in items:
            taken += 1
            if taken >= node.takes:
                break
    finally:
        await items.aclose()
