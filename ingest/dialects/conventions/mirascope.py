"""Mirascope: model calls by the GenAI conventions, with the whole usage beside; functions traced around them."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading

_KINDS = {"tool": "tool", "evaluator": "evaluator"}


def _kind(reading: Reading) -> str | None:
    kind = reading.word("mirascope.type")
    # A traced call or its resumption is glue around the call's own span.
    return _KINDS.get(kind, "chain") if kind is not None else None


DIALECT = Dialect(
    name="mirascope",
    rank=147,
    scope_prefixes=("mirascope.",),
    markers=("mirascope.type",),
    keys={
        "mirascope.type": ("mirascope.type",),
        "provider": ("mirascope.response.provider_id",),
        "session": ("mirascope.ops.session.id",),
        "body.input": ("mirascope.trace.arg_values",),
        "body.output": ("mirascope.trace.output",),
    },
    kind=_kind,
)
