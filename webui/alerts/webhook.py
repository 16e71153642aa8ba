"""A parcel to a webhook: one signed JSON request to an address that was looked up once and may be reached from here."""

import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from ingest.store.alert_model import Parcel

from .delivery import DeliveryError
from .letter import header_words

Resolve = Callable[[str, int], list[str]]
"""Looks a host up and returns its addresses. Raises ``OSError``."""

_TIMEOUT_S = 10.0
_MOST_ANSWER = 65_536

# Beside what Python knows as private: carriers' addresses, and what is translated to IPv4 on its way.
_CLOSED = tuple(ipaddress.ip_network(text) for text in ("100.64.0.0/10", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))


class Target(msgspec.Struct, frozen=True):
    """Where a webhook goes: the address that was checked, and the name that was asked for."""

    scheme: str
    host: str
    port: int
    path: str
    address: str


def look_up(host: str, port: int) -> list[str]:
    """Ask the system for the addresses of a host."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def check_target(url: str, resolve: Resolve, *, private: bool) -> Target:
    """Return where a webhook may go. Raises ``DeliveryError`` for an address inside, unless ``private`` ones are allowed.

    The connection is then made to the very address that was checked: a name that points elsewhere a moment later changes nothing.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise DeliveryError("the webhook's address is none", "misconfigured") from error
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or not host.isascii():
        # A host name in letters that look like others is refused: written as xn-- it may be meant.
        raise DeliveryError("the webhook's address must be http:// or https:// with a plain host and no password", "misconfigured")
    try:
        addresses = resolve(host, port)
    except (OSError, UnicodeError) as error:
        raise DeliveryError(f"{header_words(host, 80)} cannot be looked up", "passing") from error
    # All of them: which one a connection would take is chance.
    if not addresses or (not private and not all(map(is_public, addresses))):
        raise DeliveryError("the webhook's address is not a public one (CLEW_WEBHOOK_PRIVATE=on allows it)", "misconfigured")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, path, addresses[0])


def is_public(address: str) -> bool:
    """Tell whether an address is one of the open internet: not this machine, this network, or a cloud's metadata."""
    try:
        found = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if any(found in network for network in _CLOSED if network.version == found.version):
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved)


def signature(body: bytes, at_s: int, key: bytes) -> str:
    """Return the header by which a receiver knows that we sent a body, and when."""
    digest = hmac.new(key, b"%d." % at_s + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def post(target: Target, parcel: Parcel, key: bytes, now_ns: int) -> str:
    """Send a parcel and return the answer's status line. Raises ``DeliveryError``. Redirects are not followed."""
    body = parcel.body.encode("utf-8", "replace")
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "clew",
        "Host": target.host if target.port in (80, 443) else f"{target.host}:{target.port}",
        "X-Clew-Delivery": header_words(parcel.message_id.strip("<>"), 200),
        "X-Clew-Signature": signature(body, now_ns // 10**9, key),
    }
    connection = _Pinned(target)
    cut = threading.Timer(_TIMEOUT_S, connection.cut)
    cut.daemon = True
    try:
        cut.start()
        connection.request("POST", target.path, body, headers)
        answer = connection.getresponse()
        answer.read(_MOST_ANSWER)
    except ssl.SSLCertVerificationError as error:
        raise DeliveryError(f"the certificate of {target.host} is not valid: {error.verify_message}", "misconfigured") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DeliveryError(f"{target.host}: {type(error).__name__}", "passing") from error
    finally:
        cut.cancel()
        connection.close()
    if 200 <= answer.status < 300:
        return f"{answer.status}"
    passing = answer.status >= 500 or answer.status in (408, 425, 429)
    raise DeliveryError(f"{target.host} answered {answer.status}", "passing" if passing else "refused")


class _Pinned(http.client.HTTPConnection):
    """A connection to the address that was checked, whatever the name says by now."""

    def __init__(self, target: Target) -> None:
        super().__init__(target.host, target.port, timeout=_TIMEOUT_S)
        self._target = target

    def connect(self) -> None:
        """Connect, and speak TLS to the name that was asked for."""
        self.sock = socket.create_connection((self._target.address, self._target.port), _TIMEOUT_S)
        if self._target.scheme == "https":
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self._target.host)

    def cut(self) -> None:
        """End whatever goes on."""
        sock = self.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return
