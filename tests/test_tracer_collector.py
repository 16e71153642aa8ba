"""Spans that the garbage collector ends: it may come by anywhere, also in a thread that is inside one of our locks."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

SCRIPT = """
import faulthandler, gc, os, sys
faulthandler.dump_traceback_later(20, exit=True)
from tracer import Budget, agent_run, configure

configure(endpoint="http://127.0.0.1:9")
pipeline = sys.modules["tracer.configure"]._pipeline

@agent_run(budget=Budget(steps=9))
def agent():
    yield 1
    yield 2

def abandon():
    box = type("Box", (), {})()
    box.agent, box.itself = agent(), box
    next(box.agent)

gc.disable()
abandon()
lock = LOCK
with lock:
    gc.collect()
print(len(pipeline._parts.queue) > 0, flush=True)
os._exit(0)
"""

LOCKS = (
    "pipeline._parts.queue._lock",
    "pipeline._starting",
    "pipeline.losses._lock",
    'sys.modules["tracer.recording.guard"]._lock',
    'sys.modules["tracer.recording.scope"]._claiming',
    'sys.modules["tracer.recording.announce"]._starting',
)


@pytest.mark.parametrize("lock", LOCKS)
def test_the_collector_may_end_a_run_inside_a_lock(lock: str) -> None:
    """An agent that was thrown away in a cycle ends there and then, and the thread goes on."""
    command = [sys.executable, "-c", SCRIPT.replace("LOCK", lock)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "True\n", done.stderr
