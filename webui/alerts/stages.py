"""From alerts to what is told to whom: inhibit, silence, group, dedup, throttle. Pure."""

from collections.abc import Collection, Iterable, Sequence
from itertools import groupby

import msgspec

from ingest.store.alert_model import Alert, Silence, worse

_MINUTE_NS = 60_000_000_000
_HOUR_NS = 60 * _MINUTE_NS

GROUP_WAIT_NS = 30_000_000_000
GROUP_INTERVAL_NS = 5 * _MINUTE_NS
REPEAT_NS = 4 * _HOUR_NS
REPEAT_CRITICAL_NS = _HOUR_NS

LETTERS_AN_HOUR = 12
"""So many mails about single groups a receiver gets in an hour; all further ones come together in a digest."""
DIGEST_EVERY_NS = 8 * _MINUTE_NS
"""With those before it, no receiver has more than 20 mails in any hour."""


OWED = "owed"
"""In place of a thread: something is to be told that waits for the next digest, even if it is over by then."""


class Notice(msgspec.Struct, frozen=True):
    """One message: what kind it is, and the alerts it tells of, the gravest first."""

    kind: str
    """firing, raised, reminder, resolved or digest"""
    alerts: tuple[Alert, ...]

    @property
    def first(self) -> Alert:
        """Return the alert that the message is mainly about."""
        return self.alerts[0]


class History(msgspec.Struct, frozen=True):
    """What was written to the receiver who got most in the last hour."""

    letters: int
    """Mails that were no digests."""
    digest_ns: int | None
    """When the last digest was written."""


def inhibited(alert: Alert, firing: Sequence[Alert]) -> bool:
    """Tell whether a graver alert says all there is to say: a spent budget of its velocity, a loop of its agent's series."""
    about_money = alert.rule in ("B4", "B5") or (alert.rule == "A1" and alert.subject.startswith("cost"))
    if not about_money and alert.rule != "A1":
        return False
    others = [one for one in firing if one.project_id == alert.project_id]
    spent = any(one.rule in ("B2", "B3") and one.severity == "critical" for one in others)
    loops = alert.rule == "A1" and any(one.rule.startswith("L") and one.agent == alert.agent for one in others)
    return (about_money and spent) or loops


def silenced(alert: Alert, silences: Iterable[Silence], now_ns: int) -> bool:
    """Tell whether nobody wants to hear of an alert now."""
    return any(one.covers(alert, now_ns) for one in silences)


def due_kind(alert: Alert, now_ns: int) -> str | None:
    """Return what is to be said of an alert now, by itself; None where nothing is. Information is for the page, not for mails."""
    if alert.state == "resolved":
        return "resolved" if alert.notified_severity or alert.thread == OWED else None
    if alert.state == "pending" or alert.severity == "info" or alert.fired_ns is None:
        return None
    # What was so is told even where it has just ceased to be: a run that leaked and ended has leaked.
    if not alert.notified_severity:
        return _first_kind(alert, now_ns)
    if worse(alert.severity, alert.notified_severity):
        return "raised"
    if alert.state == "firing" and alert.acked_ns is None and now_ns - (alert.notified_ns or 0) >= _repeat_ns(alert):
        return "reminder"
    return None


def _first_kind(alert: Alert, now_ns: int) -> str | None:
    """Return whether an alert is told of for the first time, or again after it was over: that not oftener than a reminder."""
    if alert.notified_ns is not None:
        return "firing" if now_ns - alert.notified_ns >= _repeat_ns(alert) else None
    wait_ns = 0 if alert.severity == "critical" else GROUP_WAIT_NS
    return "firing" if now_ns - (alert.fired_ns or 0) >= wait_ns else None


def _repeat_ns(alert: Alert) -> int:
    return REPEAT_CRITICAL_NS if alert.severity == "critical" else REPEAT_NS


def group_key(alert: Alert) -> tuple[int, str]:
    """Return what alerts are told of together: project and agent."""
    return alert.project_id, alert.agent


