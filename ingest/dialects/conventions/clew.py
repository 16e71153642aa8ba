"""Our own SDK: the GenAI conventions, and attributes of its own that are read on every span alike (``own.py``)."""

from ingest.dialects.dialect import Dialect
from tracer import semconv

DIALECT = Dialect(name="clew", rank=148, markers=(semconv.STEP_KIND,))
