"""What a dialect is: how to recognise an emitter's spans, and where it puts what. As much as possible is data."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ingest.model import Facts, Span

Refine = Callable[[Span, Facts], None]
"""Adds to the facts what only this emitter says, or takes back what it means differently."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One emitter's convention. A module of this package with a ``DIALECT`` is found by itself."""

    name: str
    order: int
    """Recognised in this order; the narrow conventions come before those whose keys they borrow."""
    scopes: tuple[str, ...] = ()
    """Names of instrumentation scopes that settle it."""
    scope_prefixes: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    """Attributes of which any one settles it."""
    recognises: Callable[[Span], bool] | None = None
    """A test for what the above cannot say."""
    kind_key: str | None = None
    kinds: dict[str, str] = field(default_factory=dict)
    """The values of ``kind_key`` and what they mean."""
    kind_of: Callable[[Span], str | None] | None = None
    """Tells the kind where a table cannot; asked before it."""
    request_keys: tuple[str, ...] = ()
    """Where a raw request or the input of any step is."""
    reply_keys: tuple[str, ...] = ()
    tool_argument_keys: tuple[str, ...] = ()
    tool_result_keys: tuple[str, ...] = ()
    flattened: tuple[str, str] | None = None
    """Prefixes of messages in and out where they are spread over attributes."""
    usage_keys: tuple[str, ...] = ()
    """Where a provider's usage object is, for what the plain keys leave out."""
    excludes_cache: Callable[[Span, Facts], bool | None] | None = None
    """Whether the input number leaves cached tokens out; None where the numbers must tell."""
    refine: Refine | None = None
