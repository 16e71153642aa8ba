"""Sending one mail over SMTP: encrypted unless told otherwise, certificates checked, and never longer than a minute."""

import contextlib
import ipaddress
import os
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from .delivery import DeliveryError
from .letter import header_words

CONNECT_S = 10.0
WHOLE_S = 60.0

_TLS = ("starttls", "implicit", "none")
_PORTS = {"starttls": 587, "implicit": 465, "none": 25}


class Relay(msgspec.Struct, frozen=True):
    """A mail server and how to speak to it. Its password is in no text that is shown: see ``__repr__``."""

    host: str
    port: int
    tls: str
    user: str = ""
    password: str = ""
    ca_file: str = ""
    connect_s: float = CONNECT_S
    whole_s: float = WHOLE_S

    def __repr__(self) -> str:
        """Show where it is, and nothing that opens it."""
        return f"Relay({self.host}:{self.port}, {self.tls})"


def read_relay(url: str) -> Relay:
    """Return the relay of ``smtp://user:password@host:port?tls=starttls|implicit|none``.

    ``ca=FILE`` trusts another authority, ``password_file=FILE`` keeps the password out of the environment. Raises ``ValueError``
    in one sentence that does not hold the value.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError("smtp://USER:PASSWORD@HOST:PORT?tls=starttls, implicit or none")
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    unknown = set(asked) - {"tls", "ca", "password_file"}
    if unknown:
        raise ValueError("an address whose only options are tls, ca and password_file")
    tls = asked.get("tls", "implicit" if parts.scheme == "smtps" else "starttls")
    if tls not in _TLS:
        raise ValueError("an address with tls=starttls, implicit or none")
    password = unquote(parts.password or "")
    if "password_file" in asked:
        try:
            password = Path(asked["password_file"]).read_text("utf-8").strip()
        except OSError as error:
            raise ValueError("an address whose password_file can be read") from error
    if tls == "none" and password and not _is_loopback(parts.hostname):
        raise ValueError("an address with tls=starttls or implicit, since a password would be sent in the open")
    return Relay(parts.hostname, parts.port or _PORTS[tls], tls, unquote(parts.username or ""), password, asked.get("ca", ""))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def send_mail(relay: Relay, sender: str, receiver: str, mail: bytes) -> str:
    """Hand one mail to the relay for one receiver and return its word of thanks once it has taken responsibility.

    Raises ``DeliveryError``. Where the connection breaks between the end of the mail and the answer nobody can know whether it
    was taken (RFC 1047): it is sent again, under the same message id.
    """
    context = _context(relay)
    try:
        with _connected(relay, context) as smtp:
            _introduce(smtp, relay, context)
            return _hand_over(smtp, sender, receiver, mail)
    except smtplib.SMTPServerDisconnected as error:
        raise DeliveryError(f"{relay.host} closed the connection or did not answer in time", "passing") from error
    except ssl.SSLCertVerificationError as error:
        raise DeliveryError(f"the certificate of {relay.host} is not valid: {error.verify_message}", "misconfigured") from error
    except ssl.SSLError as error:
        raise DeliveryError(f"{relay.host} and TLS: {error.reason or 'no handshake'}", "passing") from error
    except smtplib.SMTPResponseException as error:
        raise DeliveryError(f"{relay.host} answered {_words(error.smtp_code, error.smtp_error)}", _kind(error.smtp_code)) from error
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise DeliveryError(f"{relay.host}: {_reason(error)}", "passing") from error


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__)[:200]


def _kind(code: int) -> Any:
    return "misconfigured" if code >= 500 else "passing"


def _context(relay: Relay) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=relay.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise DeliveryError("the file that ca= names holds no certificate that can be read", "misconfigured") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _Smtp(smtplib.SMTP):
    """A client that reads a bounded line, and never says hello with the name of this machine."""


class _SmtpTls(smtplib.SMTP_SSL):
    """The same over TLS from the first byte."""


@contextlib.contextmanager
def _connected(relay: Relay, context: ssl.SSLContext) -> Iterator[smtplib.SMTP]:
    """Connect, and cut the connection when its minute is over: a server that sends a byte a second would keep us for ever."""
    name = "[127.0.0.1]"
    if relay.tls == "implicit":
        smtp: smtplib.SMTP = _SmtpTls(local_hostname=name, timeout=relay.connect_s, context=context)
    else:
        smtp = _Smtp(local_hostname=name, timeout=relay.connect_s)
    smtp._host = relay.host  # type: ignore[attr-defined]  # what smtplib checks certificates against where connect() is called alone
    guard = _Deadline(relay)
    try:
        guard.start(smtp)
        code, words = smtp.connect(relay.host, relay.port)
        guard.hold(smtp)
        if code != 220:
            raise smtplib.SMTPConnectError(code, words)
        yield smtp
    finally:
        guard.cancel()
        smtp.close()


class _Deadline:
    """Shuts a connection down when its time is over, from outside of whoever waits on it."""

    def __init__(self, relay: Relay) -> None:
        self._timer = threading.Timer(relay.whole_s, self._cut)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._twin: socket.socket | None = None
        self._is_over = False

    def start(self, smtp: smtplib.SMTP) -> None:
        """Begin to count, and learn of the socket as soon as there is one: the greeting may already drip."""
        connect = smtp._get_socket  # type: ignore[attr-defined]  # the one place where smtplib makes its socket

        def watched(host: str, port: int, timeout: float) -> socket.socket:
            made: socket.socket = connect(host, port, timeout)
            self._keep(made)
            return made

        smtp._get_socket = watched  # type: ignore[attr-defined]  # as above
        self._timer.start()

    def hold(self, smtp: smtplib.SMTP) -> None:
        """Let each single answer take longer than connecting did; the whole stays bounded."""
        if smtp.sock is not None:
            smtp.sock.settimeout(self._timer.interval)

    def _keep(self, made: socket.socket) -> None:
        with self._lock:
            # A twin of the descriptor: TLS replaces the socket object, not the connection.
            self._twin = socket.socket(fileno=os.dup(made.fileno()))
            if self._is_over:
                self._shut()

    def _cut(self) -> None:
        with self._lock:
            self._is_over = True
            self._shut()

    def _shut(self) -> None:
        if self._twin is not None:
            with contextlib.suppress(OSError):
                self._twin.shutdown(socket.SHUT_RDWR)

    def cancel(self) -> None:
        """Stop counting."""
        self._timer.cancel()
        with self._lock:
            if self._twin is not None:
                self._twin.close()
                self._twin = None


def _introduce(smtp: smtplib.SMTP, relay: Relay, context: ssl.SSLContext) -> None:
    smtp.ehlo_or_helo_if_needed()
    if relay.tls == "starttls":
        if not smtp.has_extn("starttls"):
            raise DeliveryError(f"{relay.host} offers no STARTTLS: nothing is sent in the open; tls=none would allow it", "misconfigured")
        # What the server said before TLS is forgotten with this, so that nobody between can have said it in its name.
        code, words = smtp.starttls(context=context)
        if code != 220:
            raise smtplib.SMTPResponseException(code, words)
        smtp.ehlo()
    if relay.user:
        try:
            smtp.login(relay.user, relay.password)
        except smtplib.SMTPNotSupportedError as error:
            raise DeliveryError(f"{relay.host} takes no password", "misconfigured") from error


def _hand_over(smtp: smtplib.SMTP, sender: str, receiver: str, mail: bytes) -> str:
    options = [f"SIZE={len(mail)}"] if smtp.has_extn("size") else []
    code, words = smtp.mail(sender, options)
    if code != 250:
        raise DeliveryError(f"the sender is refused: {_words(code, words)}", _kind(code) if code != 552 else "final")
    code, words = smtp.rcpt(receiver)
    if code not in (250, 251):
        raise DeliveryError(f"the receiver is refused: {_words(code, words)}", "refused" if code >= 500 else "passing")
    code, words = _data(smtp, mail)
    if code != 250:
        raise DeliveryError(f"the mail is refused: {_words(code, words)}", "final" if code >= 500 else "passing")
    return _words(code, words)


def _data(smtp: smtplib.SMTP, mail: bytes) -> tuple[int, bytes]:
    try:
        return smtp.data(mail)
    except smtplib.SMTPDataError as error:
        # The answer to the word DATA itself.
        return error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else str(error.smtp_error).encode()


def _words(code: int, words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return header_words(f"{code} {text}", 200)
