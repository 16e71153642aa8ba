"""Taking out of a text what must not be passed on: addresses, keys and passwords, card numbers.

Patterns find what looks like a secret; nothing can find what does not. A report says so.
"""

import re
from collections import Counter
from collections.abc import Callable

_EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_TOKEN = re.compile(
    r"(?<![\w-])(?:"
    r"(?:sk|pk|rk)[-_][\w-]{12,}"  # model providers, payment providers
    r"|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|xox[abeprs]-[\w-]{10,}"
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}"
    r"|AIza[\w-]{30,}|ya29\.[\w-]{20,}"
    r"|hf_\w{20,}|npm_\w{20,}|pypi-[\w-]{20,}|clew_[\w-]{20,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # JSON web tokens
    r")"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)(\s+|%20)[\w.~+/=-]{8,}")
_URL_PASSWORD = re.compile(r"(?<=://)[^\s/@:]{0,200}:[^\s/@]{1,200}(?=@)")
_NAMED = re.compile(
    r"(?i)(\b[\w-]{0,40}(?:api[_-]?key|access[_-]?key|secret|token|passwd|password|passphrase|authorization|credential)s?"
    r"(?:\\?[\"'])?\s*[:=]\s*)"
    r"(\\?\"[^\"\\]{1,2000}\\?\"|'[^'\\]{1,2000}'|[^\s,;}\"'\\]{4,})"
)
_HARMLESS = re.compile(r"[\d.,]+|true|false|null|none|\[.*|(?:bearer|basic)(?:%20.*)?", re.IGNORECASE)
"""What is no secret after such a name: a number, as in ``max_tokens``, and what was taken out already."""
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")

Found = Counter[str]
"""How many of what were taken out."""


def redact(text: str, found: Found) -> str:
    """Return a text without what looks like a secret, each replaced by a word that says what it was, and count them."""
    text = _PRIVATE_KEY.sub(_told("key", found), text)
    text = _URL_PASSWORD.sub(_told("password", found), text)
    text = _BEARER.sub(_told("key", found), text)
    text = _TOKEN.sub(_told("key", found), text)
    text = _NAMED.sub(lambda match: _named(match, found), text)
    text = _EMAIL.sub(_told("address", found), text)
    return _CARD.sub(lambda match: _card(match[0], found), text)


def _told(what: str, found: Found) -> Callable[[re.Match[str]], str]:
    def replace(match: re.Match[str]) -> str:
        found[what] += 1
        return f"[{what}]"

    return replace


def _named(match: re.Match[str], found: Found) -> str:
    value = match[2].strip("\\\"'")
    if _HARMLESS.fullmatch(value):
        return match[0]
    found["key"] += 1
    return f"{match[1]}[key]"


def _card(number: str, found: Found) -> str:
    digits = [int(digit) for digit in number if digit.isdigit()]
    doubled = [digit if place % 2 == 0 else digit * 2 - 9 * (digit > 4) for place, digit in enumerate(reversed(digits))]
    if sum(doubled) % 10 or len(set(digits)) == 1:
        return number
    found["card number"] += 1
    return "[card number]"
