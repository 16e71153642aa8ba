"""Semantic Kernel: the GenAI conventions, with finish reasons as Python prints the members of an enumeration."""

from ingest.dialects.dialect import Dialect
from ingest.dialects.reading import Reading
from ingest.model import Facts


def _refine(reading: Reading, facts: Facts) -> None:
    if facts.finish_reason is not None:
        facts.finish_reason = facts.finish_reason.lower()


DIALECT = Dialect(name="semantic_kernel", rank=135, scope_prefixes=("semantic_kernel.",), refine=_refine)
