"""Signs, in a run, of how its agent is built: budgets, retries, guards, fallbacks, and what is missing where it was needed.

Judged as a whole by the readiness page. Pure.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import msgspec

from ingest.chain.steps import in_order
from ingest.model import Run, Step, Trace


class Sign(msgspec.Struct, frozen=True):
    """One sign in one run, and the span that shows it."""

    agent: str
    name: str
    run_id: bytes
    span_id: bytes
    words: str = ""
    failed: bool = False
    times: int = 1


# Looked for in small letters: to look for either costs several times as much, and errors are long.
_REJECTED = re.compile(r"valid|schema|required|must be|missing|unknown (?:argument|field|parameter)|unexpected|malformed|not allowed")
_LIMITED = re.compile(r"rate.?limit|\b429\b|too many requests|throttl|quota")
_HUMAN = re.compile(r"human|escalat|operator|call_(?:our_)?office|support_(?:agent|person)|hand_?off_to_person", re.IGNORECASE)
_OUTPUT = re.compile(r"output|response|answer|reply|leak|redact|pii", re.IGNORECASE)
_TOOL = re.compile(r"tool|argument|param|authori", re.IGNORECASE)
_TESTING = frozenset(("test", "testing", "tests", "ci", "eval", "evals", "evaluation", "golden"))
_CUT = frozenset(("length", "max_tokens", "MAX_TOKENS"))
_BUDGETS = frozenset(("token_budget", "cost_budget", "max_steps"))
_WORDS = 160
_HAMMERED = 5


def signs_of(trace: Trace) -> list[Sign]:
    """Return the signs in a trace, each once a run with how often it shows."""
    found: list[Sign] = []
    for run in trace.runs:
        first: dict[tuple[str, bool], Sign] = {}
        for sign in _signs(run, in_order(run.steps)):
            before = first.get((sign.name, sign.failed))
            first[sign.name, sign.failed] = sign if before is None else msgspec.structs.replace(before, times=before.times + 1)
        found.extend(first.values())
    return found


def _signs(run: Run, steps: Sequence[Step]) -> Iterator[Sign]:
    for read in (_of_run, _of_steps, _of_models, _of_tools):
        yield from read(run, steps)


def _sign(run: Run, name: str, step: Step | None = None, words: str = "", *, failed: bool = False) -> Sign:
    return Sign(run.agent, name, run.run_id, step.span_id if step is not None else run.run_id, words[:_WORDS], failed)


def _of_run(run: Run, steps: Sequence[Step]) -> Iterator[Sign]:
    ending, totals, tokens = run.termination.reason, run.totals, run.totals.usage
    yield _sign(run, "run")
    if run.budget_tokens or run.budget_nanos or run.budget_steps:
        yield _sign(run, "budget", words=_budget_words(run))
    if ending in _BUDGETS:
        yield _sign(run, "stopped by budget", words=run.termination.detail or ending)
    spent = (tokens.input_tokens or 0) + (tokens.output_tokens or 0)
    if run.budget_tokens and spent > 1.2 * run.budget_tokens:
        yield _sign(run, "over budget", words=f"{spent:,} tokens of {run.budget_tokens:,}", failed=True)
    if ending == "validation_failed":
        yield _sign(run, "answer refused", words=run.termination.detail or "the answer did not fit its schema")
    if ending == "circuit_breaker":
        yield _sign(run, "breaker", words=run.termination.detail or "stopped by the circuit breaker")
    if ending == "escalated":
        yield _sign(run, "escalated", words=run.termination.detail or "handed to a person")
    if ending in ("guardrail", "refused"):
        yield _sign(run, "guard refused", words=run.termination.detail or "refused")
    if run.session_id or run.user_id:
        yield _sign(run, "identified", words=f"session {run.session_id}" if run.session_id else f"user {run.user_id}")
    if totals.llm_calls:
        spent_words = f"{totals.unpriced_calls} calls without a price" if totals.unpriced_calls else f"{totals.llm_calls} priced calls"
        yield _sign(run, "unpriced" if totals.unpriced_calls else "priced", words=spent_words, failed=bool(totals.unpriced_calls))
    if (run.environment or "").casefold() in _TESTING:
        yield _sign(run, "test run", words=f"environment {run.environment}")
        if ending in ("guardrail", "refused"):
            yield _sign(run, "attacked in a test", words=run.input or "")
    thought = next((step for step in steps if step.thought or step.decision is not None), None)
    yield _sign(run, "reasoned", thought, _reason(thought)) if thought is not None else _sign(run, "unreasoned", failed=True)


def _reason(step: Step) -> str:
    return step.thought or (f"chose {step.decision.chosen}" if step.decision is not None else "")


def _budget_words(run: Run) -> str:
    parts = (
        (run.budget_tokens, f"{run.budget_tokens:,} tokens" if run.budget_tokens else ""),
        (run.budget_nanos, f"${(run.budget_nanos or 0) / 1e9:.2f}"),
        (run.budget_steps, f"{run.budget_steps} steps"),
    )
    return ", ".join(words for limit, words in parts if limit)


_KINDS = {"retry": "retry", "fallback": "fallback", "repair": "repair", "breaker": "breaker", "handoff": "handoff"}


def _of_steps(run: Run, steps: Sequence[Step]) -> Iterator[Sign]:
    for step in steps:
        kind = step.kind
        if kind in _KINDS:
            yield _sign(run, _KINDS[kind], step, step.error or step.output or step.name)
        if kind == "guardrail":
            yield _sign(run, _guard_word(step), step, f"{step.name}: {step.output or step.error or 'passed'}")
        if kind in ("tool", "handoff", "agent"):
            named = step.tool.name if step.tool is not None else step.name
            if _calls_people(named):
                yield _sign(run, "escalated", step, named)
        if step.error and _LIMITED.search(step.error.lower()):
            yield _sign(run, "rate limited", step, step.error)


@lru_cache(maxsize=1_000)
def _calls_people(name: str) -> bool:
    return _HUMAN.search(name) is not None


def _guard_word(step: Step) -> str:
    return "guard on output" if _OUTPUT.search(step.name) else "guard on tools" if _TOOL.search(step.name) else "guard on input"


def _of_models(run: Run, steps: Sequence[Step]) -> Iterator[Sign]:
    calls = [step for step in steps if step.kind == "llm"]
    broken = next((step for step in calls if step.status == "error"), None)
    ending = run.termination.reason
    if ending == "llm_unavailable" or (broken is not None and ending in ("circuit_breaker", "error")):
        answered = bool(run.output)
        words = (broken.error if broken is not None else None) or run.termination.detail or "the model could not be reached"
        yield _sign(run, "degraded" if answered else "dead end", broken, run.output or words, failed=not answered)
    elif broken is not None:
        yield _sign(run, "recovered", broken, broken.error or "")
    if broken is not None and ending in ("llm_unavailable", "error") and not any(step.kind in ("retry", "fallback") for step in steps):
        yield _sign(run, "not tried again", broken, broken.error or "", failed=True)
    if calls and calls[-1].finish_reason in _CUT and ending == "completed":
        yield _sign(run, "cut answer", calls[-1], "the last answer was cut short and passed on", failed=True)


def _of_tools(run: Run, steps: Sequence[Step]) -> Iterator[Sign]:
    streak, last = 0, ""
    for step in steps:
        tool = step.tool
        if tool is None:
            continue
        if step.status == "error":
            if step.error and _REJECTED.search(step.error.lower()):
                yield _sign(run, "arguments refused", step, f"{tool.name}: {step.error}")
            streak, last = (streak + 1 if tool.name == last else 1), tool.name
            if streak == _HAMMERED and not _broke(run, steps):
                yield _sign(run, "hammered", step, f"{tool.name} failed {streak} times in a row and was called again", failed=True)
        else:
            streak = 0
            if isinstance(tool.arguments, str) and tool.arguments.strip():
                yield _sign(run, "unread arguments", step, f"{tool.name} took what is no JSON", failed=True)


def _broke(run: Run, steps: Sequence[Step]) -> bool:
    return run.termination.reason == "circuit_breaker" or any(step.kind == "breaker" for step in steps)


def counted(signs: Iterable[Sign]) -> list[tuple[str, str, int, int]]:
    """Return signs as agent, name, times and failures, added up over a trace's runs."""
    sums: dict[tuple[str, str], list[int]] = {}
    for sign in signs:
        found = sums.setdefault((sign.agent, sign.name), [0, 0])
        found[0] += sign.times
        found[1] += sign.times * sign.failed
    return [(agent, name, times, failed) for (agent, name), (times, failed) in sorted(sums.items())]
