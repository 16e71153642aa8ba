"""The filter language of lists, the API and saved views, parsed into the store's conditions.

What is unknown is an error that names the nearest known word, never an empty answer.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import get_args

from ingest.model import STEP_KINDS, TERMINATION_REASONS
from ingest.store.query import (
    STEP_FIELDS,
    TRACE_FIELDS,
    And,
    Chose,
    Comparison,
    Filter,
    Not,
    Operator,
    Or,
    StepMatch,
    Value,
)  # fmt: skip

MAX_LENGTH = 4_000
_MAX_DEPTH = 30

NUMBERS = frozenset(
    (
        "duration_ms",
        "steps",
        "llm_calls",
        "tool_calls",
        "errors",
        "decisions",
        "tokens",
        "input_tokens",
        "output_tokens",
        "cost_usd",
    )
)
"""Fields that are numbers."""
WORDS_OF = {"status": ("ok", "error", "running"), "termination": TERMINATION_REASONS, "kind": STEP_KINDS}
"""Fields that know a few words only."""
_UNITS_NS = {"s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9, "w": 604_800 * 10**9}
_KEYWORDS = ("and", "or", "not", "any", "decision")
_REFERENCE = "reference."

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<ago>-\d+(?:\.\d+)?[smhdw]\b)
    |(?P<date>\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?)
    |(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<word>[A-Za-z_][\w.-]*)
    |(?P<sign><=|>=|!=|==|<>|=~|[=<>(),]))""",
    re.VERBOSE,
)


