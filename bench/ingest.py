"""Ingest until readable: Clew and the floor in turns, the same requests to both, medians compared.

*Readable* is the whole way: from the first byte sent until the last trace answers with all its spans and everything that
arrived is linked, so in all lists and sums. Processor time is that of all processes of a server until then, its database
included.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from .content import SPANS_PER_TRACE
from .figures import Figure, median, percentile
from .payloads import SPANS_PER_REQUEST, TRACES_PER_SERVICE, Encoding, Request, Workload, requests
from .postgres import Cluster, binaries
from .processes import PeakMemory
from .scale import Scale
from .senders import send
from .server import ClewServer, FloorServer, Server, wait_until

_LEAST_OF_FLOOR = 0.4
_MOST_CPU_S, _MOST_CPU_OF_FLOOR = 0.12, 2.7
_MOST_ACK_MS, _MOST_ACK_OF_FLOOR = 200.0, 1.45
_LEAST_ON_POSTGRES, _POSTGRES_OF_FLOOR = 5_000.0, 0.26
"""The absolute limits belong to a machine on which the floor takes 0.045 s and 139 ms, and stores 19,215 spans/s. On a slower one they
are divided by these."""

_READABLE_TIMEOUT_S = 300.0
_TRACE_STEP_NS = 20_000_000_000


@dataclass(frozen=True, slots=True)
class Round:
    """One measured round of requests to one server."""

    readable_per_s: float
    acked_per_s: float
    cpu_s_per_1k: float
    ack_ms: list[float]
    peak_mb: float
    retries: int


class Supply:
    """Hands out traces that were never sent before."""

    def __init__(self, traces: int) -> None:
        self.workload = Workload(seed=time.time_ns(), first_ns=time.time_ns() - 20 * 86_400 * 10**9, step_ns=_TRACE_STEP_NS)
        self._next = 0
        self._traces = traces

    def batch(self, encoding: Encoding = "protobuf", spans: int = SPANS_PER_REQUEST, share: float = 1.0) -> tuple[list[Request], int]:
        """Return requests and the number of the last trace in them."""
        groups = max(1, round(self._traces * share / TRACES_PER_SERVICE))
        numbers = range(self._next, self._next + groups * TRACES_PER_SERVICE)
        self._next = numbers.stop
        return list(requests(self.workload, numbers, encoding, spans)), numbers.stop - 1


def run_round(server: Server, workload: Workload, batch: tuple[list[Request], int]) -> Round:
    """Send a batch and wait until it is readable. Raises ``TimeoutError`` where it never is."""
    ready, last = batch
    cpu_s = server.cpu_s()
    with PeakMemory(server.trees) as watched:
        sent = send(server.otlp_port, ready)
        wait_until(lambda: server.span_count(workload.trace_id(last)) == SPANS_PER_TRACE, _READABLE_TIMEOUT_S)
        readable_at = wait_until(server.has_linked_all, _READABLE_TIMEOUT_S)
    used_s = server.cpu_s() - cpu_s
    return Round(
        readable_per_s=sent.spans / (readable_at - sent.started),
        acked_per_s=sent.acked_per_s,
        cpu_s_per_1k=used_s / sent.spans * 1000,
        ack_ms=sent.ack_ms,
        peak_mb=watched.peak.pss_mb,
        retries=sent.retries,
    )


def measure(scale: Scale) -> Iterator[Figure]:
    """Measure all ways in on SQLite, then protobuf on PostgreSQL where there is one."""
    supply = Supply(scale.ingest_traces)
    with ExitStack() as stack:
        floor, clew = stack.enter_context(FloorServer()), stack.enter_context(ClewServer())
        _warm_up((floor, clew), supply)
        protobuf = _in_turns((floor, clew), supply, scale.rounds)
        yield from _figures("SQLite", protobuf[1], protobuf[0])
        singles = _in_turns((floor, clew), supply, scale.rounds, spans=SPANS_PER_TRACE)
        yield from _figures("SQLite, one trace a request", singles[1], singles[0])
        json = _in_turns((clew,), supply, scale.rounds, encoding="json")
        rate = median([one.readable_per_s for one in protobuf[1]])
        yield _rate("SQLite, OTLP/JSON", json[0], limit=0.5 * rate, note="limit: half of protobuf")
        yield _cpu("SQLite, OTLP/JSON", json[0])
    yield from _on_postgres(scale, supply, floor_rate=median([one.readable_per_s for one in protobuf[0]]))


def _on_postgres(scale: Scale, supply: Supply, floor_rate: float) -> Iterator[Figure]:
    bin_directory = binaries()
    if bin_directory is None:
        print("PostgreSQL is not installed here: left out")
        return
    with Cluster(bin_directory) as cluster, ClewServer(cluster.url, cluster.pid) as clew:
        _warm_up((clew,), supply)
        rounds = _in_turns((clew,), supply, scale.rounds)[0]
        rate = _rate("PostgreSQL", rounds, limit=_LEAST_ON_POSTGRES)
        yield rate
        yield Figure("ingest against floor, PostgreSQL", rate.measured / floor_rate, "x", _POSTGRES_OF_FLOOR, "at least")
        yield _cpu("PostgreSQL", rounds, note="the database's own included")
        yield _acks("PostgreSQL", rounds)


def _warm_up(servers: Sequence[Server], supply: Supply) -> None:
    batch = supply.batch(share=0)
    for server in servers:
        run_round(server, supply.workload, batch)


def _in_turns(
    servers: Sequence[Server], supply: Supply, rounds: int, encoding: Encoding = "protobuf", spans: int = SPANS_PER_REQUEST
) -> list[list[Round]]:
    """Return the rounds of each server. Within a round all get the same requests, one server after the other."""
    results: list[list[Round]] = [[] for _ in servers]
    for _ in range(rounds):
        batch = supply.batch(encoding, spans)
        for server, result in zip(servers, results, strict=True):
            result.append(run_round(server, supply.workload, batch))
    return results


def _figures(name: str, clew: list[Round], floor: list[Round]) -> Iterator[Figure]:
    floor_rate = median([one.readable_per_s for one in floor])
    yield _rate(name, clew, limit=_LEAST_OF_FLOOR * floor_rate, floor=floor_rate, note=f"limit: {_LEAST_OF_FLOOR} of floor")
    cpu, floor_cpu = _cpu(name, clew, note="linking included"), _cpu(name, floor)
    acks, floor_acks = _acks(name, clew), _acks(name, floor)
    if name != "SQLite":
        yield replace(cpu, floor=floor_cpu.measured)
        yield replace(acks, floor=floor_acks.measured)
        return
    yield replace(cpu, floor=floor_cpu.measured, limit=max(_MOST_CPU_S, _MOST_CPU_OF_FLOOR * floor_cpu.measured))
    yield replace(acks, floor=floor_acks.measured, limit=max(_MOST_ACK_MS, _MOST_ACK_OF_FLOOR * floor_acks.measured))
    yield Figure("memory of all processes, peak in ingest", max(one.peak_mb for one in clew), "MB PSS", 500)


def _rate(name: str, rounds: list[Round], limit: float | None = None, floor: float | None = None, note: str = "") -> Figure:
    retries = sum(one.retries for one in rounds)
    acked = median([one.acked_per_s for one in rounds])
    told = [note, f"acked {acked:,.0f}/s", f"{retries} answers of 503" if retries else ""]
    rate = median([one.readable_per_s for one in rounds])
    return Figure(f"ingest until readable, {name}", rate, "spans/s", limit, "at least", floor, "; ".join(filter(None, told)))


def _cpu(name: str, rounds: list[Round], note: str = "") -> Figure:
    used_s = median([one.cpu_s_per_1k for one in rounds])
    return Figure(f"CPU per 1,000 spans, {name}", used_s, "s", note=note)


def _acks(name: str, rounds: list[Round]) -> Figure:
    acks = [ack for one in rounds for ack in one.ack_ms]
    return Figure(f"ack p99, {name}", percentile(acks, 99), "ms", note=f"p50 {percentile(acks, 50):.0f} ms")
