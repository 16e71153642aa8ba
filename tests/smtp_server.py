"""A mail server that plays a script: a real socket on loopback, real TLS, and any misbehaviour at any step."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CLOSE, HANG = "CLOSE", "HANG"
"""Instead of an answer: hang up, or say nothing more."""

Answer = str | Callable[["Taken"], str]


@dataclass
class Taken:
    """A mail as it came: envelope and data. ``commands`` are all lines of the session before."""

    sender: str = ""
    receivers: list[str] = field(default_factory=list)
    data: bytes = b""
    is_encrypted: bool = False
    commands: list[str] = field(default_factory=list)


@dataclass
class Script:
    """What the server answers to each word; what is not named is answered as a good server does."""

    greeting: str = "220 mail.test ESMTP"
    ehlo: tuple[str, ...] = ("SIZE 10000000", "8BITMIME")
    starttls: str = "220 go ahead"
    auth: str = "235 welcome"
    mail: Answer = "250 ok"
    rcpt: Answer = "250 ok"
    data: str = "354 go on"
    end: Answer = "250 taken"
    offers_tls: bool = True
    implicit: bool = False
    needs_auth: bool = False
    after_starttls: bytes = b""
    """Injected in clear right behind the answer to STARTTLS."""
    drip_s: float = 0.0
    """Answer a byte at a time, so far apart."""


class SmtpServer:
    """A server on a port of its own. ``mails`` is what it took responsibility for, ``sessions`` all that ever connected."""

    def __init__(self, script: Script, context: ssl.SSLContext | None, family: socket.AddressFamily) -> None:
        self.script, self._context = script, context
        self.mails: list[Taken] = []
        self.sessions: list[Taken] = []
        self._ending = threading.Event()
        self._listener = socket.create_server(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family, backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._wrapped: list[ssl.SSLSocket] = []
        self._sessions: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hang up on everybody and stop."""
        self._ending.set()
        # Closing alone does not wake who waits for the next connection.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in (*self._open, *self._wrapped):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._thread.join(5)
        for thread in self._sessions:
            thread.join(5)
        for socket_ in (*self._open, *self._wrapped):
            socket_.close()

    def _accept(self) -> None:
        while not self._ending.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            session = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._sessions.append(session)
            session.start()

    def _serve(self, client: socket.socket) -> None:
        taken = Taken()
        self.sessions.append(taken)
        try:
            if self.script.implicit:
                client = self._encrypted(client, taken)
            self._talk(client, taken)
        except (OSError, ValueError):
            return
        finally:
            client.close()

    def _encrypted(self, client: socket.socket, taken: Taken) -> ssl.SSLSocket:
        assert self._context is not None
        wrapped = self._context.wrap_socket(client, server_side=True)
        self._wrapped.append(wrapped)
        taken.is_encrypted = True
        return wrapped

    def _talk(self, client: socket.socket, taken: Taken) -> None:
        self._say(client, self.script.greeting)
        reader = client.makefile("rb")
        while line := reader.readline(4096):
            words = line.decode("utf-8", "replace").rstrip("\r\n")
            verb, _, rest = words.partition(" ")
            verb = verb.upper()
            taken.commands.append(f"{verb} {rest}".strip())
            if verb == "STARTTLS":
                self._say(client, self.script.starttls)
                if not self.script.starttls.startswith("220"):
                    continue
                if self.script.after_starttls:
                    client.sendall(self.script.after_starttls)
                client = self._encrypted(client, taken)
                reader = client.makefile("rb")
            elif verb == "DATA":
                self._say(client, self.script.data)
                if self.script.data.startswith("354"):
                    taken.data = self._read_data(reader)
                    self._finish(client, taken)
            elif verb == "QUIT":
                self._say(client, "221 bye")
                return
            else:
                self._say(client, self._answer(verb, words, taken))

    def _finish(self, client: socket.socket, taken: Taken) -> None:
        said = _said(self.script.end, taken)
        if said.startswith("250"):
            self.mails.append(Taken(taken.sender, list(taken.receivers), taken.data, taken.is_encrypted, list(taken.commands)))
        self._say(client, said)

    def _answer(self, verb: str, words: str, taken: Taken) -> str:
        if verb in ("EHLO", "HELO"):
            offered = [*self.script.ehlo, *(["STARTTLS"] if self.script.offers_tls and not taken.is_encrypted else [])]
            offered += ["AUTH PLAIN LOGIN"] if self.script.needs_auth else []
            lines = ["mail.test", *offered]
            return "\r\n".join(f"250{'-' if place < len(lines) - 1 else ' '}{line}" for place, line in enumerate(lines))
        if verb == "AUTH":
            return self.script.auth
        if verb == "MAIL":
            taken.sender = words
            return _said(self.script.mail, taken)
        if verb == "RCPT":
            taken.receivers.append(words[words.index("<") + 1 : words.index(">")])
            return _said(self.script.rcpt, taken)
        return "250 ok"

    def _read_data(self, reader: Iterator[bytes]) -> bytes:
        lines: list[bytes] = []
        for line in reader:
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def _say(self, client: socket.socket, words: str) -> None:
        if words == CLOSE:
            raise ValueError("hangs up")
        if words == HANG:
            self._ending.wait()
            raise ValueError("says nothing more")
        data = words.encode() + b"\r\n"
        if not self.script.drip_s:
            client.sendall(data)
            return
        for at in range(len(data)):
            client.sendall(data[at : at + 1])
            # The one wait in these tests: slowness is what is tested.
            if self._ending.wait(self.script.drip_s):
                return


def _said(answer: Answer, taken: Taken) -> str:
    return answer if isinstance(answer, str) else answer(taken)


@contextmanager
def smtp_server(
    script: Script, context: ssl.SSLContext | None = None, family: socket.AddressFamily = socket.AF_INET
) -> Iterator[SmtpServer]:
    """Run a server for the length of a block."""
    server = SmtpServer(script, context, family)
    try:
        yield server
    finally:
        server.close()


@dataclass(frozen=True)
class Certificates:
    """An authority and certificates of it: a good one, an expired one, and one for another host."""

    authority: Path
    good: Path
    expired: Path
    other_host: Path

    def context(self, which: str = "good") -> ssl.SSLContext:
        """Return the TLS side of a server with one of the certificates."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        path: Path = getattr(self, which)
        context.load_cert_chain(path, path.with_suffix(".key"))
        return context


def make_certificates(folder: Path) -> Certificates:
    """Make an authority and certificates with openssl."""
    authority = folder / "ca.pem"
    _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(folder / "ca.key"),
             "-out", str(authority), "-days", "30", "-subj", "/CN=test authority")  # fmt: skip
    names = {"good": ("IP:127.0.0.1,DNS:localhost", 30), "expired": ("IP:127.0.0.1", -1), "other_host": ("DNS:elsewhere.test", 30)}
    for name, (hosts, days) in names.items():
        _certificate(folder, name, hosts, days)
    return Certificates(authority, *(folder / f"{name}.pem" for name in names))


def _certificate(folder: Path, name: str, hosts: str, days: int) -> None:
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName={hosts}\n")
    _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(folder / f"{name}.key"),
             "-out", str(request), "-subj", f"/CN={name}")  # fmt: skip
    _openssl("x509", "-req", "-in", str(request), "-CA", str(folder / "ca.pem"), "-CAkey", str(folder / "ca.key"), "-CAcreateserial",
             "-out", str(folder / f"{name}.pem"), "-extfile", str(extensions), "-days", str(days))  # fmt: skip


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)

