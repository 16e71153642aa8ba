"""How soon a span is seen after its acknowledgement: by lookup at once, in lists within two seconds."""

import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

from .content import SPANS_PER_TRACE
from .figures import Figure, percentile
from .ingest import Supply
from .payloads import Workload, requests
from .scale import Scale
from .senders import send
from .server import ClewServer, Server, wait_until
from .timing import with_query

_LISTED_MS = 2_000.0
_TIMEOUT_S = 60.0


class _Seen(NamedTuple):
    at_once: bool
    listed_ms: float


def measure(scale: Scale) -> Iterator[Figure]:
    """Send traces one by one and look for each: beside nothing else, then beside four senders at full speed."""
    probes = Workload(seed=time.time_ns(), first_ns=time.time_ns() - 3600 * 10**9)
    supply = Supply(scale.ingest_traces)
    with ClewServer() as server:
        send(server.otlp_port, supply.batch(share=0)[0])
        yield from _figures("quiet", [_probe(server, probes, number) for number in range(scale.requests // 2)])
        ready, _ = supply.batch(share=4)
        load = threading.Thread(target=send, args=(server.otlp_port, ready), daemon=True)
        load.start()
        number = scale.requests
        seen: list[_Seen] = []
        while load.is_alive() or not seen:
            seen.append(_probe(server, probes, number))
            number += 1
        load.join()
        yield from _figures("beside 4 senders at full speed", seen)


def _probe(server: Server, probes: Workload, number: int) -> _Seen:
    send(server.otlp_port, list(requests(probes, range(number, number + 1))), senders=1)
    acked_at = time.perf_counter()
    at_once = server.span_count(probes.trace_id(number)) == SPANS_PER_TRACE
    asked = with_query("/api/v1/traces", filter=f'reference.order = "{probes.reference(number)}"', order="started")
    hex_id = probes.trace_id(number).hex().encode()
    listed_at = wait_until(lambda: hex_id in server.get(asked).body, _TIMEOUT_S)
    return _Seen(at_once, (listed_at - acked_at) * 1000)


def _figures(name: str, seen: list[_Seen]) -> Iterator[Figure]:
    share = 100 * sum(one.at_once for one in seen) / len(seen)
    listed_ms = [one.listed_ms for one in seen]
    yield Figure(f"readable at the first look after the answer, {name}", share, "%", 100, "at least", note=f"{len(seen)} traces")
    note = f"median {percentile(listed_ms, 50):.0f} ms"
    yield Figure(f"in lists after the answer, {name}: slowest", max(listed_ms), "ms", _LISTED_MS, note=note)
