"""``clew migrate``: the store brought to the current schema."""

from collections.abc import Callable

from ingest.settings import Settings
from migrations.migrate import migrate


def run_migration(settings: Settings, ready: Callable[[str, str], None]) -> None:
    """Migrate the store and tell its revision. Raises ``StoreBusy``, ``StoreUnfit``."""
    ready("store", f"schema {migrate(settings.database_url)}")
