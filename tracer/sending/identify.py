"""Ids of traces and spans, from a generator of our own.

The library's takes them from ``random``: a host that seeds it, as experiments do, gives its runs of today the ids of yesterday's, and each
of its workers those of the others. Ours leaves the host's generator alone as well.
"""

import os
import random

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

_random = random.Random()


class OwnIdGenerator(RandomIdGenerator):
    """Random ids that no ``random.seed`` reaches."""

    def generate_span_id(self) -> int:
        """Return an id that is not zero."""
        return new_span_id()

    def generate_trace_id(self) -> int:
        """Return an id that is not zero."""
        return _random.getrandbits(128) or 1


def new_span_id() -> int:
    """Return a new id that is not zero."""
    return _random.getrandbits(64) or 1


def jitter(least: float, most: float) -> float:
    """Return a number between two."""
    return _random.uniform(least, most)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)
