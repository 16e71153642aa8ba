"""What pages and the API ask the store for, for the project that the request may read."""

import time
from collections.abc import Sequence

from flask import current_app, g
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

from ingest.chain.reconstruct import TraceContext, reconstruct
from ingest.model import Decision, LogRecord, Run, Span, Trace, TraceSummary
from ingest.settings import Settings
from ingest.store import access, costs, lists, lore, reader, search
from ingest.store.engine import Store, StoreBusy, schema_problem
from ingest.store.lists import BadCursor, ListQuery
from ingest.store.long_chain import read_chain
from ingest.store.prices import load_prices
from ingest.store.query import CostTable
from ingest.store.schema import REVISION

from .format import clock
from .kept import KeptTraces
from .lookup import MOST_MATCHES, Match, Miss, Sources
from .pages.lore import Lore
from .telemetry import Telemetry
from .zones import zone_name

__all__ = ("AWAY", "BadCursor", "Library", "ListQuery", "Reads", "library", "reads")

AWAY = (StoreBusy, DBAPIError, NoConnection)
"""What reading raises where the store does not answer."""


class Library:
    """What the application holds for its life: settings, store, price list, counters."""

    def __init__(self, settings: Settings, store: Store, telemetry: Telemetry) -> None:
        self.settings, self.store, self.telemetry = settings, store, telemetry
        self.prices = load_prices(store)
        self.kept = KeptTraces()
        self._names: dict[int, str] = {}
        self.endpoint = f"http://{settings.host}:{settings.otlp_http_port}"
        """Where senders reach the ingest part, as far as this process knows."""

    def project_name(self, project_id: int) -> str:
        """Return a project's name, which never changes."""
        if project_id not in self._names:
            self._names[project_id] = access.project_name(self.store, project_id)
        return self._names[project_id]

    def problem(self) -> str | None:
        """Say why the store cannot serve now, or None."""
        return schema_problem(self.store, REVISION)

    def explain(self, error: Exception) -> str | None:
        """Say in a sentence why the store did not answer; None where its complaint is a fault of ours."""
        if isinstance(error, DBAPIError) and not error.connection_invalidated:
            return self.problem() or ("The store cannot be read now." if isinstance(error, OperationalError) else None)
        return "The store cannot be read now."


def library() -> Library:
    """Return the application's library."""
    found: Library = current_app.extensions["clew"]
    return found


def reads() -> "Reads":
    """Return the reads of the current request's project."""
    return Reads(library(), g.project_id)


