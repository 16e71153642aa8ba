"""``clew key`` and ``clew project``: who may send to, and read, which project."""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence

from ingest.store.access import create_key, create_project, list_keys, list_projects, revoke_key
from ingest.store.engine import Store
from webui.format import clock

from .opening import opened_store, read_settings
from .plain import plain_line


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Carry out an action on keys or projects. Raises ``AccessError`` where it cannot be."""
    with opened_store(read_settings(arguments, environ)) as store:
        _ACTIONS[arguments.command, arguments.action](store, arguments)
    return 0


def _create_key(store: Store, arguments: argparse.Namespace) -> None:
    key = create_key(store, arguments.project, arguments.name, arguments.scope)
    # The key alone on stdout, so that a script can take it.
    print(f"A key for project {plain_line(arguments.project)}, scope {arguments.scope}; it is shown this once:", file=sys.stderr)
    print(key)


def _list_keys(store: Store, arguments: argparse.Namespace) -> None:
    rows = []
    for key in list_keys(store):
        state = f"revoked {clock(key.revoked_ns)}" if key.revoked_ns else "valid"
        rows.append((str(key.id), f"{key.shown}…", key.project, key.scope, clock(key.created_ns), state, key.name))
    _print_table(("number", "key", "project", "scope", "created (UTC)", "state", "name"), rows)


def _revoke_key(store: Store, arguments: argparse.Namespace) -> None:
    key = revoke_key(store, arguments.key)
    print(f"Key {key.id} ({key.shown}…) of project {plain_line(key.project)} is revoked.")


def _create_project(store: Store, arguments: argparse.Namespace) -> None:
    print(f"Project {plain_line(create_project(store, arguments.name).name)} is made.")


def _list_projects(store: Store, arguments: argparse.Namespace) -> None:
    _print_table(("number", "name", "created (UTC)"), [(str(one.id), one.name, clock(one.created_ns)) for one in list_projects(store)])


def _print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = [head, *([plain_line(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


_ACTIONS = {
    ("key", "create"): _create_key,
    ("key", "list"): _list_keys,
    ("key", "revoke"): _revoke_key,
    ("project", "create"): _create_project,
    ("project", "list"): _list_projects,
}
