"""How an attempt to deliver can end, and when the next one is. The thing that fails says whether that is final."""

import hashlib
from typing import Literal

Failure = Literal["passing", "refused", "final", "misconfigured"]
"""Try again soon; this receiver will not have it; nobody will have this message; nothing goes out until a setting is changed."""

_MINUTE_NS = 60_000_000_000
_WAITS = (1, 2, 4, 8, 15, 30)
_MISCONFIGURED_NS = 15 * _MINUTE_NS
GIVE_UP_NS = 24 * 60 * _MINUTE_NS


class DeliveryError(Exception):
    """A message that could not be delivered; the text says why, in one line, without credentials."""

    def __init__(self, words: str, failure: Failure) -> None:
        super().__init__(words[:300])
        self.failure = failure

    @property
    def permanent(self) -> bool:
        """Tell whether another attempt is of no use."""
        return self.failure in ("refused", "final")


def next_attempt_ns(failure: Failure, attempts: int, seed: str, now_ns: int) -> int:
    """Return when to try again after so many attempts: 1, 2, 4, 8, 15, 30 minutes and so on, each up to a fifth more."""
    wait_ns = _MISCONFIGURED_NS if failure == "misconfigured" else _WAITS[min(attempts, len(_WAITS) - 1)] * _MINUTE_NS
    # Spread by the message, not by chance: the same attempt has the same time in every test and log.
    spread = int.from_bytes(hashlib.blake2b(f"{seed} {attempts}".encode(), digest_size=2).digest(), "big") / 65_536
    return now_ns + wait_ns + round(wait_ns * spread / 5)
