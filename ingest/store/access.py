"""Projects and keys: who may send to, and read, which project."""

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from .bulk import transaction
from .engine import Store, StoreBusy
from .schema import api_key, project

Scope = Literal["ingest", "read", "all"]
SCOPES: tuple[Scope, ...] = ("ingest", "read", "all")

_MARK = "clew_"
_SHOWN_CHARS = 11


class AccessError(ValueError):
    """A project or key that cannot be made or found; the text says why, in one sentence."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project: traces of one are never seen from another."""

    id: int
    name: str
    created_ns: int


@dataclass(frozen=True, slots=True)
class Key:
    """What may be shown of a key."""

    id: int
    project: str
    name: str
    scope: str
    shown: str
    created_ns: int
    revoked_ns: int | None


def _digest(key: str) -> bytes:
    # Keys are 192 random bits, which no table of hashes covers: a plain hash is enough, and a look-up by it is constant time.
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()


def authenticate(store: Store, key: str, scope: str) -> int | None:
    """Return the project that a key opens for ``ingest`` or ``read``, None for any other key. Raises ``StoreBusy``."""
    wanted = select(api_key.c.project_id).where(
        api_key.c.digest == _digest(key), api_key.c.revoked_ns.is_(None), api_key.c.scope.in_((scope, "all"))
    )
    try:
        with store.engine.connect() as conn:
            found: int | None = conn.execute(wanted).scalar()
    except DBAPIError as error:
        raise StoreBusy("keys cannot be checked now") from error
    return found


def create_key(store: Store, project_name: str, name: str, scope: Scope) -> str:
    """Make a key and return its secret, which is shown this once and stored nowhere. Raises ``AccessError``, ``StoreBusy``."""
    project_id = find_project(store, project_name).id
    key = _MARK + secrets.token_urlsafe(24)
    values = (project_id, name, scope, key[:_SHOWN_CHARS], _digest(key), time.time_ns())
    with transaction(store) as tx:
        tx.run("INSERT INTO api_key (project_id, name, scope, shown, digest, created_ns) VALUES (?, ?, ?, ?, ?, ?)", values)
    return key


def list_keys(store: Store) -> list[Key]:
    """Return all keys, revoked ones included, the oldest first."""
    columns = (api_key.c.id, project.c.name, api_key.c.name, *(api_key.c[name] for name in ("scope", "shown", "created_ns", "revoked_ns")))
    wanted = select(*columns).join(project, project.c.id == api_key.c.project_id).order_by(api_key.c.id)
    with store.engine.connect() as conn:
        return [Key(*row) for row in conn.execute(wanted)]


def revoke_key(store: Store, which: str) -> Key:
    """Revoke a key by its number or the start that lists show. Raises ``AccessError`` where that names no single valid key."""
    found = [key for key in list_keys(store) if key.revoked_ns is None and (str(key.id) == which or key.shown == which[:_SHOWN_CHARS])]
    if len(found) != 1:
        raise AccessError(f"{'No' if not found else 'More than one'} valid key is called {which[:_SHOWN_CHARS]}: clew key list shows them.")
    with transaction(store) as tx:
        tx.run("UPDATE api_key SET revoked_ns = ? WHERE id = ? AND revoked_ns IS NULL", (time.time_ns(), found[0].id))
    return found[0]


def create_project(store: Store, name: str) -> Project:
    """Make a project. Raises ``AccessError`` where the name is taken or none at all, ``StoreBusy``."""
    if not name.strip() or len(name) > 100:
        raise AccessError("A project's name has 1 to 100 characters.")
    if any(one.name == name for one in list_projects(store)):
        raise AccessError(f"There is a project {name} already.")
    with transaction(store) as tx:
        tx.run("INSERT INTO project (name, created_ns) VALUES (?, ?)", (name, time.time_ns()))
    return find_project(store, name)


def list_projects(store: Store) -> list[Project]:
    """Return all projects, the oldest first."""
    with store.engine.connect() as conn:
        return [Project(*row) for row in conn.execute(select(project).order_by(project.c.id))]


def find_project(store: Store, name: str) -> Project:
    """Return a project by its name. Raises ``AccessError`` where there is none."""
    for one in list_projects(store):
        if one.name == name:
            return one
    raise AccessError(f"There is no project {name[:100]}: clew project list shows them.")


def project_name(store: Store, project_id: int) -> str:
    """Return the name of a project, empty where there is none."""
    with store.engine.connect() as conn:
        return conn.execute(select(project.c.name).where(project.c.id == project_id)).scalar() or ""
