"""The page behind a link in a mail: what it would do, or what it did."""

from dataclasses import dataclass

from ingest.store.alert_model import Alert
from webui.format import clip, plural


@dataclass(frozen=True, slots=True)
class DeedPage:
    """One question with one button, or what came of it."""

    title: str
    sentence: str
    about: str
    button: str
    look: str
    action: str
    token: str
    href: str


_QUESTIONS = {
    "ack": ("Acknowledge this alert?", "You are not told again until it gets worse or is over. Others see that you look after it.", ""),
    "silence": ("Silence it for 4 hours?", "Nothing is mailed about this rule, agent and subject; it stays on the alerts page.", ""),
    "stop": ("Stop these runs?", "", "btn--stop"),
}
_BUTTONS = {"ack": "Acknowledge", "silence": "Silence 4 h", "stop": "Stop"}
_DONE = {"ack": "Acknowledged", "silence": "Silenced", "stop": "Stopped"}


def ask_page(deed: str, alert: Alert, going: int, token: str) -> DeedPage:
    """Return the question of a link."""
    title, about, look = _QUESTIONS[deed]
    if deed == "stop":
        about = f"{plural(going, 'run')} behind it {'goes' if going == 1 else 'go'} on. Each ends before its next call, as stopped, by you."
    return DeedPage(title, _sentence(alert), about, _BUTTONS[deed], look or "btn--main", f"/a/{alert.id}/{deed}", token, _href(alert))


def done_page(deed: str, alert: Alert, words: str) -> DeedPage:
    """Return what a link did."""
    return DeedPage(_DONE[deed], _sentence(alert), words, "", "", "", "", _href(alert))


def _sentence(alert: Alert) -> str:
    return clip(alert.sentence, 300)


def _href(alert: Alert) -> str:
    return f"/alerts/{alert.id}"
