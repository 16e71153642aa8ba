"""What decoding gives, the bounds it keeps, and the sentences that it tells a sender."""

import msgspec

from ingest.model import LogRecord, Span

MOST_SPANS = 200_000
"""Spans or log records of one request; exporters send 512."""

MOST_ATTRIBUTES = 10_000
"""Attributes of one span, event, link, resource or scope. Likewise events and links of one span."""

MOST_LEVELS = 32
"""Nesting of one value. The protobuf parser itself ends at 100 messages, which are 32 maps in maps on an event."""

NESTED_TOO_DEEPLY = "[nested too deeply]"
"""What stands in place of a value below the last level."""

_MOST_PROBLEMS = 20
_MOST_CHARS = 300


class Undecodable(ValueError):
    """A body that can never be read: the text is a sentence that says what is wrong and where."""


class TooLarge(ValueError):
    """A body beyond a bound: the text is a sentence that names the bound."""


class Problems(list[str]):
    """Sentences for the sender, of bounded number and length."""

    def tell(self, sentence: str) -> None:
        """Add a sentence, unless there are enough already."""
        if len(self) < _MOST_PROBLEMS:
            self.append(sentence if len(sentence) <= _MOST_CHARS else sentence[: _MOST_CHARS - 1] + "…")


class DecodedSpans(msgspec.Struct):
    """The spans of a request."""

    spans: list[Span] = []
    rejected: int = 0
    """How many can never be stored."""
    problems: Problems = msgspec.field(default_factory=Problems)


class DecodedLogs(msgspec.Struct):
    """The log records of a request that name a trace and a span."""

    records: list[LogRecord] = []
    rejected: int = 0
    not_kept: int = 0
    """How many name no span, which is no fault of theirs."""
    problems: Problems = msgspec.field(default_factory=Problems)


def bad_id(name: str, length: int) -> str:
    """Return what is wrong with an id of so many bytes."""
    bytes_wanted = 16 if name == "trace id" else 8
    if length == bytes_wanted:
        return f"the {name} is all zero"
    return f"the {name} must have {bytes_wanted} bytes, it has {length}"
