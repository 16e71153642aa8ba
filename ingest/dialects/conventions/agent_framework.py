"""Microsoft Agent Framework: agents repeat the sum of their calls; what it calls a conversation is the previous reply."""

from ingest.dialects.dialect import Dialect

DIALECT = Dialect(name="agent_framework", rank=130, scopes=("agent_framework",), input_excludes_cache=lambda reading: False)
