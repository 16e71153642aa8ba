"""What a convention is: how its spans are recognised, and what on them differs from what all conventions share."""

from collections.abc import Callable, Mapping

import msgspec

from ingest.model import Facts, Span

from .reading import Reading

KindOf = Callable[[Reading], str | None]
"""Says what a span is in the vocabulary of ``SPAN_KINDS``; None where the convention's own signs say nothing."""

Prepare = Callable[[Reading], None]
"""Puts values where the common reading looks for them, before anything is read."""

Refine = Callable[[Reading, Facts], None]
"""Corrects facts in place after the common reading; texts are bounded afterwards."""


def _says_nothing(reading: Reading) -> str | None:
    return None


def _changes_nothing(reading: Reading, facts: Facts) -> None:
    """Leave the common reading as it is."""


class Dialect(msgspec.Struct, frozen=True):
    """One convention. A module of ``conventions`` defines one under the name ``DIALECT``; nothing else registers it."""

    name: str
    rank: int
    """Conventions are tried in this order; the first that recognises a span reads it."""
    scopes: tuple[str, ...] = ()
    """Scope names that are its own."""
    scope_prefixes: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()
    """Attributes that only its spans have."""
    says: tuple[tuple[str, str], ...] = ()
    """Attributes, and the values of them that only its spans have."""
    claims: Callable[[Span], bool] | None = None
    """Any other sign."""
    claims_in: str = ""
    """How the names of scopes begin on whose spans such a sign is looked for."""
    claims_with: str = ""
    """The attribute without which it is not looked for; empty for none."""
    keys: Mapping[str, tuple[str, ...]] = {}
    """Keys of its own by field, before the common ones."""
    prepare: Prepare | None = None
    kind: KindOf = _says_nothing
    refine: Refine = _changes_nothing
    input_excludes_cache: Callable[[Reading], bool | None] = lambda reading: None
    """Whether its input tokens leave cached ones out; None lets the numbers decide."""
    body_is_conversation: bool = True
    """Whether a single input value on a model call holds its request, and an output value its reply."""
