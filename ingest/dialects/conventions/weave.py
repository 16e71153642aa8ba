"""Weave's processor for OpenAI's Agents SDK: GenAI conventions, and what an agent was given under names of its own."""

from ingest.dialects.dialect import Dialect

DIALECT = Dialect(
    name="weave",
    rank=125,
    scopes=("weave.openai_agents",),
    keys={"tools": ("weave.openai_agents.agent.tools",)},
)
