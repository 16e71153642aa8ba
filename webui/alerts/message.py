"""What a message says: the facts of a case, in the order in which somebody woken at night needs them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from urllib.parse import urlencode

import msgspec

from ingest.store.alert_model import Alert, AlertRun
from ingest.store.casebook import Case, RunFact
from tracer.privacy.redact import Redaction
from webui.analysis.detectors.catalogue import rule_of
from webui.format import clip, duration, money, plural

from .amounts import expected
from .engine import run_goes_on
from .letter import Deed, Letter, Line, Piece, RunLine, subject_line
from .links import VALID_NS, Permit, sign
from .money import Money, money_of
from .stages import REPEAT_CRITICAL_NS, REPEAT_NS, Notice

_MINUTE_NS = 60_000_000_000
_SHOWN_RUNS = 5
_SHOWN_OTHERS = 10
_NAME_CHARS = 80
_SENTENCE_CHARS = 300
_DETAIL_CHARS = 200

_clean = Redaction(("secrets", "personal"))


class Desk(msgspec.Struct, frozen=True):
    """Who writes: where links lead, the key they are signed with, and the clock on the wall."""

    base_url: str
    key: bytes
    zone: tzinfo = UTC


def masked(text: str, limit: int) -> str:
    """Return text out of a trace as a message may carry it: without what looks like a secret, on one line, cut."""
    return clip(_clean.text("", text[: limit * 8]), limit)


class Brief(msgspec.Struct, frozen=True):
    """What a letter is written from."""

    notice: Notice
    case: Case
    """That of the notice's gravest alert."""
    receiver: str
    desk: Desk
    now_ns: int

    @property
    def alert(self) -> Alert:
        """Return the alert that it is mainly about."""
        return self.notice.first

    @property
    def sums(self) -> Money:
        """Return its figures."""
        return money_of(self.case, self.now_ns, self.desk.zone)


def write_letter(brief: Brief) -> Letter:
    """Return what a receiver is told of a notice."""
    if brief.notice.kind == "digest":
        return _digest(brief)
    return _resolved(brief) if brief.notice.kind == "resolved" else _firing(brief)


def _firing(brief: Brief) -> Letter:
    alert, sums = brief.alert, brief.sums
    sentence = _sentence(alert)
    again = {"raised": "now ", "reminder": "still: "}.get(brief.notice.kind, "")
    return Letter(
        severity=alert.severity,
        subject=_subject(brief, f"{again}{_brief_sentence(alert)}", sums),
        meta=_meta(brief),
        headline=f"{_first_up(again)}{sentence}{_within(sums) if brief.case.runs else ''}{_in_runs(brief)}.",
        headline_bad=_costing(brief, sums),
        deeds=tuple(_deeds(brief)),
        deeds_note=f"Each opens one page that asks once more; opening it changes nothing. No sign-in needed, valid until {_until(brief)}.",
        lines=tuple(_lines(brief, sums)),
        runs_title=_runs_title(brief),
        runs=tuple(_run_line(brief, run, fact) for run, fact in (brief.case.runs or brief.case.contributors)[:_SHOWN_RUNS]),
        others_title="Also firing for this agent",
        others=_others(brief),
        ends=tuple(_ends(brief)),
        foot=tuple(_foot(brief)),
    )


def _resolved(brief: Brief) -> Letter:
    alert, sums = brief.alert, brief.sums
    lasted = duration(max((alert.resolved_ns or brief.now_ns) - (alert.fired_ns or alert.opened_ns), 0))
    spent = f" {money(sums.so_far)} in all." if sums.so_far else ""
    return Letter(
        severity="resolved",
        subject=subject_line(alert.severity, _brief_sentence(alert), over=True),
        meta=_meta(brief, "Resolved"),
        headline=f"Over after {lasted}: {_sentence(alert)}.{spent}",
        headline_bad="",
        runs_title=_runs_title(brief),
        runs=tuple(_run_line(brief, run, fact) for run, fact in (brief.case.runs or brief.case.contributors)[:_SHOWN_RUNS]),
        others_title="Also over",
        others=_others(brief),
        foot=tuple(_foot(brief)),
    )


def _runs_title(brief: Brief) -> str:
    if not brief.case.runs:
        return "The latest of them" if brief.alert.rule == "A2" else "The runs that contribute most"
    return f"The {plural(brief.alert.runs, 'run')} behind it" if brief.alert.runs > 1 else "The run behind it"


def _sentence(alert: Alert) -> str:
    return masked(alert.sentence, _SENTENCE_CHARS).rstrip(".")


_REPEATS = {"L1": "repeated {what} {n}", "L2": "repeated {what} {n}", "L3": "went {n} round {what}", "L4": "had {what} fail {n}"}


