"""Credentials by the name they go under: ``password=...``, ``"api_key": "..."``, ``postgres://user:...@host``, ``--token ...``."""

import re
from collections.abc import Iterator
from functools import lru_cache

from ..later import compile_later

Found = tuple[int, int, str]
"""Where a secret begins and ends, and what kind it is."""

_STEMS: tuple[tuple[str, bool], ...] = (
    ("password", True), ("passwort", True), ("passwd", True), ("passphrase", True), ("passcode", True), ("pwd", True), ("mnemonic", True),
    ("secret", False), ("key", False), ("token", False), ("authorization", False), ("credential", False), ("credentials", False),
    ("cookie", False), ("jsessionid", False),
)  # fmt: skip
"""What names of credentials end with, and whether the name alone makes one. Words are found far faster than expressions."""

_BEFORE_KEY = (
    "api", "access", "account", "private", "signing", "encryption", "master", "auth", "subscription", "license", "licence", "secret",
    "storage", "shared", "service",
)  # fmt: skip
_MAY_FOLLOW = frozenset("\"'`\\:= \t\n>")
_AFTER_SPACE = frozenset("\"'`\\:= iw")
_AFTER = compile_later(
    r"(?P<closed>\\{0,15}[\"'`])?\s{0,3}(?P<sign>=>|:=|==?|:|\bis\b|\bwas\b)\s{0,3}(?P<open>\\{0,15}[\"'`])?"
    r"(?P<value>(?(open)[^\s\"'`\\]|[^\s\"'`\\,;&<>(){}\[\]|])[^\s\"'`\\,;&<>(){}\[\]|]{0,511}+)"
)
_OPTION_BEFORE = compile_later(r"(?<![\w-])--?[a-z-]{0,24}+$")
_OPTION = compile_later(r" [\"']?(?P<value>[^\s\"'-][^\s\"']{3,255}+)")
_ELEMENT = compile_later(r">(?P<value>[^<\s]{3,256}+)</")
_USER_OPTION = compile_later(r"(?<![\w-])(?:-u|--user|--proxy-user)[ =]\\{0,3}[\"']?[^\s:\"']{1,64}+:([^\s\"']{3,128}+)")
_ADDRESS = compile_later(r"[^\s:/@\"'<>\\\[]{0,128}+:([^\s/@\"'<>\\]{1,256}+)@")

_PLACEHOLDERS = frozenset({
    "string", "str", "text", "number", "integer", "int", "boolean", "bool", "object", "array", "list", "any", "null", "none", "nil",
    "true", "false", "undefined", "required", "optional", "missing", "invalid", "incorrect", "wrong", "expired", "empty", "unknown",
    "hidden", "masked", "redacted", "removed", "secret", "password", "passwd", "pass", "token", "key", "value", "example",
    "placeholder", "changeme", "change_me", "todo", "tbd", "n/a", "na", "not", "yes", "no", "on", "off", "set", "unset", "default",
    "disabled", "enabled", "basic", "bearer", "digest", "oauth", "oauth2", "apikey", "api_key",
})  # fmt: skip

_UNREAL = compile_later(
    r"[<$%{*]|\{\{|\[redacted|x{3,}|\.{3}|…|•|your|my[_-]|example|test[_-]?(?:key|token|secret|password)?$|dummy|fake|placeholder|insert"
    r"|os\.|process\.env|env\.|env\[|getenv|config\.|settings\.|self\.|args\.|options\.|secrets?\.|vars?\.|vault|file:|arn:|projects/",
    re.IGNORECASE,
)
_CODE = compile_later(r"[A-Za-z_]+(?:\.[A-Za-z_]+)+|[A-Za-z_]*(?:password|passwd|pwd|secret|token|key)s?", re.IGNORECASE)
_BEFORE_NO_SECRET = (
    "page", "next", "prev", "previous", "continuation", "sync", "cancellation", "stop", "start", "end", "eos", "bos", "pad", "sep", "cls",
    "mask", "unk", "special", "per", "max", "min", "last", "first", "each", "cursor", "resume", "skip", "delta", "prompt", "completion",
    "input", "output",
)  # fmt: skip
"""Words that make a token one of a text's or of a list's."""
_SENSITIVE_NAME = compile_later(
    r"(?:^|[._-])(?:password|passwd|pwd|passphrase|secret|api[_-]?key|apikey|authorization|cookie|set-cookie|x-api-key|x-clew-key"
    r"|(?:access|refresh|id|auth|session|bearer|csrf)[_-]?token|private[_-]?key|client[_-]?secret|secret[_-]?(?:access[_-]?)?key)$",
    re.IGNORECASE,
)


@lru_cache(4_096)
def is_sensitive_name(name: str) -> bool:
    """Tell whether what goes under a name is a credential whatever it looks like."""
    return len(name) < 256 and _SENSITIVE_NAME.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)) is not None


def find_assignments(text: str, lowered: str) -> Iterator[Found]:
    """Yield where credentials stand beside their names."""
    # Lower case is longer than the text for a few letters of a few languages; then a slower way keeps the places.
    yield from _named(text, lowered if len(lowered) == len(text) else _ascii_lower(text))
    if "-u" in text:
        for match in _USER_OPTION.finditer(text):
            if _is_real(match.group(1)):
                yield (*match.span(1), "password")
    if "@" in text:
        yield from _of_addresses(text)


