"""What sessions have used of their token budgets, in the shared store: a restart or another process forgets none of it."""

from collections.abc import Callable
from datetime import datetime

from ..models.types import TokenBudgetSpent
from .store import StateStore


class StoredTokens:
    """A ``SessionTokens`` for all processes. What a killed one had under way stays counted: it may well have been billed."""

    def __init__(self, store: StateStore, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    def used(self, session: str) -> int:
        """As ``SessionTokens`` says."""
        rows = self._store.rows("SELECT tokens FROM spending WHERE session_id = ?", (session,))
        return int(rows[0]["tokens"]) if rows else 0

    def reserve(self, session: str, needed: int, most: int) -> None:
        """As ``SessionTokens`` says."""
        with self._store.change() as connection:
            used = self.used(session)
            if used + needed > most:
                raise TokenBudgetSpent("session", used=used, needed=needed, budget=most)
            query = """INSERT INTO spending (session_id, tokens, touched_s) VALUES (?1, ?2, ?3)
                       ON CONFLICT (session_id) DO UPDATE SET tokens = tokens + ?2, touched_s = ?3"""
            connection.execute(query, (session, needed, int(self._now().timestamp())))

    def settle(self, session: str, reserved: int, spent: int) -> None:
        """As ``SessionTokens`` says."""
        with self._store.change() as connection:
            query = "UPDATE spending SET tokens = max(0, tokens - ? + ?) WHERE session_id = ?"
            connection.execute(query, (reserved, spent, session))