_ORDER = ("raised", "firing", "reminder", "resolved")


def plan(alerts: Sequence[Alert], silences: Collection[Silence], now_ns: int) -> list[Notice]:
    """Return what is to be said now: a notice for each group that has something new."""
    firing = [one for one in alerts if one.state in ("firing", "recovering")]
    due: list[tuple[Alert, str]] = []
    for alert in alerts:
        kind = due_kind(alert, now_ns)
        if kind is not None and not silenced(alert, silences, now_ns) and not (kind != "resolved" and inhibited(alert, firing)):
            due.append((alert, kind))
    last = _last_told(alerts)
    notices: list[Notice] = []
    for key, members in groupby(sorted(due, key=lambda one: (group_key(one[0]), one[0].id)), key=lambda one: group_key(one[0])):
        notices += _of_group(list(members), last.get(key), now_ns)
    return notices


def _last_told(alerts: Iterable[Alert]) -> dict[tuple[int, str], int]:
    last: dict[tuple[int, str], int] = {}
    for alert in alerts:
        if alert.notified_ns is not None:
            last[group_key(alert)] = max(last.get(group_key(alert), 0), alert.notified_ns)
    return last


def _of_group(members: list[tuple[Alert, str]], last_ns: int | None, now_ns: int) -> list[Notice]:
    """Return the notice of a group's alerts, and one for those that are over; what can wait does so after the last one."""
    urgent = any(alert.severity == "critical" and kind in ("firing", "raised") for alert, kind in members)
    if not urgent and last_ns is not None and 0 <= now_ns - last_ns < GROUP_INTERVAL_NS:
        return []
    over = [alert for alert, kind in members if kind == "resolved"]
    live = [(alert, kind) for alert, kind in members if kind != "resolved"]
    found: list[Notice] = []
    if live:
        kind = min((kind for _, kind in live), key=_ORDER.index)
        found.append(Notice(kind, _gravest([alert for alert, _ in live])))
    # Each incident's end answers to its own first mail, unless they all had the same.
    for _, ended in groupby(sorted(over, key=lambda one: (one.thread, one.id)), key=lambda one: one.thread):
        found.append(Notice("resolved", _gravest(list(ended))))
    return found


def _gravest(alerts: Sequence[Alert]) -> tuple[Alert, ...]:
    return tuple(sorted(alerts, key=lambda one: (one.severity != "critical", -(one.wasted_nanos or 0), -one.runs, one.id)))


def throttle(notices: Sequence[Notice], history: History, now_ns: int) -> tuple[list[Notice], Notice | None, list[Alert]]:
    """Return the notices that become mails of their own, a digest of all others, and the alerts that wait for the next digest.

    What is gravest is told by itself.
    """
    room = max(LETTERS_AN_HOUR - history.letters, 0)
    if len(notices) <= room:
        return list(notices), None, []
    ordered = sorted(notices, key=_urgency)
    alone, others = ordered[:room], ordered[room:]
    rest = [alert for notice in others for alert in notice.alerts]
    if history.digest_ns is not None and 0 <= now_ns - history.digest_ns < DIGEST_EVERY_NS:
        return alone, None, rest
    return alone, Notice("digest", _gravest(rest)), []


def owed(alert: Alert) -> Alert:
    """Return an alert of which something is to be told that has to wait."""
    return alert if alert.thread else msgspec.structs.replace(alert, thread=OWED)


def _urgency(notice: Notice) -> tuple[bool, bool, bool, int]:
    return notice.kind == "resolved", notice.first.severity != "critical", notice.kind == "reminder", notice.first.id


def told(alert: Alert, notice: Notice, thread: str, now_ns: int) -> Alert:
    """Return an alert of which a notice has been written."""
    over = alert.state == "resolved"
    return msgspec.structs.replace(
        alert,
        notified_ns=now_ns,
        notified_severity="" if over else alert.severity,
        thread=thread if alert.thread in ("", OWED) else alert.thread,
        mails=alert.mails + 1,
        changed_ns=now_ns,
    )