def _of_addresses(text: str) -> Iterator[Found]:
    at = text.find("://")
    while at >= 0:
        match = _ADDRESS.match(text, at + 3)
        if match is not None and at and text[at - 1].isalnum() and _is_real(match.group(1)):
            yield (*match.span(1), "password")
        at = text.find("://", at + 3)


_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def _ascii_lower(text: str) -> str:
    return text.translate(_ASCII_LOWER)


def _named(text: str, lowered: str) -> Iterator[Found]:
    most = len(text)
    for stem, is_strong in _STEMS:
        at, past = lowered.find(stem), 0
        while at >= 0:
            end = at + len(stem)
            is_name = stem != "key" or _follows(lowered, at, _BEFORE_KEY)
            if end < most and text[end] in _MAY_FOLLOW and at >= past and is_name:
                span = _value_after(text, at, end, is_strong)
                if span is not None:
                    past = span[1]
                    yield span
            at = lowered.find(stem, end)


def _value_after(text: str, at: int, end: int, is_strong: bool) -> Found | None:
    """Return the credential that follows a name, or None."""
    if text[end] == " " and text[end + 1 : end + 2] not in _AFTER_SPACE and "-" not in text[max(0, at - 28) : at]:
        return None
    match = _AFTER.match(text, end)
    if match is not None:
        start, past = match.start("value"), _end_of(text, match)
        value = text[start:past]
        is_one = _is_password(match, at, value) if is_strong else _is_credential(match, at, value)
        return (start, past, "password" if is_strong else "secret") if is_one else None
    if text[end] == ">" and "<" in text[max(0, at - 24) : at]:
        match = _ELEMENT.match(text, end)
    elif text[end] == " " and _OPTION_BEFORE.search(text[max(0, at - 28) : at].lower()):
        match = _OPTION.match(text, end)
    return (*match.span("value"), "secret") if match is not None and _is_real(match.group("value")) else None


def _follows(text: str, at: int, words: tuple[str, ...]) -> bool:
    return text[max(0, at - 16) : at].rstrip(" _-").lower().endswith(words)


def _end_of(text: str, match: re.Match[str]) -> int:
    """Return where a value ends: at the quote that closes it, else at the first character that cannot belong to it."""
    start, quote = match.start("value"), match.group("open")
    if quote is None:
        return match.end()
    limit = min(len(text), start + 1_024)
    at = text.find(quote, start, limit)
    while at > 0 and text[at - 1] == "\\":
        at = text.find(quote, at + len(quote), limit)
    if at > 0:
        return at
    line = text.find("\n", start, limit)
    return line if line > 0 else limit


def _is_credential(match: re.Match[str], at: int, value: str) -> bool:
    if match.group("sign") in ("is", "was") and not _is_mixed(value):
        return False
    if len(value) < (8 if match.group("open") is None else 6) or " " in value.strip() or not (_is_mixed(value) and _is_real(value)):
        return False
    return not _follows(match.string, at, _BEFORE_NO_SECRET)


def _is_password(match: re.Match[str], at: int, value: str) -> bool:
    following = match.string[match.end() : match.end() + 1]
    if not _is_real(value):
        return False
    if match.group("open") is not None:
        return len(value) >= 3 and (match.group("closed") is not None or " " not in value or len(value) < 40)
    if len(value) < 4 or following in ("(", "[") or _CODE.fullmatch(value):
        return False
    if match.group("sign") in ("=", "==", ":=", "=>") or (match.group("sign") == ":" and _is_whole_line(match, at)):
        return True
    return len(value) >= 6 and _is_mixed(value.rstrip(".,!?"))


_NAME_AT_END = compile_later(r"(?:^|\\n|[\n\"'`>])[ \t]*+([\w.-]*)$")


def _is_whole_line(match: re.Match[str], at: int) -> bool:
    """Tell whether a line, or a text, says nothing but this, as in a file of settings; or whether the name is a setting's."""
    text = match.string
    before = text[max(0, at - 40) : at]
    if before[-1:] in ("_", "."):
        return True
    return text[match.end() : match.end() + 1] in ("", "\n", "\r", "\\", '"', "'", "<") and _NAME_AT_END.search(before) is not None


def _is_mixed(value: str) -> bool:
    """Tell whether a value has letters and digits, or signs, as words have not."""
    has_digit = any(char.isdigit() for char in value)
    has_letter = any(char.isalpha() for char in value)
    has_sign = any(char in "!@#$%^&*?~+/=" for char in value)
    has_both_cases = value.lower() != value and value.upper() != value and not value.istitle()
    return has_letter and (has_digit or (has_sign and len(value) >= 8) or (has_both_cases and len(value) >= 16))


def _is_real(value: str) -> bool:
    plain = value.strip().rstrip(".,;:!?)").lower()
    if plain in _PLACEHOLDERS or len(set(plain)) < 3 or _UNREAL.match(value):
        return False
    return any(char.isalnum() for char in plain)
