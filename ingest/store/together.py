"""Whole traces, some at a time.

What is done to spans and traces is done stage by stage: one stage for all of some traces, then the next. Their code fits no
processor's nearest memory at once; to take each span or trace through all stages fetches it anew for every one of them and takes
a quarter longer. "Some" is as many as lie near the processor themselves, which also bounds what is held meanwhile.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_Content = TypeVar("_Content")


def together(
    traces: Iterable[tuple[bytes, _Content]], size_of: Callable[[_Content], int], enough: int
) -> Iterator[dict[bytes, _Content]]:
    """Yield the traces in their order, at a time as many as are ``enough`` by their sizes, or what is left."""
    some: dict[bytes, _Content] = {}
    held = 0
    for trace_id, content in traces:
        some[trace_id] = content
        held += size_of(content)
        if held >= enough:
            yield some
            some, held = {}, 0
    if some:
        yield some
