"""``clew backup``, ``purge`` and ``relink``: operations on a whole store."""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ingest.settings import Settings, load_settings
from ingest.store.access import list_projects
from ingest.store.backup import backup
from ingest.store.chunks import renormalise_logs, renormalise_spans
from ingest.store.engine import Store
from ingest.store.linker import LinkReport, link_traces
from ingest.store.maintenance import purge, relink_all, renormalise_all
from webui.format import plural, size
from webui.lookup import trace_ids_in

from .errors import CliError
from .opening import opened_store, read_settings
from .progress import progress_bar
from .rulebook import make_rulebook

_DAY_NS = 86_400 * 10**9


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Carry out an operation and tell what it did."""
    settings = read_settings(arguments, environ)
    with opened_store(settings) as store:
        return _OPERATIONS[arguments.command](store, arguments, settings)


def _backup(store: Store, arguments: argparse.Namespace, settings: Settings) -> int:
    path = Path(arguments.file)
    backup(store, path)
    print(f"The store is copied to {path} ({size(path.stat().st_size)}).")
    return 0


def _purge(store: Store, arguments: argparse.Namespace, settings: Settings) -> int:
    days = _days(arguments.older_than, settings)
    now_ns = time.time_ns()
    with progress_bar("Deleting") as move:
        deleted = purge(store, now_ns - round(days * _DAY_NS), now_ns, move)
    print(f"Deleted {plural(deleted, 'trace')} of which nothing came for {days:g} days.")
    return 0


def _days(asked: str | None, settings: Settings) -> float:
    if asked is not None:
        # Read as the setting is, which says what a number of days can be.
        settings = replace(settings, retention_days=load_settings({"CLEW_RETENTION_DAYS": asked}).retention_days)
    if settings.retention_days is None:
        raise CliError("Say how old: --older-than DAYS, or CLEW_RETENTION_DAYS.")
    return settings.retention_days


def _relink(store: Store, arguments: argparse.Namespace, settings: Settings) -> int:
    named = _named(arguments.traces)
    report, read_anew = _relink_some(store, named) if named else _relink_all(store)
    print(
        f"Linked {plural(report.traces, 'trace')} with {plural(report.spans, 'span')}: "
        f"{plural(read_anew, 'trace')} read anew with other facts, {plural(report.changed, 'row')} changed."
    )
    if report.failed:
        raise CliError(f"{plural(len(report.failed), 'trace')} could not be linked, the first is {report.failed[0][1].hex()}.")
    linked = {trace_id for _, trace_id in report.took_ns}
    unknown = [trace_id.hex() for trace_id in named if trace_id not in linked]
    if unknown:
        raise CliError(
            f"{plural(len(unknown), 'trace')} of these {'is' if len(unknown) == 1 else 'are'} not stored here, the first is {unknown[0]}."
        )
    return 0


def _relink_all(store: Store) -> tuple[LinkReport, int]:
    """Read all facts anew from the spans, then derive all from them: what ``relink`` without a trace means."""
    with progress_bar("Reading") as move:
        read_anew = renormalise_all(store, None, renormalise_spans, renormalise_logs, move)
    with progress_bar("Linking") as move:
        return relink_all(store, None, time.time_ns(), make_rulebook(store), move), read_anew


def _named(asked: Sequence[str]) -> list[bytes]:
    trace_ids = trace_ids_in(" ".join(asked))
    if len(trace_ids) != len(set(asked)):
        raise CliError("Each trace is named by its whole id of 32 hex digits.")
    return trace_ids


def _relink_some(store: Store, trace_ids: Sequence[bytes]) -> tuple[LinkReport, int]:
    keys = [(project.id, trace_id) for project in list_projects(store) for trace_id in trace_ids]
    return link_traces(store, keys, time.time_ns(), make_rulebook(store)), 0


_OPERATIONS = {"backup": _backup, "purge": _purge, "relink": _relink}
