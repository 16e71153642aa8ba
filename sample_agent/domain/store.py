"""The file in which the calendars are kept."""

from pathlib import Path

from ..sqlite_file import SqliteFile
from .schema import TABLES


class DomainStore(SqliteFile):
    """The firm's calendars. Empty when the file is new: ``seed_data.plant`` fills them."""

    def __init__(self, path: Path | str, *, durable: bool = True) -> None:
        super().__init__(path, TABLES, durable=durable)
