"""Microsoft's Agent Framework, whose conversation ids are the ids of the previous reply."""

from ingest.model import Facts, Span

from .dialect import Dialect


def _refine(span: Span, facts: Facts) -> None:
    if facts.session_id is not None and facts.session_id == span.attributes.get("gen_ai.conversation.id"):
        facts.session_id = None


DIALECT = Dialect(name="agent-framework", order=13, scopes=("agent_framework",), refine=_refine)
