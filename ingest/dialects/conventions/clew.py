"""Our own SDK: the GenAI conventions, and attributes of its own that are read on every span alike (``own.py``)."""

from tracer import semconv

from ..dialect import Dialect

DIALECT = Dialect(name="clew", rank=148, markers=(semconv.STEP_KIND,))
