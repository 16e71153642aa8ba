"""Whole traces, some at a time.

What is done to spans and traces is done stage by stage: one stage for all of some traces, then the next. Their code fits no
processor's nearest memory at once; to take each span or trace through all stages fetches it anew for every one of them and takes
a quarter longer. "Some" is as many as lie near the processor themselves, which also bounds what is held meanwhile.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

_AT_ONCE = 192
"""Spans; a trace that has more is taken alone."""

_Content = TypeVar("_Content")


def together(traces: Mapping[bytes, _Content], spans_of: Callable[[_Content], int]) -> Iterator[dict[bytes, _Content]]:
    """Yield the traces in their order, at least ``_AT_ONCE`` spans or what is left."""
    some: dict[bytes, _Content] = {}
    held = 0
    for trace_id, content in traces.items():
        some[trace_id] = content
        held += spans_of(content)
        if held >= _AT_ONCE:
            yield some
            some, held = {}, 0
    if some:
        yield some
