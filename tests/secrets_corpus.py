"""Reads the corpus of secrets and of what looks like them, and makes up what its parts stand for."""

import base64
import random
import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tracer.privacy.patterns import has_luhn

FOLDER = Path(__file__).parent / "fixtures" / "secrets"

_HEX = "0123456789abcdef"
_ALNUM = string.ascii_letters + string.digits
_ALPHABETS = {
    "digits": string.digits,
    "hex": _HEX,
    "alnum": _ALNUM,
    "upper": string.ascii_uppercase + string.digits,
    "b32": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    "url64": _ALNUM + "-_",
    "b64": _ALNUM + "+/",
}


@dataclass(frozen=True)
class Positive:
    """A text with secrets in it, and what should be left of it."""

    kind: str
    text: str
    secrets: tuple[str, ...]


def positives() -> list[Positive]:
    """Return all texts with secrets."""
    found = []
    for number, line in enumerate(_lines("positives.txt")):
        kind, _, template = line.partition(" | ")
        marked = _made(template, random.Random(number))
        secrets = tuple(re.findall(r"⟦(.*?)⟧", marked, re.DOTALL))
        assert secrets, line
        found.append(Positive(kind, re.sub("[⟦⟧]", "", marked), secrets))
    return found


def negatives() -> list[str]:
    """Return all texts without."""
    found = []
    for number, line in enumerate(_lines("negatives.txt")):
        times, template = re.fullmatch(r"(?:(\d+)x )?(.*)", line).groups()  # type: ignore[union-attr]  # it fits everything
        found += [_made(template, random.Random(1_000 * number + turn)) for turn in range(int(times or 1))]
    return found


def _lines(name: str) -> Iterator[str]:
    yield from (line for line in (FOLDER / name).read_text("utf-8").splitlines() if line)


def _made(template: str, source: random.Random) -> str:
    text = re.sub(r"<([a-z0-9]*)((?::[^:<>]+)*)>", lambda match: _part(match, source), template)
    return text.replace(r"\n", "\n").replace(r"\"", '"') if "\\\\" not in text else text.replace(r"\\\"", r"\"")


def _part(match: re.Match[str], source: random.Random) -> str:
    name, arguments = match.group(1), match.group(2).split(":")[1:]
    if not name and not arguments:
        return ""
    if name in _ALPHABETS and arguments:
        return "".join(source.choices(_ALPHABETS[name], k=int(arguments[0])))
    make = _MAKERS.get(name)
    return make(source, *arguments) if make is not None else match.group()


def _card(source: random.Random, prefix: str, length: str) -> str:
    return _number(source, prefix, int(length), passes=True)


def _no_card(source: random.Random, prefix: str, length: str) -> str:
    return _number(source, prefix, int(length), passes=False)


def _number(source: random.Random, prefix: str, length: int, passes: bool) -> str:
    body = prefix + "".join(source.choices(string.digits, k=length - len(prefix) - 1))
    return next(body + digit for digit in source.sample(string.digits, 10) if has_luhn(body + digit) is passes)


def _uuid(source: random.Random) -> str:
    return "-".join("".join(source.choices(_HEX, k=length)) for length in (8, 4, 4, 4, 12))


def _jwt(source: random.Random) -> str:
    parts = ('{"alg":"HS256","typ":"JWT"}', f'{{"sub":"{source.randrange(10**9)}","name":"A Person","admin":true}}')
    encoded = [base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts]
    return ".".join((*encoded, "".join(source.choices(_ALPHABETS["url64"], k=43))))


def _pem(source: random.Random, label: str, line_break: str = "\n") -> str:
    lines = ["".join(source.choices(_ALPHABETS["b64"], k=64)) for _ in range(6)]
    return line_break.join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"))


def _pem_in_json(source: random.Random, label: str) -> str:
    # Doubled, for the line breaks of JSON are two characters.
    return _pem(source, label, "\N{SYMBOL FOR NEWLINE}")


def _basic(source: random.Random) -> str:
    return base64.b64encode(f"user{source.randrange(100)}:{''.join(source.choices(_ALNUM, k=12))}".encode()).decode()


_MAKERS: dict[str, Callable[..., str]] = {
    "card": _card, "nocard": _no_card, "uuid": _uuid, "jwt": _jwt, "pem": _pem, "pemjson": _pem_in_json, "basic": _basic,
}  # fmt: skip
