"""Whether two values are the same, as far as two runs of one task can have the same values.

Ids differ from run to run, days move with the day a run was made on, models word one thing in many ways. So an id of one run
stands for an id of the other from where both first appear in what the run was given; it must go on standing for it. An id
that a model brings up and that was never given to it stands for nothing.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal, get_args

import orjson

_MOST_CHARS = 4_000
"""So much of a text is compared."""
_MOST_ITEMS = 200
_MOST_DEPTH = 12
_FEW_WORDS = 5
"""A text of so few words is a name or a choice, in which every word counts; a longer one is prose."""
_ALIKE = 0.6
"""Two texts of a tool share at least so many of their words, or they say different things."""

_ALIKE_REQUESTS = 0.4
_SOON = 31
"""Days."""

Origin = Literal["given", "made"]
"""``given`` to the run (a request, a result), or ``made`` by its model (arguments, a choice, an answer)."""

TokenKind = Literal["id", "date", "time", "number", "word", "moment"]
KINDS: frozenset[TokenKind] = frozenset(get_args(TokenKind))

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?"
    r"|dec(?:ember)?)"
)
_WEEKDAY = r"(?:(?:mon|tue(?:s)?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?,?\ )?"
_NTH = r"\d{1,2}(?:st|nd|rd|th)?"
_NAMED_DAY = rf"(?i:\b{_WEEKDAY}(?:{_NTH}\ (?:of\ )?{_MONTH}|{_MONTH}\ {_NTH})(?!:)(?:,?\ \d{{4}})?\b)"
"""A day as people write it: Thu 5 Mar, March 5th, 5 March 2026."""

_TOKEN = re.compile(
    rf"(?P<day>{_NAMED_DAY})"
    r"""|(?P<moment>\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)
    |(?P<date>\d{4}-\d\d-\d\d)(?:T(?=\d))?
    |(?P<id>[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})
    |(?P<time>\d{1,2}:\d\d(?::\d\d)?(?:\s?[ap]m\b)?|\d{1,2}\s?[ap]m\b)
    |(?P<amount>\d+(?:\.\d+)?(?:ms|min|mins|h|hrs?|s|d|st|nd|rd|th|k|kb|mb|usd|eur)\b)
    |(?P<mixed>(?=[A-Za-z_-]*\d)(?=[\d_-]*[A-Za-z])[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*)
    |(?P<number>\d+(?:[.,]\d+)*)
    |(?P<word>[^\W\d_]+)""",
    re.VERBOSE,
)
_LONG_NUMBER = 5
"""A whole number of so many digits names something rather than counting it."""

_VOLATILE = re.compile(
    r"(?:^|_)(?:took|elapsed|latency|duration_ms|ms|timestamp|created|updated|now|uuid|nonce|trace|span|request|correlation|idempotency"
    r"|call_id|cursor|etag|ts|generated|score|similarity|distance)(?:_|$)",
    re.IGNORECASE,
)
"""Names of values that say when or under which number something was done: they never agree and never matter."""


@dataclass(frozen=True, slots=True)
class Token:
    """A part of a text."""

    kind: TokenKind
    text: str


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Two values at one place that are not the same."""

    path: str
    a: str
    b: str
    emptied: bool = False
    """True where one is empty and the other is not, or one tells of a failure and the other does not."""


def tokens(text: str) -> Iterator[Token]:
    """Yield the parts of a text that can be compared: words in lower case, times in 24 hours."""
    for match in _TOKEN.finditer(text[:_MOST_CHARS]):
        kind = match.lastgroup or "word"
        found = match.group(kind)
        if kind == "moment":
            yield from _moment(found)
        elif kind == "day":
            yield Token("date", _named_day(found))
        elif kind == "time":
            yield Token("time", _clock(found))
        elif kind == "mixed" or (kind == "number" and len(found) >= _LONG_NUMBER and found.isdigit()):
            yield Token("id", found)
        elif kind == "amount":
            yield Token("number", found.lower())
        elif kind == "number":
            yield Token("number", _plain_number(found))
        elif kind == "word":
            yield Token("word", found.casefold())
        else:
            yield Token("id" if kind == "id" else "date", found)


def _moment(text: str) -> Iterator[Token]:
    """A time on the minute is one that somebody chose; one to the second is when something happened to be done."""
    if text[16:17] != ":" or re.match(r"00(?:\.0+)?(?:\D|$)", text[17:]):
        yield Token("date", text[:10])
        yield Token("time", text[11:16])
    else:
        yield Token("moment", text)


def _named_day(text: str) -> str:
    """Return a day in the order of ISO 8601, without the year where none is said: --03-05."""
    parts = re.findall(r"[a-z]+|\d+", text.casefold())
    month = next(_MONTHS.index(part[:3]) + 1 for part in reversed(parts) if part[:3] in _MONTHS)
    day, *year = (int(part) for part in parts if part.isdigit())
    return f"{year[0]:04d}-{month:02d}-{day:02d}" if year else f"--{month:02d}-{day:02d}"


def _plain_number(text: str) -> str:
    plain = text.replace(",", "")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain.lstrip("0") or "0"


def _clock(text: str) -> str:
    match = re.match(r"(\d{1,2})(?::(\d\d))?(?::\d\d)?\s?([ap]m)?", text)
    assert match is not None
    hour = int(match[1])
    if match[3]:
        hour = hour % 12 + (12 if match[3] == "pm" else 0)
    return f"{hour:02d}:{match[2] or '00'}"


def read_text(text: str) -> Any:
    """Return the JSON value that a text is, or the text itself."""
    head = text.lstrip()[:1]
    if head not in ("{", "["):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


class Matching:
    """What of one run stands for what of the other; grows as both are read along."""

    def __init__(self, days: tuple[date, date] | None = None) -> None:
        self._days = days
        self._days_apart = (days[1] - days[0]).days if days is not None else 0
        self._now = re.compile("|".join(rf"(?:\w+ )?{day}(?:[T ]\d\d:\d\d(?::\d\d)?)?" for day in days or ())) if days else None
        self._asked: set[tuple[str, str]] = set()
        self._b_of: dict[str, str] = {}
        self._a_of: dict[str, str] = {}

    def bind_request(self, a: str, b: str) -> list[Mismatch]:
        """Return where two requests differ, and let what was asked for in the one stand for what was in the other.

        Thirty minutes instead of forty-five are another task of the same kind: what is done with them later is no divergence.
        """
        ours, theirs = list(tokens(a)), list(tokens(b))
        if len(ours) == len(theirs) and _shared([one.text for one in ours], [one.text for one in theirs]) >= _ALIKE_REQUESTS:
            for one, other in zip(ours, theirs, strict=True):
                if one.kind == other.kind != "id" and one.text != other.text:
                    self._asked.add((one.text, other.text))
        found = [] if a.strip() == b.strip() else self.differences(a, b, "given")
        plain = [Mismatch("", a, b)] if self._asked else []
        return found or plain

    def timeless(self, text: str) -> str:
        """Return a text without the time at which a run was made, which prompts like to state."""
        return self._now.sub("now", text) if self._now is not None else text

    def differences(self, a: Any, b: Any, origin: Origin) -> list[Mismatch]:
        """Return where two values differ, outermost first. What is given binds ids of one run to ids of the other."""
        found: list[Mismatch] = []
        a, b = (read_text(value) if isinstance(value, str) else value for value in (a, b))
        self._compare(_At("", 0, origin), a, b, found)
        return found

    def _compare(self, at: "_At", a: Any, b: Any, found: list[Mismatch]) -> None:
        if isinstance(a, dict) and isinstance(b, dict) and at.depth < _MOST_DEPTH:
            self._compare_dicts(at, a, b, found)
        elif isinstance(a, list) and isinstance(b, list) and at.depth < _MOST_DEPTH:
            self._compare_lists(at, a, b, found)
        elif isinstance(a, str) and isinstance(b, str):
            if not self._same_text(a, b, at.origin):
                found.append(Mismatch(at.path, a, b, emptied=not at.depth and is_empty(a) != is_empty(b)))
        elif not _same_scalar(a, b) and (str(a), str(b)) not in self._asked:
            held = not at.depth or (at.depth == 1 and (isinstance(a, list | dict) or isinstance(b, list | dict)))
            found.append(Mismatch(at.path, _shown(a), _shown(b), emptied=held and is_empty(a) != is_empty(b)))

    def _compare_dicts(self, at: "_At", a: dict[Any, Any], b: dict[Any, Any], found: list[Mismatch]) -> None:
        keys = [key for key in dict.fromkeys((*a, *b)) if not _VOLATILE.search(str(key))]
        for key in keys[:_MOST_ITEMS]:
            below = at.below(f".{key}" if at.path else str(key))
            if key in a and key in b:
                self._compare(below, a[key], b[key], found)
            else:
                told = str(key).casefold() in ("error", "errors") and not (is_empty(a.get(key)) and is_empty(b.get(key)))
                found.append(Mismatch(below.path, _shown(a.get(key, "")), _shown(b.get(key, "")), emptied=told))

    def _compare_lists(self, at: "_At", a: list[Any], b: list[Any], found: list[Mismatch]) -> None:
        if len(a) != len(b):
            found.append(Mismatch(at.path, _shown(a), _shown(b), emptied=(not a or not b) and at.depth <= 1))
            return
        for n, (one, other) in enumerate(zip(a[:_MOST_ITEMS], b[:_MOST_ITEMS], strict=True)):
            self._compare(at.below(f"[{n}]"), one, other, found)

    def _same_text(self, a: str, b: str, origin: Origin) -> bool:
        if a == b and origin == "made":
            return True
        ours, theirs = list(tokens(a)), list(tokens(b))
        if not ours and not theirs:
            return a.strip() == b.strip()
        few = max(len(ours), len(theirs)) <= _FEW_WORDS
        return self._same_tokens(ours, theirs, origin) if few else self._same_prose(ours, theirs, origin)

    def _same_tokens(self, a: list[Token], b: list[Token], origin: Origin) -> bool:
        return len(a) == len(b) and all(self._same_token(one, other, origin) for one, other in zip(a, b, strict=True))

    def _same_prose(self, a: list[Token], b: list[Token], origin: Origin) -> bool:
        """Compare the facts in two texts one by one, and of a given text the words by how many they share."""
        facts = [[token for token in side if token.kind != "word"] for side in (a, b)]
        if origin == "given" and _shared([t.text for t in a if t.kind == "word"], [t.text for t in b if t.kind == "word"]) < _ALIKE:
            return False
        if len(facts[0]) == len(facts[1]) and all(self._same_token(one, other, origin) for one, other in zip(*facts, strict=True)):
            return True
        return self._stand_for_each_other(facts[0], facts[1])

    def _stand_for_each_other(self, a: list[Token], b: list[Token]) -> bool:
        """Tell whether two texts name the same facts, in whatever order and how often; a model may leave some unsaid."""
        here, there = ({self._plain(token, n) for token in side if token.kind != "moment"} for n, side in enumerate((a, b)))
        for one, other in self._asked:
            if one in here and other in there:
                here, there = here - {one}, there - {other}
        missing_there = [text for text in here if self._b_of.get(text, text) not in there and self._shifted(text, 1) not in there]
        missing_here = [text for text in there if self._a_of.get(text, text) not in here and self._shifted(text, -1) not in here]
        return not (missing_there and missing_here)

    def _shifted(self, text: str, sign: int) -> str:
        day = _day_of(text)
        try:
            return (day + timedelta(sign * self._days_apart)).isoformat() if day is not None else text
        except OverflowError:
            return text

    def _same_token(self, a: Token, b: Token, origin: Origin) -> bool:
        if a.kind != b.kind:
            return False
        if (a.text, b.text) in self._asked:
            return True
        if a.kind == "id":
            return self._same_id(a.text, b.text, origin)
        if a.kind == "moment":
            return True
        if a.kind != "date":
            return a.text == b.text
        ours, theirs = self._plain(a, 0), self._plain(b, 1)
        return ours == theirs or self._shifted(ours, 1) == theirs or self._is_same_weekday(ours, theirs)

    def _plain(self, token: Token, run: int) -> str:
        """Return a token's text, that of a day with the year that brings it nearest to the day on which the run was made."""
        if self._days is None or not token.text.startswith("--"):
            return token.text
        made_on = self._days[run]
        years = (_day_of(f"{made_on.year + n:04d}{token.text[1:]}") for n in (-1, 0, 1))
        nearest = min((day for day in years if day is not None), key=lambda day: abs(day - made_on), default=None)
        return nearest.isoformat() if nearest is not None else token.text

    def _is_same_weekday(self, a: str, b: str) -> bool:
        """Tell whether two days are the same day of a week to come: Monday is another date each week."""
        ours, theirs = _day_of(a), _day_of(b)
        if self._days is None or self._days[0] == self._days[1] or ours is None or theirs is None:
            return False
        ahead = (ours - self._days[0]).days, (theirs - self._days[1]).days
        return ours.weekday() == theirs.weekday() and all(0 <= number <= _SOON for number in ahead)

    def _same_id(self, a: str, b: str, origin: Origin) -> bool:
        bound_a, bound_b = self._b_of.get(a), self._a_of.get(b)
        if bound_a is not None or bound_b is not None:
            return bound_a == b
        if origin == "made":
            return a == b
        self._b_of[a], self._a_of[b] = b, a
        return True


def _day_of(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class _At:
    """A place inside a value."""

    path: str
    depth: int
    origin: Origin

    def below(self, name: str) -> "_At":
        return _At(self.path + name, self.depth + 1, self.origin)


def _same_scalar(a: Any, b: Any) -> bool:
    # Not a number equals nothing, itself included.
    if a == b or (a != a and b != b):
        return True
    if isinstance(a, int | float) and isinstance(b, int | float):
        return bool(abs(a - b) <= 1e-9 * max(abs(a), abs(b), 1.0))
    return False


def _shared(a: list[str], b: list[str]) -> float:
    """Return the share of words that two texts have in common; 1 where neither has any."""
    here, there = set(a), set(b)
    return len(here & there) / len(here | there) if here | there else 1.0


_NOTHING = frozenset(("", "[]", "{}", "null", "none", "nil"))


def is_empty(value: Any) -> bool:
    """Tell whether a value holds nothing: no text, no items, or the word for nothing."""
    if isinstance(value, str):
        return value.strip().casefold() in _NOTHING
    return value is None or value is False or (isinstance(value, list | dict) and not any(not is_empty(item) for item in value))


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value, default=str).decode()[:_MOST_CHARS]
    except TypeError:
        return str(value)[:_MOST_CHARS]


def names_in(text: str, kinds: Collection[TokenKind] = KINDS) -> set[str]:
    """Return what of some kinds a text names: ids, times, numbers, words. Days are without their year, which people leave out."""
    return {token.text[-5:] if token.kind == "date" else token.text for token in tokens(text) if token.kind in kinds}
