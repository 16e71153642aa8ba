"""Switches on the instrumentation of other libraries that is installed, so that their calls are part of the run."""

import importlib
import importlib.util
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from opentelemetry.trace import TracerProvider

from .anthropic import instrument_classes

_log = logging.getLogger("clew")

_INFERENCE, _METRY = "openinference.instrumentation.", "opentelemetry.instrumentation."
"""OpenInference (Arize), and OpenLLMetry (Traceloop), which goes by OpenTelemetry's own prefix."""

_BOTH = (
    "agno", "anthropic", "bedrock", "cohere", "crewai", "groq", "haystack", "langchain", "litellm", "mcp", "mistralai", "ollama", "openai",
    "openai_agents", "together", "vertexai",
)  # fmt: skip
_ONLY_INFERENCE = (
    "ag2", "autogen_agentchat", "beeai", "claude_agent_sdk", "dspy", "google_adk", "google_genai", "guardrails", "instructor",
    "portkey", "smolagents",
)  # fmt: skip
_ONLY_METRY = (
    "alephalpha", "chromadb", "google_generativeai", "lancedb", "marqo", "milvus", "pinecone", "qdrant", "replicate", "sagemaker",
    "transformers", "voyageai", "watsonx", "weaviate", "writer",
)  # fmt: skip

_MODULES: dict[str, tuple[str, ...]] = {
    **{name: (_INFERENCE + name, _METRY + name) for name in _BOTH},
    **{name: (_INFERENCE + name,) for name in _ONLY_INFERENCE},
    **{name: (_METRY + name,) for name in _ONLY_METRY},
    "openai": (_INFERENCE + "openai", _METRY + "openai", _METRY + "openai_v2"),
    "llama_index": (_INFERENCE + "llama_index", _METRY + "llamaindex"),
}
"""What is known, and the modules that instrument it; the first that is installed is used, and never a second."""

_OURS = {
    "anthropic": (
        ("anthropic.resources.messages", ("Messages", "AsyncMessages")),
        ("anthropic.resources.beta.messages", ("Messages", "AsyncMessages")),
    )
}
"""What we can record ourselves where nothing is installed for it: the classes of clients' messages."""

_undo: list[Callable[[], None]] = []
"""What takes back what was switched on here, and only that."""


def switch_on(names: Iterable[str], provider: TracerProvider) -> None:
    """Let the libraries named send their spans through ``provider``, and those named before and not now no longer.

    OpenInference's instrumentation is used where it is installed, else OpenLLMetry's; one that the host has switched on already stays as it
    is. Raises ``ValueError`` for a name that is not known; one whose package is missing is a warning.
    """
    wanted = known_names(names)
    switch_off()
    for name in wanted:
        try:
            _switch_on(name, provider)
        except Exception as error:
            # The library or its instrumentation may be broken, or of another version than it asks for.
            _log.warning("%s could not be instrumented: %s", name, type(error).__name__)


def known_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names as they are spelled here, each once. Raises ``ValueError`` for one that is not known, with the nearest that is."""
    return tuple(dict.fromkeys(_known(name) for name in ([names] if isinstance(names, str) else names)))


def switch_off() -> None:
    """Take back all that ``switch_on`` did."""
    while _undo:
        try:
            _undo.pop()()
        except Exception as error:
            _log.warning("an instrumentation could not be switched off: %s", type(error).__name__)


def _known(name: str) -> str:
    plain = str(name).strip().lower().replace("-", "_")
    plain = _SPELLINGS.get(plain, plain)
    if plain in _MODULES:
        return plain
    near = get_close_matches(plain, _MODULES, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(_MODULES))}"
    raise ValueError(f"nothing known instruments {name!r}: {hint}")


_SPELLINGS = {"llamaindex": "llama_index", "langgraph": "langchain", "mistral": "mistralai", "claude": "anthropic"}


def _switch_on(name: str, provider: TracerProvider) -> None:
    if any(_is_on(module) for module in _MODULES[name]):
        return
    module = next((module for module in _MODULES[name] if _is_installed(module)), None)
    if module is not None:
        _instrument(name, module, provider)
    elif name in _OURS and _is_installed(name):
        _undo.append(instrument_classes(_classes(name)))
    else:
        _log.warning("%s is not instrumented: pip install %s", name, _MODULES[name][0].replace(".", "-").replace("_", "-"))


def _instrument(name: str, module: str, provider: TracerProvider) -> None:
    instrumentor = _instrumentor(importlib.import_module(module))
    instrumentor.instrument(tracer_provider=provider)
    if instrumentor.is_instrumented_by_opentelemetry:
        _undo.append(instrumentor.uninstrument)
    else:
        # It has told in its own words which version it asks for.
        _log.warning("%s is not instrumented: %s does not go with what is installed", name, module)


def _is_on(module: str) -> bool:
    """Tell whether somebody has switched it on; what was never imported was never switched on."""
    loaded = sys.modules.get(module)
    return loaded is not None and bool(_instrumentor(loaded).is_instrumented_by_opentelemetry)


def _instrumentor(module: Any) -> Any:
    """Return the one instrumentor of a module."""
    found = next(
        one
        for name, one in vars(module).items()
        if isinstance(one, type) and name.endswith("Instrumentor") and one.__module__.startswith(module.__name__)
    )  # fmt: skip
    return found()


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _classes(name: str) -> Iterator[type]:
    for module, classes in _OURS[name]:
        loaded = importlib.import_module(module)
        yield from (getattr(loaded, one) for one in classes if hasattr(loaded, one))