def _brief_sentence(alert: Alert) -> str:
    """Return the sentence as a subject has it: who, what, how often, in this order, since the end may be cut."""
    words = _REPEATS.get(alert.rule)
    if words is None:
        return _sentence(alert)
    said = words.format(what=masked(alert.subject, _NAME_CHARS // 2), n=f"{alert.observed:,.0f} times")
    return f"{masked(alert.agent, _NAME_CHARS // 2)} {said}"


def _first_up(words: str) -> str:
    return words[:1].upper() + words[1:]


def _in_runs(brief: Brief) -> str:
    return f", the worst of {plural(brief.alert.runs, 'run')}" if brief.alert.runs > 1 else ""


def _within(sums: Money) -> str:
    length_ns = sums.until_ns - sums.since_ns
    return f" in {_span(length_ns)}" if length_ns >= _MINUTE_NS else ""


def _span(length_ns: int) -> str:
    minutes = length_ns // _MINUTE_NS
    if minutes < 120 and minutes != 60:
        return f"{max(minutes, 1)} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"


def _costing(brief: Brief, sums: Money) -> str:
    """Say what it costs. What an hour of many runs cost is in the sentence of its alert where that is about money."""
    if not sums.so_far:
        return ""
    so_far = f"{money(sums.so_far)} so far" if brief.case.runs else ""
    ahead = f"about {_about(sums.by_morning)} by 08:00 if nothing is done" if sums.by_morning is not None else ""
    words = ", ".join(one for one in (so_far, ahead) if one)
    return f"{_first_up(words)}." if words else ""


def _about(nanos: int) -> str:
    """Write a projection with no more digits than it deserves."""
    dollars = nanos / 1e9
    return f"${round(dollars, -2):,.0f}" if dollars >= 10_000 else (f"${dollars:,.0f}" if dollars >= 10 else money(nanos))


def _subject(brief: Brief, sentence: str, sums: Money) -> str:
    """Return the subject: where it would be too long, the sentence gives way and the money stays."""
    spent = f", {money(sums.so_far)}{_within(sums)}" if sums.so_far and brief.case.runs else ""
    ahead = f", about {_about(sums.by_morning)} by 08:00" if sums.by_morning and sums.so_far else ""
    money_words = spent + ahead
    room = 120 - len(f"[{brief.alert.severity}] ") - len(money_words)
    return subject_line(brief.alert.severity, f"{clip(sentence, max(room, 20))}{money_words}")


def _meta(brief: Brief, word: str = "") -> str:
    local = _local(brief.now_ns, brief.desk.zone)
    zone = local.tzname() or "UTC"
    utc = "" if local.utcoffset() == datetime.fromtimestamp(0, UTC).utcoffset() else f" ({_local(brief.now_ns, UTC):%H:%M} UTC)"
    when = f"{local:%a} {local.day} {local:%b} {local.year}, {local:%H:%M} {zone}{utc}"
    return f"{word or brief.alert.severity.capitalize()}, incident {brief.alert.id}, {when}"


def _local(at_ns: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(at_ns // 10**9, zone)


def _until(brief: Brief) -> str:
    day = _local(brief.now_ns + VALID_NS, brief.desk.zone)
    return f"{day.day} {day:%b}"


def _deeds(brief: Brief) -> Iterator[Deed]:
    going = _going(brief)
    if going:
        yield Deed("Stop this run" if going == 1 else f"Stop these {going} runs", _deed_href(brief, "stop"), "stop")
    if brief.alert.acked_ns is None:
        yield Deed("Acknowledge", _deed_href(brief, "ack"), "main")
    yield Deed("Silence 4 h", _deed_href(brief, "silence"), "plain")


def _going(brief: Brief) -> int:
    return sum(fact is not None and run_goes_on(fact.ended_ns, run.seen_ns, brief.now_ns) for run, fact in brief.case.runs)


def _deed_href(brief: Brief, deed: str) -> str:
    until_s = (brief.now_ns + VALID_NS) // 10**9
    permit = msgspec.convert([brief.alert.project_id, brief.alert.id, deed, brief.receiver, until_s], Permit)
    return f"{brief.desk.base_url}/a/{brief.alert.id}/{deed}?{urlencode({'t': sign(permit, brief.desk.key)})}"


def _lines(brief: Brief, sums: Money) -> Iterator[Line]:
    alert, case = brief.alert, brief.case
    spent = list(_money_pieces(case, sums))
    if spent:
        yield Line("Money", tuple(spent), *_bars(brief))
    if case.split:
        shares = ", ".join(f"{clip(one.name, _NAME_CHARS)} {money(one.nanos)} ({one.share:.0%})" for one in case.split)
        yield Line("Spent by", (Piece(shares),))
    if alert.detail:
        yield Line(_about_label(alert), (Piece(clip(alert.subject, _NAME_CHARS), is_data=True), Piece("  "),
                                         Piece(masked(alert.detail, _DETAIL_CHARS), is_data=True)))  # fmt: skip
    yield Line("Expected", (Piece(expected(alert)),))
    first = min(case.runs, key=lambda pair: pair[0].since_ns, default=None)
    if first is not None:
        at = _local(first[0].since_ns, brief.desk.zone)
        yield Line("Since", (Piece(f"{at:%H:%M:%S}, "), Piece("where it began", run_href(brief.desk, first[0], at_last=False))))
    if case.change is not None:
        yield Line("What changed", tuple(_change_pieces(brief)))


def _money_pieces(case: Case, sums: Money) -> Iterator[Piece]:
    if sums.so_far is None:
        unpriced = sum(fact.unpriced_calls for _, fact in case.runs if fact is not None)
        if unpriced:
            yield Piece(f"unpriced: {plural(unpriced, 'model call')} of a model without a known price.")
        return
    yield Piece(f"{money(sums.so_far)}{_within(sums)}")
    yield Piece(f", now {_about(sums.rate)} an hour." if sums.rate else ".")
    if case.alert.wasted_nanos:
        yield Piece(f" {money(case.alert.wasted_nanos)} of it after it should have stopped.")
    if case.usual_nanos is not None:
        basis = f"median of this hour of the week, {plural(case.usual_weeks, 'week')}"
        yield Piece(f" This agent usually: {money(case.usual_nanos)} an hour ({basis}).")


def _bars(brief: Brief) -> tuple[tuple[float, ...], str]:
    """Return the last minutes' spend as shares of the highest; nothing where it was spent in fewer than three minutes."""
    now = brief.now_ns // _MINUTE_NS
    spent = dict(brief.case.minutes)
    minutes = [spent.get(minute, 0) for minute in range(now - 14, now + 1)]
    while minutes and not minutes[0]:
        minutes.pop(0)
    top = max(minutes, default=0)
    if len(minutes) < 3 or top <= 0:
        return (), ""
    return tuple(max(one, 0) / top for one in minutes), "spend per minute, until now"


def _about_label(alert: Alert) -> str:
    return {"L": "What repeats", "P": "What it was"}.get(alert.rule[:1], "What it is")


def _figure(number: float) -> str:
    return f"{number:,.0f}" if number == int(number) or number >= 100 else f"{number:,.2f}"


def _change_pieces(brief: Brief) -> Iterator[Piece]:
    change = brief.case.change
    assert change is not None
    at = _local(change.since_ns, brief.desk.zone)
    yield Piece(f"{clip(brief.alert.agent, _NAME_CHARS)} {clip(change.version, 40)}", is_bad=True)
    yield Piece(f", first run {at:%H:%M}; before it {clip(change.before or 'no version', 40)}. ")
    if brief.case.good_trace is not None and brief.case.runs:
        both = urlencode({"a": brief.case.runs[0][0].trace_id.hex(), "b": brief.case.good_trace.hex()})
        yield Piece("Compare with its latest good run", f"{brief.desk.base_url}/compare?{both}")


def run_href(desk: Desk, run: AlertRun, *, at_last: bool = True) -> str:
    """Return the page of a run at the step that is to blame: the last of those found, or the first."""
    ids = [run.spans[at : at + 8].hex() for at in range(0, len(run.spans), 8)]
    where = {"run": run.run_id.hex()} | ({"step": ids[-1] if at_last else ids[0]} if ids else {})
    return f"{desk.base_url}/traces/{run.trace_id.hex()}?{urlencode(where)}"


def _run_line(brief: Brief, run: AlertRun, fact: RunFact | None) -> RunLine:
    name = f"run {run.trace_id.hex()[:8]}"
    if fact is None:
        return RunLine("", "–", masked(run.sentence, _SENTENCE_CHARS), name, run_href(brief.desk, run))
    state = "running" if run_goes_on(fact.ended_ns, run.seen_ns, brief.now_ns) else fact.termination.replace("_", " ")
    calls = plural(fact.tool_calls + fact.llm_calls, "call")
    amount = money(fact.cost_nanos) if fact.cost_nanos is not None else ("unpriced" if fact.unpriced_calls else "–")
    return RunLine(masked(fact.input or "", 100), amount, f"{calls}, {state}", name, run_href(brief.desk, run), _step_words(brief, run))


def _step_words(brief: Brief, run: AlertRun) -> str:
    """Say what the link of a run leads to: why a step of a contributor is to blame; what a rule found is said above already."""
    if run.spans[-8:] == run.run_id or not run.spans:
        return ""
    return masked(run.sentence, _NAME_CHARS) if run.sentence and not brief.case.runs else "the guilty step"


def _others(brief: Brief) -> tuple[RunLine, ...]:
    rest = brief.notice.alerts[1:]
    shown = [RunLine(_sentence(one), one.severity, f"rule {one.rule}", f"incident {one.id}", alert_href(brief.desk, one))
             for one in rest[:_SHOWN_OTHERS]]  # fmt: skip
    if len(rest) > len(shown):
        shown.append(RunLine("", "", f"and {len(rest) - len(shown)} more", "all alerts", f"{brief.desk.base_url}/alerts"))
    return tuple(shown)


def alert_href(desk: Desk, alert: Alert) -> str:
    """Return the page of an alert."""
    return f"{desk.base_url}/alerts/{alert.id}"


def _ends(brief: Brief) -> Iterator[Piece]:
    alert, rule = brief.alert, rule_of(brief.alert.rule)
    if rule.kind == "run":
        runs = "the run ends or stays" if alert.runs == 1 else f"the {alert.runs} runs end or stay"
        yield Piece(f"It resolves when {runs} idle for 15 minutes. ")
    else:
        yield Piece(f"It resolves when it has not been so for {_span(rule.keep_ns)}. ")
    settings = f"{brief.desk.base_url}/alerts/rules?{urlencode({'agent': alert.agent, 'rule': alert.rule})}"
    yield Piece("If it is meant to be so: " if not rule.cure else "If the repeats are meant: ")
    yield Piece(f"{rule.cure} or move the limit" if rule.cure else "move the limit or switch the rule off", f"{settings}#{alert.rule}")
    repeat = _span(REPEAT_CRITICAL_NS if alert.severity == "critical" else REPEAT_NS)
    yield Piece(f". Until acknowledged you hear again in {repeat}, or at once if it gets worse.")


def _foot(brief: Brief) -> Iterator[Piece]:
    alert, rule = brief.alert, rule_of(brief.alert.rule)
    both = (("warning", rule.limits.warning), ("critical", rule.limits.critical))
    limits = ", ".join(f"{word} at {_figure(limit)}" for word, limit in both if limit is not None)
    yield Piece(f"Rule {alert.rule}, {rule.name.lower()}: {rule.sentence} By default {limits or 'no limit'}. ")
    yield Piece(f"Incident {alert.id}", alert_href(brief.desk, alert))
    yield Piece(f". Sent by Clew to {clip(brief.receiver, 120)}.")


# --- many at once -------------------------------------------------------------------------------------------------

_MOST_AGENTS = 40


def _digest(brief: Brief) -> Letter:
    """Name everything that happened while single mails would have been too many: by rule, with its agents and incidents."""
    alerts = brief.notice.alerts
    critical = sum(one.severity == "critical" and one.state != "resolved" for one in alerts)
    over = sum(one.state == "resolved" for one in alerts)
    words = f"{plural(len(alerts), 'alert')}, {critical} critical" + (f", {over} over" if over else "")
    rules = sorted({one.rule for one in alerts})
    numbers = sorted(one.id for one in alerts)
    wasted = sum(one.wasted_nanos or 0 for one in alerts)
    return Letter(
        severity=brief.alert.severity,
        subject=subject_line(brief.alert.severity, f"{words} since the last mail"),
        meta=f"{brief.alert.severity.capitalize()}, incidents {ranges(numbers)}",
        headline=f"{words} in {plural(len({one.agent for one in alerts}), 'agent')}: too many for mails of their own.",
        headline_bad=f"{money(wasted)} wasted so far." if wasted else "",
        lines=tuple(_rule_line(rule, [one for one in alerts if one.rule == rule]) for rule in rules),
        others_title="The gravest",
        others=_others(brief),
        foot=(
            Piece("All of them: "),
            Piece("the alerts page", f"{brief.desk.base_url}/alerts"),
            Piece(f". Sent by Clew to {brief.receiver}."),
        ),
    )


def _rule_line(rule: str, alerts: Sequence[Alert]) -> Line:
    agents = sorted({clip(one.agent, 40) for one in alerts})
    shown = ", ".join(agents[:_MOST_AGENTS]) + (f" and {len(agents) - _MOST_AGENTS} more" if len(agents) > _MOST_AGENTS else "")
    words = f"{rule_of(rule).name}: {plural(len(alerts), 'alert')} ({ranges(sorted(one.id for one in alerts))}) of {shown}"
    return Line(rule, (Piece(words),))


def ranges(numbers: Sequence[int]) -> str:
    """Write ascending numbers with dashes for those that follow each other: ``3, 5-9``; at most twenty ranges."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    words = [str(first) if first == last else f"{first}-{last}" for first, last in found[:20]]
    return ", ".join(words) + (" and more" if len(found) > 20 else "")
