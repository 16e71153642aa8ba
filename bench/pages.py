"""Every page over a filled store: how long the server takes until its last byte is here."""

from collections.abc import Callable, Iterator
from random import Random

from .figures import Figure, percentile
from .fill import FilledStore, Stored, WrongAnswer
from .scale import Scale
from .timing import with_query

_MEDIAN_MS, _P99_MS = 200.0, 1000.0

_AGENTS = ("billing", "refunds")
_ANY_STEP = 'any step (tool.name = "check_slots" and tool.error contains "timeout")'

_PAGES: tuple[tuple[str, Callable[[Stored], str]], ...] = (
    ("home", lambda stored: "/"),
    ("runs", lambda stored: "/runs"),
    ("runs, filtered", lambda stored: with_query("/runs", filter=f'status = "error" and started > -{300 + stored.number % 400}h')),
    ("runs, any step", lambda stored: with_query("/runs", filter=_ANY_STEP)),
    ("run", lambda stored: f"/traces/{stored.trace_id.hex()}"),
    ("run, timeline", lambda stored: f"/traces/{stored.trace_id.hex()}?view=timeline"),
    ("run, graph", lambda stored: f"/traces/{stored.trace_id.hex()}?view=graph"),
    ("run, conversation", lambda stored: f"/traces/{stored.trace_id.hex()}?view=conversation"),
    ("run, raw", lambda stored: f"/traces/{stored.trace_id.hex()}?view=raw"),
    ("lookup, which leads to the run", lambda stored: f"/lookup?q=order+{stored.workload.reference(stored.number)}"),
    ("finding the nearest good run", lambda stored: f"/compare?a={stored.trace_id.hex()}"),
    ("session", lambda stored: f"/sessions/{stored.workload.session(stored.number)}"),
    ("user", lambda stored: f"/users/{stored.workload.user(stored.number)}"),
    ("costs, 30 days", lambda stored: "/costs?last=30d"),
    ("costs, 7 days", lambda stored: "/costs?last=7d"),
    ("decisions", lambda stored: "/decisions?last=30d"),
    ("tools", lambda stored: "/tools?last=30d"),
    ("terminations", lambda stored: "/terminations?last=30d"),
    ("agents", lambda stored: "/agents?last=30d"),
    ("agent", lambda stored: f"/agents/{_AGENTS[stored.number % 2]}?last=30d"),
    ("readiness", lambda stored: f"/readiness?agent={_AGENTS[stored.number % 2]}&last=30d"),
    ("alerts", lambda stored: "/alerts"),
)


def measure(store: FilledStore, scale: Scale) -> Iterator[Figure]:
    """Measure each page for other runs, agents and times each time, none of them opened before."""
    rng = Random(store.traces + 2)
    for name, path_of in _PAGES:
        took_ms = _time(store, [path_of(store.pick(rng)) for _ in range(2 * scale.requests)])
        for percent, limit in ((50, _MEDIAN_MS), (99, _P99_MS)):
            yield Figure(f"page: {name} p{percent}, {store.spans:,} spans", percentile(took_ms, percent), "ms", limit)


def _time(store: FilledStore, paths: list[str]) -> list[float]:
    took_ms = []
    for path in paths:
        answer = store.server.get(path)
        # The only run that a lookup is about, and the nearest good run once found, have addresses of their own.
        if answer.status != 302 and (answer.status != 200 or b"</html>" not in answer.body):
            raise WrongAnswer(f"{path} is answered with {answer.status}: {answer.body[:200]!r}")
        took_ms.append(answer.took_ms)
    return took_ms
