"""Leaks and policy: secrets in what leaves a run, instructions in what comes in, and deeds that nobody checked before."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from ingest.findings import Finding, Severity
from ingest.model import Step

from .model import Seen

_MOST_CHARS = 20_000
"""Of one text; a secret beyond is not looked for."""

_CONTEXT = 30


class _Secret(NamedTuple):
    name: str
    pattern: re.Pattern[str]
    severity: Severity = "warning"


# The digit first: where a text has none there is nothing to look behind or ahead.
_SOCIAL = re.compile(r"\d(?<![\w-]\d)(?<!9)(?!(?<=0)00|(?<=6)66)\d\d-(?!00)\d\d-(?!0000)\d{4}(?![\w-])")
_CARD = re.compile(r"\d(?=[\d -]{12})(?<![\w.-]\d)(?:[ -]?\d){12,18}(?![\w-])")

_SECRETS = {
    "PRIVATE KEY": _Secret("a private key", re.compile(r"-----BEGIN (?:[A-Z]{2,12} ){0,3}PRIVATE KEY-----"), "critical"),
    "eyJ": _Secret("a JSON web token", re.compile(r"\beyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,2000}")),
    "sk-": _Secret("an API key", re.compile(r"\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{20,200}")),
    "IA": _Secret("an API key", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    "gh": _Secret("an API key", re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b")),
    "AIza": _Secret("an API key", re.compile(r"\bAIza[0-9A-Za-z_-]{35}")),
    "xox": _Secret("an API key", re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,200}")),
    "-": _Secret("a social security number", _SOCIAL),
    "": _Secret("a payment card", _CARD),
    "://": _Secret("an internal address", re.compile(r"\bhttps?://(?:[\w-]{1,63}\.){1,5}(?:internal|corp|local|lan|intranet)\b")),
}
"""By a text that every match holds: most texts need no second look."""


def leaks(seen: Seen) -> list[Finding]:
    """P1: a secret, a person's number, an internal address or the project's canary in what a run says or hands to a tool."""
    found: dict[tuple[str, bytes], Finding] = {}
    for step, where, text in _leaving(seen):
        for name, severity, match in _matches(text, seen.rules.canaries):
            masked = f"{where}: {_masked(text, *match)}"
            sentence = f"{seen.run.agent} let {name} out in {where}"
            found.setdefault((name, step.span_id), _finding(seen, _Sign("P1", severity, name, step, sentence, masked)))
    return list(found.values())


def _leaving(seen: Seen) -> Iterator[tuple[Step, str, str]]:
    """Yield what leaves a run: its answer, and the arguments of its tools."""
    for step in seen.steps:
        if step.tool is not None and step.tool.arguments is not None:
            yield step, f"the arguments of {step.tool.name}", _text(step.tool.arguments)
    last = seen.steps[-1] if seen.steps else None
    if seen.run.output and last is not None:
        yield last, "its answer", seen.run.output[:_MOST_CHARS]


def _text(value: object) -> str:
    if isinstance(value, str):
        return value[:_MOST_CHARS]
    try:
        return msgspec.json.encode(value).decode()[:_MOST_CHARS]
    except (TypeError, ValueError, RecursionError, OverflowError):
        return ""


def _matches(text: str, canaries: Iterable[str]) -> Iterator[tuple[str, Severity, tuple[int, int]]]:
    for canary in canaries:
        at = text.find(canary) if canary else -1
        if at >= 0:
            yield "the canary", "critical", (at, at + len(canary))
    for sign, secret in _SECRETS.items():
        if sign in text:
            match = secret.pattern.search(text)
            if match is not None and (secret.name != "a payment card" or _is_card(match[0])):
                yield secret.name, secret.severity, match.span()


def _is_card(text: str) -> bool:
    """Tell a card number by its issuer's first digit and Luhn's sum (ISO/IEC 7812-1)."""
    digits = [int(char) for char in text if char.isdecimal()]
    if not 13 <= len(digits) <= 19 or digits[0] not in (3, 4, 5, 6) or len(set(digits)) == 1:
        return False
    doubled = [digit if place % 2 == 0 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _masked(text: str, start: int, end: int) -> str:
    """Return where a match stands, without the match."""
    before, after = text[max(start - _CONTEXT, 0) : start], text[end : end + _CONTEXT]
    return f"{before}[{end - start} characters]{after}"


class _Order(NamedTuple):
    signs: tuple[str, ...]
    """One of them is in every text that matches."""
    pattern: re.Pattern[str]


_OVERRIDE = (
    r"(?:ignore|disregard|forget)\s{1,3}(?:(?:all|any|the|your|of|my)\s{1,3}){0,3}(?:previous|prior|above|earlier|system)\s{1,3}"
    r"(?:instructions?|prompts?|rules|messages?)"
)
_ORDERS = (
    _Order(("ignore", "disregard", "forget"), re.compile(_OVERRIDE)),
    _Order(("you are now",), re.compile(r"you\s{1,3}are\s{1,3}now\s{1,3}(?:in\s{1,3})?(?:developer|admin|root|unrestricted|jailbr)")),
    _Order(
        ("prompt", "instructions"),
        re.compile(r"(?:reveal|print|repeat|send)\s{1,3}(?:me\s{1,3})?(?:your|the)\s{1,3}(?:system\s{1,3}prompt|instructions)"),
    ),
    _Order(
        ("@", "://"),
        re.compile(r"(?:send|forward|e-?mail|post|upload)\s{1,3}[^.\n]{0,80}?\s(?:to|at)\s{1,3}(?:https?://|[\w.+-]{1,64}@)"),
    ),
)

_ORDER_BY_SIGN = {sign: order.pattern for order in _ORDERS for sign in order.signs}


def _order_in(text: str) -> str | None:
    """Return what reads like an instruction in a text."""
    low = text[:_MOST_CHARS].lower()
    for sign, pattern in _ORDER_BY_SIGN.items():
        if sign in low and (match := pattern.search(low)) is not None:
            return match[0]
    return None


def injections(seen: Seen) -> list[Finding]:
    """P3: what reads like an instruction in what a tool answered. By itself it is no more than information."""
    found = []
    for step in seen.steps:
        text = step.tool.result if step.tool is not None else None
        order = _order_in(text) if text else None
        if order is not None and step.tool is not None:
            sentence = f"the answer of {step.tool.name} tells {seen.run.agent} what to do"
            found.append(_finding(seen, _Sign("P3", "info", step.tool.name, step, sentence, order)))
    return found


_CHECKS = frozenset({"guardrail", "retrieval", "decision"})
_CHECKING = re.compile(r"(?:^|_)(?:validate|verify|confirm|check|lookup|look_up|get|find|search|read)(?:_|$)")


def unchecked_deeds(seen: Seen) -> list[Finding]:
    """P4: a tool of high impact that ran before anything was validated, confirmed or looked up in the run."""
    if not seen.rules.high_impact:
        return []
    checked = False
    found = []
    for step in seen.steps:
        if step.kind in _CHECKS:
            checked = checked or step.status == "ok"
        elif step.tool is not None and step.tool.name in seen.rules.high_impact:
            if not checked and step.tool.error is None:
                sentence = f"{seen.run.agent} ran {step.tool.name} before anything was checked"
                sign = _Sign("P4", "warning", step.tool.name, step, sentence, _text(step.tool.arguments))
                found.append(_finding(seen, sign))
        elif step.tool is not None and step.tool.error is None and _CHECKING.search(step.tool.name):
            checked = True
    return found


class _Sign(NamedTuple):
    """One step at which a rule is met."""

    rule: str
    severity: Severity
    subject: str
    step: Step
    sentence: str
    detail: str


def _finding(seen: Seen, sign: _Sign) -> Finding:
    return Finding(
        rule=sign.rule,
        severity=sign.severity,
        run_id=seen.run.run_id,
        agent=seen.run.agent,
        subject=sign.subject,
        observed=1,
        limit=1,
        since_ns=sign.step.started_ns,
        last_ns=sign.step.ended_ns,
        spans=(sign.step.span_id,),
        sentence=sign.sentence,
        detail=sign.detail[:200],
    )
