"""SQLite's text index merged bit by bit: a commit in which sixteen parts of it became one held the store for a second and more.

Revision ID: 0007
Revises: 0006
"""

from collections.abc import Sequence

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_USUAL, _HARDLY_EVER = 16, 256
"""So many parts of one level are merged in one go. From as many as the first on (``automerge``) each commit does its share,
in proportion to what it adds; the second is for the smallest of commits, and far from the 2,000 parts that FTS5 can hold."""


def upgrade() -> None:
    """Leave merging to the share of each commit. PostgreSQL's index has no such parts."""
    _merge_at_once_from(_HARDLY_EVER)


def downgrade() -> None:
    """Merge as FTS5 does by itself."""
    _merge_at_once_from(_USUAL)


def _merge_at_once_from(parts: int) -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"INSERT INTO search_fts (search_fts, rank) VALUES ('crisismerge', {parts})")
