"""What recording costs a host while the backend behaves badly: time added to a step, and memory.

``python -m bench.sdk_faults [--steps N]``. Each fault has a process of its own, so that memory is its own as well. A step is one block of
the public API with ten attributes' worth of content; what it costs while nothing is configured is told beside it.
"""

import argparse
import json
import multiprocessing
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil

from tracer import agent_run, configure, step
from tracer.configure import losses

_TEXT = "The customer asks for a later appointment and would rather have it in the afternoon. " * 6
_PAUSE_S = 0.001
"""Between steps: an agent does something else as well, and so our thread has its turn."""

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_BUSY = b"HTTP/1.1 503 X\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
_BROKEN = b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"

Answer = Callable[[socket.socket], bool]
"""Answers a request that was read; False closes the connection."""


def _say(answer: bytes, after_s: float = 0.0) -> Answer:
    def say(connection: socket.socket) -> bool:
        time.sleep(after_s)
        connection.sendall(answer)
        return True

    return say


FAULTS: dict[str, Answer | None] = {
    "well": _say(_OK),
    "slow (0.5 s)": _say(_OK, 0.5),
    "hangs": _say(_OK, 30.0),
    "503, Retry-After: 1": _say(_BUSY),
    "500": _say(_BROKEN),
    "closes": lambda connection: False,
    "refused": None,
}


def _serve(answer: Answer) -> int:
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_talk, args=(connection, answer), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


def _talk(connection: socket.socket, answer: Answer) -> None:
    with connection:
        data = b""
        while more := connection.recv(1 << 20):
            data += more
            head, found, body = data.partition(b"\r\n\r\n")
            length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
            if found and len(body) >= length:
                data = body[length:]
                if not answer(connection):
                    return


def _run_backend(name: str, port: Any) -> None:
    answer = FAULTS[name]
    assert answer is not None
    port.value = _serve(answer)
    time.sleep(3_600)


def _measure_steps(steps: int) -> list[int]:
    took = []
    with agent_run("bench", input=_TEXT):
        for number in range(steps):
            began_ns = time.perf_counter_ns()
            with step(f"step {number % 50}") as one:
                one.input(_TEXT)
                one.thought(_TEXT)
                one.output({"slots": ["10:00", "10:30"], "count": number})
            took.append(time.perf_counter_ns() - began_ns)
            time.sleep(_PAUSE_S)
    return took


def _run_host(url: str, steps: int, found: Any) -> None:
    _measure_steps(200)
    off = _measure_steps(steps)
    configure(endpoint=url, heartbeat_s=0)
    _measure_steps(200)
    before = psutil.Process().memory_info().rss
    on = _measure_steps(steps)
    after = psutil.Process().memory_info().rss
    found.put({"off": _quantiles(off), "on": _quantiles(on), "memory_mib": (after - before) / (1 << 20), "lost": sum(losses().values())})


def _quantiles(took_ns: list[int]) -> dict[str, float]:
    """Return microseconds."""
    ordered = sorted(took_ns)
    return {name: ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1_000 for name, share in (("p50", 0.5), ("p99", 0.99))}


def measure(name: str, steps: int) -> dict[str, Any]:
    """Run a host in front of a backend with a fault."""
    context = multiprocessing.get_context("spawn")
    port, backend = context.Value("i", 0), None
    if FAULTS[name] is not None:
        backend = context.Process(target=_run_backend, args=(name, port), daemon=True)
        backend.start()
        while not port.value:
            time.sleep(0.05)
    found = context.Queue()
    host = context.Process(target=_run_host, args=(f"http://127.0.0.1:{port.value or 1}", steps, found))
    host.start()
    result: dict[str, Any] = found.get()
    host.join()
    if backend is not None:
        backend.kill()
        backend.join()
    return {"fault": name, **result}


def main() -> None:
    """Measure all faults and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    for name in FAULTS:
        result = measure(name, arguments.steps)
        if arguments.json:
            print(json.dumps(result))
            continue
        off, on = result["off"], result["on"]
        print(
            f"{name:<20} step p50 {on['p50']:7.1f} us (off {off['p50']:5.1f})   p99 {on['p99']:7.1f} us (off {off['p99']:5.1f})   "
            f"memory {result['memory_mib']:+6.1f} MiB   lost {result['lost']}"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
