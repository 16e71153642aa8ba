"""The alerts list, silences and the delivery log as page models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest.store.alert_model import Alert, Attempt, Parcel, Receiver, Silence
from webui.analysis.detectors.catalogue import rule_of
from webui.format import ago, clip, clock, count, duration, money, plural

from .runs import Choice, Figure

STATES = ("firing", "pending", "recovering", "resolved")
_TONES = {"critical": "bad", "warning": "warn", "info": "ok"}


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert in the list."""

    href: str
    number: str
    state: str
    tone: str
    sentence: str
    agent: str
    rule: str
    since: str
    lasted: str
    runs: str
    wasted: str
    who: str


@dataclass(frozen=True, slots=True)
class AlertsPage:
    """Everything on the alerts page."""

    tabs: tuple[Choice, ...]
    figures: tuple[Figure, ...]
    choices: tuple[Choice, ...]
    rows: tuple[AlertRow, ...]
    empty: str
    more: str
    banners: tuple[str, ...]


def tabs_of(current: str) -> tuple[Choice, ...]:
    """Return the pages about alerts."""
    pages = (("Alerts", "/alerts"), ("Rules", "/alerts/rules"), ("Silences", "/alerts/silences"), ("Deliveries", "/alerts/deliveries"))
    return tuple(Choice(name, href, name == current) for name, href in pages)


def build_alerts_page(alerts: Sequence[Alert], counts: Mapping[str, int], state: str, banners: Sequence[str], now_ns: int) -> AlertsPage:
    """Return the list of alerts in a state; an empty state is all that are not over."""
    figures = tuple(_tile(name, counts.get(name, 0)) for name in STATES)
    words = {"": "Open", **{name: name.capitalize() for name in STATES}}
    choices = tuple(Choice(text, f"/alerts?state={name}" if name else "/alerts", name == state) for name, text in words.items())
    empty = "Nothing is wrong right now." if state in ("", "firing") else "No alert is in this state."
    return AlertsPage(tabs_of("Alerts"), figures, choices, tuple(alert_row(one, now_ns) for one in alerts), empty, "", tuple(banners))


def _tile(state: str, number: int) -> Figure:
    return Figure(state.capitalize(), count(number), "show", "bad" if state == "firing" and number else "", f"/alerts?state={state}")


def alert_row(alert: Alert, now_ns: int) -> AlertRow:
    """Return an alert as a row."""
    ended_ns = alert.resolved_ns or now_ns
    return AlertRow(
        href=f"/alerts/{alert.id}",
        number=str(alert.id),
        state=f"{alert.severity}, {alert.state}",
        tone="ok" if alert.state == "resolved" else _TONES[alert.severity],
        sentence=clip(alert.sentence, 200),
        agent=clip(alert.agent, 60) or "–",
        rule=f"{alert.rule} {rule_of(alert.rule).name.lower()}",
        since=clock(alert.opened_ns, now_ns),
        lasted=duration(max(ended_ns - alert.opened_ns, 0)),
        runs=count(alert.runs) if alert.runs else "–",
        wasted=money(alert.wasted_nanos),
        who=f"acknowledged by {clip(alert.acked_by, 40)}" if alert.acked_ns else "",
    )


@dataclass(frozen=True, slots=True)
class SilenceRow:
    """A silence as listed."""

    number: str
    what: str
    why: str
    author: str
    until: str
    runs: bool


@dataclass(frozen=True, slots=True)
class SilencesPage:
    """All silences."""

    tabs: tuple[Choice, ...]
    rows: tuple[SilenceRow, ...]


def build_silences_page(silences: Sequence[Silence], now_ns: int) -> SilencesPage:
    """Return the page of silences."""
    return SilencesPage(tabs_of("Silences"), tuple(_silence_row(one, now_ns) for one in silences))


def _silence_row(one: Silence, now_ns: int) -> SilenceRow:
    parts = (("rule", one.rule), ("agent", one.agent), ("subject", one.subject))
    what = ", ".join(f"{name} {clip(value, 60)}" for name, value in parts if value) or "everything"
    runs = one.starts_ns <= now_ns < one.ends_ns
    return SilenceRow(str(one.id), what, clip(one.reason, 200), clip(one.author, 60), clock(one.ends_ns, now_ns), runs)


@dataclass(frozen=True, slots=True)
class ParcelRow:
    """A message as listed, with its attempts."""

    href: str
    written: str
    kind: str
    receiver: str
    subject: str
    state: str
    tone: str
    attempts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeliveriesPage:
    """The delivery log."""

    tabs: tuple[Choice, ...]
    rows: tuple[ParcelRow, ...]
    banners: tuple[str, ...]
    refused: tuple[str, ...]


_STATE_WORDS = {"due": "waiting", "kept": "kept to be read", "suppressed": "not sent", "sent": "sent", "failed": "failed"}
_STATE_TONES = {"due": "live", "kept": "ok", "suppressed": "ok", "sent": "ok", "failed": "bad"}


def build_deliveries_page(
    parcels: Sequence[Parcel], attempts: Mapping[int, Sequence[Attempt]], troubled: Sequence[Receiver], banners: Sequence[str], now_ns: int
) -> DeliveriesPage:
    """Return the delivery log."""
    rows = tuple(parcel_row(one, attempts.get(one.id, ()), now_ns) for one in parcels)
    refused = tuple(one.receiver for one in troubled if one.disabled_ns is not None)
    return DeliveriesPage(tabs_of("Deliveries"), rows, tuple(banners), refused)


def parcel_row(parcel: Parcel, attempts: Sequence[Attempt], now_ns: int) -> ParcelRow:
    """Return a message as a row."""
    return ParcelRow(
        href=f"/alerts/deliveries/{parcel.id}",
        written=clock(parcel.created_ns, now_ns),
        kind=parcel.kind,
        receiver=clip(parcel.receiver, 80) or "nobody: CLEW_ALERT_TO is not set",
        subject=clip(parcel.subject, 160),
        state=_STATE_WORDS.get(parcel.state, parcel.state) + (f": {clip(parcel.error, 100)}" if parcel.error else ""),
        tone=_STATE_TONES.get(parcel.state, "bad"),
        attempts=tuple(f"{clock(one.at_ns, now_ns)} {one.outcome}: {clip(one.words, 160)}" for one in attempts),
    )


def banners_of(can_mail: bool, has_receivers: bool, parcels: Sequence[Parcel], troubled: Sequence[Receiver], now_ns: int) -> list[str]:
    """Return what stands in the way of being told: each a sentence."""
    found = []
    if not can_mail:
        found.append("No mail is sent: CLEW_SMTP_URL is not set. Every message can be read under Deliveries.")
    if not has_receivers:
        found.append("Nobody is told: CLEW_ALERT_TO is not set.")
    stuck = [one for one in parcels if one.state == "due" and one.attempts]
    if stuck:
        oldest = ago(min(one.created_ns for one in stuck), now_ns)
        found.append(f"{plural(len(stuck), 'message')} cannot be delivered, the oldest written {oldest}: {clip(stuck[0].error, 200)}")
    disabled = [one for one in troubled if one.disabled_ns is not None]
    return [*found, *(f"{clip(one.receiver, 80)} refused five times in a row and gets nothing more." for one in disabled)]
