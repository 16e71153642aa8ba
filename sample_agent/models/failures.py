"""Why a provider did not answer, in one kind of exception whoever the provider is.

The clients of Anthropic and OpenAI are made from one template, so their exceptions carry the same names.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import anthropic
import openai

from .types import ModelUnavailable

TRANSIENT_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Asking again may help; anything else is our mistake or our account's, and asking again changes nothing."""


class UnreadableBody(Exception):
    """An answer is no JSON, JSON of another shape than promised, or a stream without an end."""


class BrokenOff(Exception):
    """The connection ended in the middle of an answer."""


CLIENT_ERRORS = (anthropic.AnthropicError, openai.OpenAIError, BrokenOff, UnreadableBody)
"""What asking a provider may end with: its client's exceptions, and what ``reading`` makes of others."""


@contextmanager
def reading() -> Iterator[None]:
    """Raise ``UnreadableBody`` for whatever a body of another shape leads to, ``BrokenOff`` where a stream ends too soon.

    Only what reads bodies may stand in such a block: elsewhere the same exceptions are our own mistakes, and must not look like an outage.
    """
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        raise UnreadableBody(type(error).__name__) from error
    except Exception as error:
        # Not every client wraps what its transport raises amid a stream; which library that is depends on the client's version.
        if not type(error).__module__.startswith(("httpx", "httpcore")):
            raise
        raise BrokenOff(type(error).__name__) from error


def failure_of(error: Exception, provider: str) -> ModelUnavailable:
    """Return what a client's exception means. The provider's own words stay out: they may quote the prompt."""
    if isinstance(error, anthropic.APITimeoutError | openai.APITimeoutError):
        return ModelUnavailable("timed out", provider=provider, is_transient=True)
    if isinstance(error, anthropic.APIConnectionError | openai.APIConnectionError | BrokenOff):
        return ModelUnavailable("the connection failed", provider=provider, is_transient=True)
    if isinstance(error, anthropic.APIStatusError | openai.APIStatusError):
        return _of_status(error, provider)
    return ModelUnavailable("answered with an unreadable body", provider=provider, is_transient=True)


def _of_status(error: anthropic.APIStatusError | openai.APIStatusError, provider: str) -> ModelUnavailable:
    status = error.status_code
    # An error event within a stream comes with the stream's own status, 200.
    is_transient = status in TRANSIENT_STATUSES or status < 400
    wait_s = _seconds(error.response.headers.get("retry-after"))
    words = {429: "rate limited", 529: "overloaded"}.get(status, "refused" if status < 500 else "failed")
    return ModelUnavailable(f"{status} {words}", provider=provider, is_transient=is_transient, retry_after_s=wait_s)


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:  # a date, which no provider of ours sends
        return None
