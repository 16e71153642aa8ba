"""MCP client and server spans: both tell of the same execution."""

from ingest.dialects.dialect import Dialect

DIALECT = Dialect(name="mcp", rank=160, markers=("mcp.method.name",))