class Reads:
    """Everything that is read of one project."""

    def __init__(self, lib: Library, project_id: int) -> None:
        self._lib, self._store, self._project_id = lib, lib.store, project_id

    def project_name(self) -> str:
        """Return the project's name."""
        return self._lib.project_name(self._project_id)

    def trace(self, trace_id: bytes) -> Trace | None:
        """Return a trace, reconstructed from what is stored now, or as that was linked; None where no span of it is."""
        key = (self._project_id, trace_id)
        with self._store.engine.connect() as conn:
            version = lore.read_version(conn, *key)
            if version is None:
                return None
            kept = self._lib.kept.get(key, version)
            if kept is not None:
                return kept
            found = read_chain(conn, *key, time.time_ns())
            stored = None if found is not None else reader.read_trace(conn, *key)
        if stored is not None and stored.spans:
            context = TraceContext(trace_id, stored.first_seen_ns, stored.last_seen_ns, time.time_ns(), self._lib.prices.price)
            found = stored.version, reconstruct(stored.spans, context)
        if found is None:
            return None
        version, trace = found
        if trace.state in ("complete", "incomplete"):
            # The others change with time alone.
            self._lib.kept.put(key, version, trace)
        return trace

    def spans(self, trace_id: bytes) -> list[Span]:
        """Return every span of a trace, whole."""
        with self._store.engine.connect() as conn:
            return reader.read_spans(conn, self._project_id, trace_id)

    def records(self, trace_id: bytes) -> list[LogRecord]:
        """Return every log record of a trace, whole."""
        with self._store.engine.connect() as conn:
            return reader.read_trace_records(conn, self._project_id, trace_id)

    def span(self, trace_id: bytes, span_id: bytes) -> Span | None:
        """Return one span, whole."""
        with self._store.engine.connect() as conn:
            return reader.read_span(conn, self._project_id, trace_id, span_id)

    def listed(self, query: ListQuery) -> tuple[list[TraceSummary], str | None]:
        """Return a page of traces and the cursor of the next."""
        page = lists.list_traces(self._store, self._project_id, query)
        return page.items, page.next

    def summaries(self, trace_ids: Sequence[bytes]) -> dict[bytes, TraceSummary]:
        """Return what lists say of traces, as far as they are linked."""
        return lists.read_summaries(self._store, self._project_id, trace_ids)

    def session(self, session_id: str, limit: int) -> list[TraceSummary]:
        """Return a session's traces in the order they started."""
        return lists.runs_of_session(self._store, self._project_id, session_id, limit)

    def costs(self, by: Sequence[str], from_ns: int, to_ns: int) -> CostTable:
        """Return what was spent."""
        return costs.costs(self._store, self._project_id, from_ns, to_ns, by)

    def unlinked(self) -> int:
        """Return how many traces arrived and are in no list yet."""
        with self._store.engine.connect() as conn:
            return reader.count_pending(conn)

    def explain_trace(self, trace_id: bytes) -> Miss | None:
        """Say why a trace is not here, if anything is known of it."""
        at = lists.deleted_ns(self._store, self._project_id, trace_id)
        if at is None:
            return None
        return Miss("deleted_by_retention", f"This trace was here; retention deleted it on {clock(at, time.time_ns())} ({zone_name()}).")

    def sources(self) -> Sources:
        """Return what a lookup may ask."""
        return Sources(
            by_trace=lambda trace_id: self._matches([trace_id], "trace id"),
            by_prefix=self._by_prefix,
            by_span=self._by_span,
            by_value=self._by_value,
            by_text=self._by_text,
            explain_trace=self.explain_trace,
            unlinked=self.unlinked,
        )

    def _matches(self, trace_ids: Sequence[bytes], matched: str) -> list[Match]:
        """Return those of the traces that are stored, with what lists say of them where they are linked already."""
        known = lists.read_summaries(self._store, self._project_id, trace_ids)
        with self._store.engine.connect() as conn:
            stored = reader.which_stored(conn, self._project_id, [one for one in trace_ids if one not in known])
        found = []
        for trace_id in trace_ids:
            if trace_id in known:
                found.append(Match("trace", trace_id, known[trace_id].agent, known[trace_id].started_ns, matched))
            elif trace_id in stored:
                found.append(Match("trace", trace_id, None, None, matched))
        return found

    def _by_prefix(self, digits: str) -> list[Match]:
        with self._store.engine.connect() as conn:
            ids = [trace_id for trace_id, _ in reader.find_prefix(conn, self._project_id, digits, MOST_MATCHES)]
        found = self._matches(ids, f"trace id {digits}…")
        return sorted(found, key=lambda match: -(match.started_ns or 0))

    def _by_span(self, span_id: bytes) -> list[Match]:
        with self._store.engine.connect() as conn:
            ids = reader.find_spans(conn, self._project_id, span_id, MOST_MATCHES)
        return [_at_span(match, span_id) for match in self._matches(ids, f"span id {span_id.hex()}")]

    def _by_value(self, value: str) -> list[Match]:
        found = lists.find_by_reference(self._store, self._project_id, value, MOST_MATCHES)
        return [Match(one.kind, one.trace_id, one.agent, one.started_ns, f"{one.name or one.kind} {one.value}") for one in found]

    def _by_text(self, text: str) -> list[Match]:
        with self._store.engine.connect() as conn:
            hits = dict(reversed(search.search_text(conn, self._project_id, text, MOST_MATCHES)))
        found = self._matches(list(hits), f"words: {text[:100]}")
        return [_at_span(match, hits[match.trace_id]) for match in sorted(found, key=lambda match: -(match.started_ns or 0))]


def _at_span(match: Match, span_id: bytes) -> Match:
    return Match(match.kind, match.trace_id, match.agent, match.started_ns, match.matched, span_id)


# --- the run page -------------------------------------------------------------------------------------------------


def run_lore(trace_id: bytes) -> Lore:
    """Return what the page of a trace may ask the store for, each piece when it is asked."""
    lib, project_id = library(), g.project_id

    def records(span_id: bytes) -> Sequence[LogRecord]:
        with lib.store.engine.connect() as conn:
            return lore.read_records(conn, project_id, trace_id, span_id)

    def peers(run: Run) -> lore.Peers:
        with lib.store.engine.connect() as conn:
            return lore.read_peers(conn, project_id, run.agent, trace_id)

    def habit(run: Run, made: Decision, before: str | None) -> lore.Habit:
        with lib.store.engine.connect() as conn:
            return lore.read_habit(conn, project_id, lore.State(run.agent, made, before))

    return Lore(lambda span_id: reads().span(trace_id, span_id), records, peers, habit, lib.prices.price)
