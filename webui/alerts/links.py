"""Links in mails that need no login: signed, for one alert and one deed, valid for two days. Opening one changes nothing."""

import base64
import hashlib
import hmac
from typing import Literal, get_args

import msgspec

Deed = Literal["stop", "ack", "silence"]
DEEDS: tuple[Deed, ...] = get_args(Deed)

VALID_NS = 48 * 3_600 * 10**9

_SIGNATURE_BYTES = 16
_MOST_CHARS = 600


class Permit(msgspec.Struct, frozen=True, array_like=True):
    """What a link allows: one deed on one alert of one project, on behalf of whom the mail went to."""

    project_id: int
    alert_id: int
    deed: Deed
    receiver: str
    until_s: int


class LinkError(ValueError):
    """A link that allows nothing; the text says why, in one sentence."""


def sign(permit: Permit, key: bytes) -> str:
    """Return the token of a permit."""
    payload = msgspec.json.encode(permit)
    return _text(_signature(payload, key) + payload)


def read_token(token: str, key: bytes, now_ns: int) -> Permit:
    """Return the permit of a token. Raises ``LinkError`` where it is none of ours, or too old."""
    if len(token) > _MOST_CHARS or not token.isascii():
        raise LinkError("This link is not whole: copy all of it.")
    try:
        data = base64.b64decode(token.encode() + b"=" * (-len(token) % 4), b"-_", validate=True)
    except ValueError as error:
        raise LinkError("This link is not whole: copy all of it.") from error
    signature, payload = data[:_SIGNATURE_BYTES], data[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(payload, key)):
        raise LinkError("This link was not made here, or the secret key has changed since.")
    permit = msgspec.json.decode(payload, type=Permit)
    if now_ns > permit.until_s * 10**9:
        raise LinkError("This link is no longer valid: open the alert instead.")
    return permit


def _signature(payload: bytes, key: bytes) -> bytes:
    return hmac.new(key, b"clew link\0" + payload, hashlib.sha256).digest()[:_SIGNATURE_BYTES]


def form_token(key: bytes, now_ns: int) -> str:
    """Return what a form of ours carries, so that nobody else's page can post it: valid for this hour and the next half day."""
    return _form_token(key, now_ns // _HOUR_NS)


_HOUR_NS = 3_600 * 10**9
_FORM_HOURS = 12


def is_form_token(token: str, key: bytes, now_ns: int) -> bool:
    """Tell whether a form came from a page of ours."""
    hour = now_ns // _HOUR_NS
    return any(hmac.compare_digest(token.encode(), _form_token(key, hour - back).encode()) for back in range(-1, _FORM_HOURS))


def _form_token(key: bytes, hour: int) -> str:
    return _text(hmac.new(key, b"clew form\0%d" % hour, hashlib.sha256).digest()[:18])


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
