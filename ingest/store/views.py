"""Lists of runs that readers named."""

from dataclasses import dataclass

from sqlalchemy import func, select

from .bulk import transaction
from .derived import saved_view
from .engine import Store

MOST_VIEWS = 100
"""A project keeps so many; a further one has to wait until one goes."""

_SAVE = (
    "INSERT INTO saved_view (project_id, name, query, saved_ns) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (project_id, name) DO UPDATE SET query = excluded.query, saved_ns = excluded.saved_ns"
)


@dataclass(frozen=True, slots=True)
class View:
    """A named list: the query part of its address."""

    name: str
    query: str


def read_views(store: Store, project_id: int) -> list[View]:
    """Return a project's views by name."""
    wanted = select(saved_view.c.name, saved_view.c.query).where(saved_view.c.project_id == project_id)
    with store.engine.connect() as conn:
        return [View(row.name, row.query) for row in conn.execute(wanted.order_by(func.lower(saved_view.c.name)))]


def save_view(store: Store, project_id: int, view: View, now_ns: int) -> bool:
    """Save a view, in place of one with the same name; False where there are too many. Raises ``StoreBusy``."""
    known = read_views(store, project_id)
    if len(known) >= MOST_VIEWS and all(one.name != view.name for one in known):
        return False
    with transaction(store) as tx:
        tx.run(_SAVE, (project_id, view.name, view.query, now_ns))
    return True


def forget_view(store: Store, project_id: int, name: str) -> None:
    """Forget a view, if there is one of this name. Raises ``StoreBusy``."""
    with transaction(store) as tx:
        tx.run("DELETE FROM saved_view WHERE project_id = ? AND name = ?", (project_id, name))
