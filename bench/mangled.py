"""What people paste: ids and references as they come out of logs, mails and chats. The right run is to be the first one found."""

from collections.abc import Callable, Iterator
from random import Random
from uuid import UUID

from .figures import Figure, percentile
from .fill import FilledStore, Stored
from .scale import Scale
from .timing import with_query

_INPUTS = 200
_LEAST_FOUND = 99.0
_P95_MS = 300.0

_MANGLE: tuple[Callable[[str, str, str], str], ...] = (
    lambda trace, span, order: trace.upper(),
    lambda trace, span, order: f"  {trace}\n",
    lambda trace, span, order: f'"{trace}",',
    lambda trace, span, order: f"`{trace}`.",
    lambda trace, span, order: f"0x{trace}",
    lambda trace, span, order: str(UUID(trace)),
    lambda trace, span, order: f"{{{str(UUID(trace)).upper()}}}",
    lambda trace, span, order: " ".join(trace[at : at + 8] for at in range(0, 32, 8)),
    lambda trace, span, order: trace[:12],
    lambda trace, span, order: trace[:10].upper(),
    lambda trace, span, order: f"{trace[:12]}…{trace[-4:]}",
    lambda trace, span, order: f"{trace[:6]}...{trace[-6:]}",
    lambda trace, span, order: f"00-{trace}-{span}-01",
    lambda trace, span, order: f"traceparent: 00-{trace}-{span}-00",
    lambda trace, span, order: f"https://clew.example/traces/{trace}?view=chain&step={span}",
    lambda trace, span, order: f"see [this run](http://127.0.0.1:7070/traces/{trace}), please",
    lambda trace, span, order: f"https://grafana.example/explore?left=%7B%22query%22%3A%22{trace}%22%7D",
    lambda trace, span, order: f"2026-05-12 07:41:09,123 ERROR [scheduler,{trace},{span}] tool failed",
    lambda trace, span, order: f'{{"level":"error","trace_id":"{trace}","span_id":"{span}","msg":"no slot"}}',
    lambda trace, span, order: f"level=warn traceID={trace} caller=agent.py:214",
    lambda trace, span, order: f"\u200b{trace}\u202c",
    lambda trace, span, order: span.upper(),
    lambda trace, span, order: f"span {span} of yesterday",
    lambda trace, span, order: order,
    lambda trace, span, order: f"#{order}",
    lambda trace, span, order: f"Re: order {order}, wrong answer!",
    lambda trace, span, order: f"order={order};",
    lambda trace, span, order: f"The customer of {order} says that the agent was wrong",
    lambda trace, span, order: f"https://desk.example/orders/{order}?tab=history",
    lambda trace, span, order: f"run {trace[:14]} ended at 07:41",
)


def measure(store: FilledStore, scale: Scale) -> Iterator[Figure]:
    """Ask for two hundred stored runs, each in one of thirty ways of writing what names it."""
    rng = Random(store.traces + 3)
    found, took_ms = 0, []
    for number in range(_INPUTS):
        stored = store.pick(rng)
        answer = store.server.get(with_query("/api/v1/lookup", q=_mangled(stored, number)))
        matches = answer.json()["matches"]
        found += bool(matches) and matches[0]["trace_id"] == stored.trace_id.hex()
        took_ms.append(answer.took_ms)
    size = f"{store.spans:,} spans"
    yield Figure(f"mangled inputs whose run is found first, {size}", 100 * found / _INPUTS, "%", _LEAST_FOUND, "at least")
    yield Figure(f"lookup by mangled input p95, {size}", percentile(took_ms, 95), "ms", _P95_MS)


def _mangled(stored: Stored, number: int) -> str:
    span_id = stored.workload.span_id(stored.number, 5).hex()
    return _MANGLE[number % len(_MANGLE)](stored.trace_id.hex(), span_id, stored.workload.reference(stored.number))
