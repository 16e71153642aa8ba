"""Takes out of texts what must not leave, and marks what it was. Fails closed: a rule that fails costs the text, not the secret."""

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Any

from ..later import compile_later
from ..quiet import report
from ..settings import Redactor
from .assignments import Found, find_assignments, is_sensitive_name
from .linear import why_not_linear
from .patterns import LONG_RUNS, PERSONAL, SECRETS, Pattern, names_an_id

_PEM_BEGIN = compile_later(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_BODY = compile_later(r"(?:[A-Za-z0-9+/=]|[\s\\:,.()-])*+")
_LONGEST_OWN_CHARS = 1 << 20
"""A rule of the host's sees no more than this at a time."""

ERROR_MARK = "[redacted:error]"
TIMEOUT_MARK = "[redacted:timeout]"


class Redaction:
    """All rules together. Used by one thread; its methods do not raise."""

    def __init__(self, rules: Iterable[str | Redactor]) -> None:
        """Take levels, expressions and functions. Raises ``ValueError`` for an expression that is none, or that may take for ever."""
        rules = tuple(rules)
        self._has_secrets = "secrets" in rules or "personal" in rules
        patterns = [*(SECRETS if self._has_secrets else ()), *(PERSONAL if "personal" in rules else ())]
        self._hinted = [(hint, pattern) for pattern in patterns for hint in pattern.hints]
        self._gated = [(pattern.gate, pattern) for pattern in patterns if pattern.gate is not None]
        self._own: list[Redactor] = [_own_rule(rule) for rule in rules if rule not in ("secrets", "personal", "off")]
        self.is_on = bool(self._has_secrets or self._own)

    def text(self, key: str, text: str) -> str:
        """Return what may leave of a text that goes under a name."""
        try:
            if self._has_secrets:
                text = self._without_secrets(key, text)
            for rule in self._own:
                text = rule(key, text)
                if not isinstance(text, str):
                    return ERROR_MARK
            return text
        except TimeoutError:
            return TIMEOUT_MARK
        except Exception as error:
            report(error)
            return ERROR_MARK

    def number(self, number: int) -> int | str:
        """Return what may leave of a whole number: some are cards."""
        if not (self._has_secrets and 10**12 <= number < 10**19):
            return number
        text = str(number)
        clean = self.text("", text)
        return number if clean == text else clean

    def _without_secrets(self, key: str, text: str) -> str:
        if len(text) < 4 or text.startswith("[redacted:"):
            return text
        if is_sensitive_name(key) and _is_said(text):
            return "[redacted:secret]"
        lowered = text.lower()
        if "-----begin" in lowered:
            text = _replace(text, _find_private_keys(text))
        long_runs = "\n".join(LONG_RUNS.findall(lowered))
        for hint, pattern in self._hinted:
            if hint in (long_runs if pattern.is_long else lowered):
                text = _replace(text, _find(pattern, text))
        if not (text.isdigit() and names_an_id(key)):
            for gate, pattern in self._gated:
                if gate.search(text) is not None:
                    text = _replace(text, _find(pattern, text))
        return _replace(text, find_assignments(text, text.lower()))


def _is_said(text: str) -> bool:
    return text.strip().lower() not in ("", "none", "null", "true", "false", "[redacted]", "redacted", "***")


def _find(pattern: Pattern, text: str) -> Iterator[Found]:
    for match in _beginning_with(pattern, text) if pattern.begins else pattern.expression.finditer(text):
        if pattern.check is None or pattern.check(match):
            yield (*match.span(pattern.group), pattern.kind)


def _beginning_with(pattern: Pattern, text: str) -> Iterator[re.Match[str]]:
    lowered = text.lower()
    if len(lowered) != len(text) or sum(map(lowered.count, pattern.hints)) > 100 + len(text) // 200:
        # Where a hint stands everywhere, the engine is faster on its own.
        yield from pattern.expression.finditer(text)
        return
    for hint in pattern.hints:
        at = lowered.find(hint)
        while at >= 0:
            match = pattern.expression.match(text, at)
            if match is not None:
                yield match
            at = lowered.find(hint, at + len(hint) if match is None else match.end())


def _find_private_keys(text: str) -> Iterator[Found]:
    has_end, past = True, 0
    for match in _PEM_BEGIN.finditer(text):
        if match.start() < past:
            continue
        end = text.find("-----END", match.end()) if has_end else -1
        has_end = end >= 0
        if not has_end:
            body = _PEM_BODY.match(text, match.end())
            end = body.end() if body is not None else match.end()
        if sum(char.isalnum() for char in text[match.end() : match.end() + 400]) < 40 or end - match.end() < 40:
            continue
        past = end
        yield match.end(), end, "private_key"


def _replace(text: str, found: Iterable[Found]) -> str:
    parts: list[str] = []
    past = 0
    for start, end, kind in sorted(found):
        if start >= past:
            parts += (text[past:start], f"[redacted:{kind}]")
            past = end
    return "".join((*parts, text[past:])) if parts else text


# --- the host's own rules -----------------------------------------------------------------------------------------


def _own_rule(rule: str | Redactor) -> Redactor:
    if callable(rule):
        return Watched(rule)
    if not isinstance(rule, str):
        raise ValueError("redact is a level, a regular expression, a function, or a sequence of these")
    try:
        expression = re.compile(rule)
    except re.error as error:
        raise ValueError(f"redact: {rule!r} is no regular expression: {error}") from error
    problem = why_not_linear(rule)
    if problem is not None:
        # Nothing could stop it: the engine holds the interpreter, and with it the host, until it is done.
        raise ValueError(f"redact: {rule!r} may take for ever on some texts: {problem}")
    return lambda key, text: text if len(text) > _LONGEST_OWN_CHARS and _fail() else expression.sub("[redacted:custom]", text)


def _fail() -> bool:
    raise TimeoutError


class Watched:
    """Calls a function of the host's in a thread of its own and waits only so long; one that hangs repeatedly is not called any more."""

    def __init__(self, function: Redactor, timeout_s: float = 1.0, patience: int = 3) -> None:
        self._function = function
        self._timeout_s = timeout_s
        self._patience = patience
        self._queues: tuple[SimpleQueue[Any], SimpleQueue[Any]] | None = None
        self._thread: threading.Thread | None = None

    def __call__(self, key: str, text: str) -> str:
        """Return what the function returns, or raise what it raises; ``TimeoutError`` where it takes too long."""
        if self._patience <= 0:
            raise TimeoutError
        asked, answered = self._running()
        asked.put((key, text))
        try:
            result, error = answered.get(timeout=self._timeout_s)
        except Empty:
            self._patience -= 1
            self._queues = None
            raise TimeoutError from None
        if error is not None:
            raise error
        clean: str = result
        return clean

    def _running(self) -> tuple["SimpleQueue[Any]", "SimpleQueue[Any]"]:
        # After a fork the thread is the parent's.
        if self._queues is None or self._thread is None or not self._thread.is_alive():
            self._queues = (SimpleQueue(), SimpleQueue())
            self._thread = threading.Thread(target=_serve, args=(self._function, *self._queues), name="clew-redact", daemon=True)
            self._thread.start()
        return self._queues


def _serve(function: Callable[[str, str], str], asked: "SimpleQueue[Any]", answered: "SimpleQueue[Any]") -> None:
    while True:
        key, text = asked.get()
        try:
            answered.put((function(key, text), None))
        except BaseException as error:  # it is the asker's to handle
            answered.put((None, error if isinstance(error, Exception) else RuntimeError(type(error).__name__)))
