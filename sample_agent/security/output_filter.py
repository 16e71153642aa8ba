"""The last look at an answer before a person reads it: secrets, internals and leaked instructions are taken out."""

import base64
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from ..observe import Guarded, Observe, ignore
from .patterns import LEAKS, REMOVED
from .verdict import record_verdict

WITHHELD = "I'm sorry, I can't show that answer. I can help you to find, book, move or cancel an appointment."
"""Stands in place of an answer that leaked the canary, or of which nothing was left."""

LEAKED_WORDS = 9
"""So many words in a row as in a system prompt are not by chance."""

_WORD = re.compile(r"[^\W_]+")
_CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*|\n+")
_NOT_PLAIN = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Secrets:
    """What an answer is held against: the canary of all prompts, and the prompts."""

    canary: str
    prompts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was taken out: what it was and how often. What it said is not repeated here."""

    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class Filtered:
    """An answer that may be shown. ``is_withheld`` says that it was replaced as a whole."""

    text: str
    findings: tuple[Finding, ...] = ()
    is_withheld: bool = False


def release(text: str, secrets: Secrets, observe: Observe = ignore) -> Filtered:
    """Filter an answer, with the verdict recorded."""
    filtered = filter_output(text, secrets)
    because = ", ".join(f"{one.kind} ({one.count})" for one in filtered.findings) or "nothing to take out"
    changed = "refused" if filtered.is_withheld else "changed"
    record_verdict(Guarded("filter output", "answer", changed if filtered.findings else "allowed", because), observe)  # type: ignore[arg-type]
    return filtered


def filter_output(text: str, secrets: Secrets) -> Filtered:
    """Return an answer without what must not leave. With the canary in it, in whatever spelling, nothing of it is shown."""
    if _has_canary(text, secrets.canary):
        return Filtered(WITHHELD, (Finding("canary", 1),), is_withheld=True)
    counts: Counter[str] = Counter()
    text = _without_prompt(text, secrets.prompts, counts)
    for kind, pattern in LEAKS:
        text, count = pattern.subn(REMOVED, text)
        counts[kind] += count
    text = _CARD.sub(lambda match: _without_card(match, counts), text)
    findings = tuple(Finding(kind, count) for kind, count in counts.items() if count)
    if findings and not _WORD.search(text.replace(REMOVED, "")):
        return Filtered(WITHHELD, findings, is_withheld=True)
    return Filtered(text, findings)


def _has_canary(text: str, canary: str) -> bool:
    plain, wanted = _plain(text), _plain(canary)
    if not wanted:
        return False
    spelled = (wanted, wanted[::-1], canary.encode().hex())
    return any(form in plain for form in spelled) or any(form in text for form in _base64_forms(canary))


def _plain(text: str) -> str:
    """Return letters and digits alone, in lower case: a canary that is spelled out, quoted or broken over lines is one still."""
    return _NOT_PLAIN.sub("", text).casefold()


@cache
def _base64_forms(canary: str) -> tuple[str, ...]:
    """Return what stands in base64 of any text around the canary, for each of the three places in which it can begin."""
    forms = []
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + canary.encode()).decode()
        # First and last group depend on what stands beside.
        forms.append(encoded[4 if before else 0 : len(encoded) - 4])
    return tuple(form for form in forms if len(form) >= 8)


def _without_prompt(text: str, prompts: tuple[str, ...], counts: Counter[str]) -> str:
    known = frozenset().union(*(_runs_of_words(prompt) for prompt in prompts))
    if not known.intersection(_runs(text)):
        return text
    kept = []
    sentences = _SENTENCE.findall(text)
    for at, sentence in enumerate(sentences):
        # A run may go over the end of a sentence, so each is looked at with its neighbours' nearest words.
        around = " ".join([*_WORD.findall(" ".join(sentences[max(0, at - 2) : at]))[-LEAKED_WORDS + 2 :], sentence])
        is_leaked = bool(known.intersection(_runs(around))) or _is_part(sentence, prompts)
        counts["system prompt"] += is_leaked
        kept.append(f" {REMOVED}" if is_leaked else sentence)
    return "".join(kept).strip()


def _is_part(sentence: str, prompts: tuple[str, ...]) -> bool:
    """Say whether a sentence of some length is word for word part of a prompt; asked only where a leak was found beside it."""
    words = [word.casefold() for word in _WORD.findall(sentence)]
    return len(words) >= 4 and any(f" {' '.join(words)} " in f" {' '.join(_words(prompt))} " for prompt in prompts)


@cache
def _runs_of_words(prompt: str) -> frozenset[tuple[str, ...]]:
    return frozenset(_runs(prompt))


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    words = _words(text)
    return (tuple(words[at : at + LEAKED_WORDS]) for at in range(len(words) - LEAKED_WORDS + 1))


def _without_card(match: re.Match[str], counts: Counter[str]) -> str:
    digits = [int(char) for char in match[0] if char.isdigit()][::-1]
    doubled = [digit if at % 2 == 0 else sum(divmod(2 * digit, 10)) for at, digit in enumerate(digits)]
    if sum(doubled) % 10:
        return match[0]
    counts["card number"] += 1
    return REMOVED
