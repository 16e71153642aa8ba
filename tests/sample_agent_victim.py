"""A process that answers one request after another, each in a child that somebody may kill.

Reads a line of JSON for each: where the stores are, where Clew is, what is said. The child tells when it has begun (its trace can be
looked up then) and what it answered; the parent tells how it ended. Started once, because importing takes longer than answering.
"""

import json
import os
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import tracer
from sample_agent.agent import SchedulingAgent
from sample_agent.domain.store import DomainStore
from sample_agent.model_server.faults import Fault
from sample_agent.model_server.server import running_server
from sample_agent.models.settings import Endpoint, ModelSettings
from sample_agent.observe import Told
from sample_agent.settings import AgentSettings
from sample_agent.state.store import StateStore
from sample_agent.visit import Request, World

LATENCY = Fault(kind="latency", seconds=0.02, times=None)


def tell(**facts: Any) -> None:
    """Tell the test something, in one write."""
    os.write(1, json.dumps(facts).encode() + b"\n")


def main() -> None:
    """Answer until there is nothing more to read."""
    tell(ready=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            answer(json.loads(line))
            os._exit(0)
        tell(child=child)
        tell(ended=os.waitpid(child, 0)[1])


def answer(order: dict[str, Any]) -> None:
    """Answer a request as a process of its own would."""
    directory, begins = Path(order["directory"]), datetime.fromisoformat(order["now"])
    started_s = time.monotonic()
    tracer.configure(endpoint=order["endpoint"], service="victim", heartbeat_s=0.0)
    begun = threading.Event()

    def hear(told: Told) -> None:
        if not begun.is_set():
            begun.set()
            trace_id = tracer.current_run().trace_id
            threading.Thread(target=deliver, args=(trace_id,), daemon=True).start()

    with (
        DomainStore(directory / "calendars.db") as domain,
        StateStore(directory / "state.db") as state,
        running_server(faults=[LATENCY]) as server,
    ):
        models = ModelSettings(primary=Endpoint(server.url), fallback=Endpoint(f"{server.url}/v1"))
        now = lambda: datetime.fromtimestamp(begins.timestamp() + time.monotonic() - started_s, begins.tzinfo)  # noqa: E731
        world = World(domain, state, now, time.sleep)
        with SchedulingAgent(AgentSettings(models=models), world, also=hear, owner=f"process {os.getpid()}") as agent:
            reply = agent.handle(Request(order["says"], order["session"], "u", frozenset({"10422"})))
        tell(answered=reply.text, reason=reply.reason, trace=reply.trace_id)
    tracer.flush()


def deliver(trace_id: str) -> None:
    """Send what there is again and again, and tell that the run can be looked up."""
    tracer.flush()
    tell(begun=trace_id)
    while True:
        tracer.flush()
        time.sleep(0.005)


if __name__ == "__main__":
    main()