class FilterError(ValueError):
    """A filter that cannot be understood; ``hint`` says what to write instead, where that is known."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse_filter(text: str, now_ns: int) -> Filter | None:
    """Return the condition that a text states, None for an empty one. Relative times are reckoned from ``now_ns``.

    Raises ``FilterError``.
    """
    if len(text) > MAX_LENGTH:
        raise FilterError(f"The filter is longer than {MAX_LENGTH:,} characters.")
    tokens = _tokens(text)
    if not tokens:
        return None
    parser = _Parser(tokens, now_ns)
    found = parser.either(TRACE_FIELDS, 0)
    parser.expect_end()
    return found


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            odd = text[at:].lstrip()[:20]
            hint = "Close the quotation mark." if odd[:1] in "\"'" else ""
            raise FilterError(f"Cannot read the filter from {odd!r} on.", hint)
        tokens.append(_Token(match.lastgroup, match.group(match.lastgroup), match.start(match.lastgroup)))
        at = match.end()
    return tokens


class _Parser:
    """Reads tokens by recursive descent: ``or`` binds loosest, ``not`` tightest."""

    def __init__(self, tokens: Sequence[_Token], now_ns: int) -> None:
        self._tokens = tokens
        self._at = 0
        self._now_ns = now_ns

    def either(self, fields: Sequence[str], depth: int) -> Filter:
        """Read conditions joined by ``or``."""
        return self._joined("or", Or, self._both, fields, depth)

    def _both(self, fields: Sequence[str], depth: int) -> Filter:
        return self._joined("and", And, self._single, fields, depth)

    def _joined(
        self,
        word: str,
        kind: type[And] | type[Or],
        part: Callable[[Sequence[str], int], Filter],
        fields: Sequence[str],
        depth: int,
    ) -> Filter:
        parts = [part(fields, depth)]
        while self._take_word(word):
            parts.append(part(fields, depth))
        return parts[0] if len(parts) == 1 else kind(tuple(parts))

    def _single(self, fields: Sequence[str], depth: int) -> Filter:
        if depth > _MAX_DEPTH:
            raise FilterError(f"The filter nests deeper than {_MAX_DEPTH} levels.")
        if self._take_word("not"):
            return Not(self._single(fields, depth + 1))
        if self._take("("):
            inner = self.either(fields, depth + 1)
            self._expect(")")
            return inner
        if fields is TRACE_FIELDS and self._take_word("any"):
            return self._step_match(depth)
        if fields is TRACE_FIELDS and self._take_word("decision"):
            return self._choice()
        return self._comparison(fields)

    def _step_match(self, depth: int) -> Filter:
        self._expect_word("step")
        self._expect("(")
        condition = self.either(STEP_FIELDS, depth + 1)
        self._expect(")")
        return StepMatch(condition)

    def _choice(self) -> Filter:
        if self._take_word("at"):
            return Chose(None, branch=self._string("a branch point"))
        self._expect_word("chose")
        chosen = self._string("the option chosen")
        over = self._string("the option not chosen") if self._take_word("over") else None
        return Chose(chosen, over, self._string("a branch point") if self._take_word("at") else None)

    def _comparison(self, fields: Sequence[str]) -> Filter:
        field = self._field(fields)
        negated = self._take_word("not")
        if self._take_word("in"):
            found: Filter = Comparison(field, "in", self._list(field))
        elif self._take_word("contains"):
            if field in NUMBERS or field == "started":
                raise FilterError(f"{field} is a number: contains is for text.", f"Write {field} > or {field} <.")
            found = Comparison(field, "contains", self._string("the text to find"))
        elif negated:
            raise FilterError(f"After {field} not comes in or contains.", f"Or write not {field} = ...")
        else:
            found = Comparison(field, self._operator(field), self._value(field))
        return Not(found) if negated else found

    def _field(self, fields: Sequence[str]) -> str:
        token = self._next("a field")
        if token.kind != "word":
            raise FilterError(f"Expected a field, found {token.text!r}.", f"Fields: {', '.join(fields)}.")
        if token.text in fields or (fields is TRACE_FIELDS and token.text.startswith(_REFERENCE) and len(token.text) > len(_REFERENCE)):
            return token.text
        if fields is TRACE_FIELDS and token.text in STEP_FIELDS:
            raise FilterError(f"{token.text} is a field of steps.", f"Write any step ({token.text} ...).")
        known = [*fields, *(("reference.NAME", *_KEYWORDS) if fields is TRACE_FIELDS else ())]
        raise FilterError(f"Unknown field {token.text!r}.", nearest(token.text, known))

    def _operator(self, field: str) -> Operator:
        token = self._next(f"an operator after {field}")
        for operator in get_args(Operator):
            if token.text == operator and token.kind == "sign":
                if operator in ("<", "<=", ">", ">=") and field in WORDS_OF:
                    raise FilterError(f"{field} has no order.", f'Write {field} = "..." or {field} in (...).')
                return _operator_of(operator)
        raise FilterError(
            f"Unknown operator {token.text!r} after {field}.",
            nearest(token.text, [*get_args(Operator), "not in", "not contains"]),
        )

    def _list(self, field: str) -> tuple[Value, ...]:
        self._expect("(")
        values = [self._value(field)]
        while self._take(","):
            values.append(self._value(field))
        self._expect(")")
        return tuple(values)

    def _value(self, field: str) -> Value:
        token = self._next(f"a value for {field}")
        if field == "started":
            return self._time(token)
        if field in NUMBERS:
            if token.kind != "number":
                raise FilterError(f"{field} is a number, found {token.text!r}.")
            return _number(token.text)
        if token.kind != "string":
            raise FilterError(f"{field} is text, found {token.text!r}.", f'Put it in quotation marks: {field} = "{token.text}".')
        text = _unquote(token.text)
        words = WORDS_OF.get(field)
        if words is not None and text not in words:
            raise FilterError(f"{field} is never {text!r}.", nearest(text, words))
        return text

    def _time(self, token: _Token) -> int:
        if token.kind == "ago":
            return self._now_ns - int(float(token.text[1:-1]) * _UNITS_NS[token.text[-1]])
        text = _unquote(token.text) if token.kind == "string" else token.text
        at = parse_time(text, self._now_ns) if token.kind in ("string", "date") else None
        if at is None:
            raise FilterError(f"started is a time, found {token.text!r}.", 'Write -24h, -7d, 2026-05-12 or "2026-05-12T07:41:00Z".')
        return at

    def _string(self, what: str) -> str:
        token = self._next(what)
        if token.kind != "string":
            raise FilterError(f"Expected {what} in quotation marks, found {token.text!r}.", f'Write "{token.text}".')
        return _unquote(token.text)

    def expect_end(self) -> None:
        """Raise unless everything was read."""
        if self._at < len(self._tokens):
            token = self._tokens[self._at]
            raise FilterError(f"Did not expect {token.text!r} here.", "Join conditions with and, or.")

    def _next(self, what: str) -> _Token:
        if self._at >= len(self._tokens):
            raise FilterError(f"The filter ends where {what} is expected.")
        self._at += 1
        return self._tokens[self._at - 1]

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, sign: str) -> bool:
        token = self._peek()
        if token is None or token.kind != "sign" or token.text != sign:
            return False
        self._at += 1
        return True

    def _take_word(self, word: str) -> bool:
        token = self._peek()
        if token is None or token.kind != "word" or token.text.lower() != word:
            return False
        self._at += 1
        return True

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            token = self._peek()
            raise FilterError(f"Expected {sign!r}, found {token.text!r}." if token else f"The filter ends where {sign!r} is expected.")

    def _expect_word(self, word: str) -> None:
        if not self._take_word(word):
            token = self._peek()
            hint = nearest(token.text, [word]) if token and token.kind == "word" else ""
            found = f"Expected {word!r}, found {token.text!r}." if token else f"The filter ends where {word!r} is expected."
            raise FilterError(found, hint)


def split_filter(text: str) -> list[str]:
    """Return the conditions of a filter that must all hold, each as written; the whole where it is no such list.

    Raises ``FilterError`` for what cannot be read.
    """
    tokens = _tokens(text)
    depth, start, parts = 0, 0, list[str]()
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0) if token.kind == "sign" else 0
        if depth or token.kind != "word" or token.text.lower() not in ("and", "or"):
            continue
        if token.text.lower() == "or":
            return [text.strip()]
        parts.append(text[start : token.at].strip())
        start = token.at + len(token.text)
    return [part for part in (*parts, text[start:].strip()) if part]


def _operator_of(text: str) -> Operator:
    found: Operator = next(operator for operator in get_args(Operator) if operator == text)
    return found


def _number(text: str) -> int | float:
    number = float(text) if "." in text or "e" in text.lower() else int(text)
    if abs(number) >= 2**62:
        raise FilterError(f"{text[:20]} is too large a number.")
    return number


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def nearest(word: str, known: Sequence[str]) -> str:
    """Return a hint: the known word that a mistaken one comes closest to, or all there are."""
    close = closest(word, known)
    return f"Did you mean {close}?" if close else f"Known: {', '.join(known)}."


def closest(word: str, known: Sequence[str]) -> str:
    """Return the known word that a mistaken one comes closest to, empty where none is near."""
    return next(iter(get_close_matches(word, known, n=1, cutoff=0.5)), "")


def parse_time(text: str, now_ns: int) -> int | None:
    """Return the nanoseconds of ``-24h``, a date or an RFC 3339 time (UTC where it names no zone); None for anything else."""
    relative = re.fullmatch(r"-(\d{1,9}(?:\.\d+)?)([smhdw])", text.strip())
    if relative is not None:
        return now_ns - int(float(relative[1]) * _UNITS_NS[relative[2]])
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
