"""Mail over a real connection to a server that plays a script: every fault has its outcome, and none loses or leaks anything."""

import email
import email.policy
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from ingest.store.alert_model import Parcel
from webui.alerts.delivery import DeliveryError, next_attempt_ns
from webui.alerts.mail import BadAddress, Sender, addresses, compose, message_id, plain_address
from webui.alerts.smtp import Relay, read_relay, send_mail

from .smtp_server import CLOSE, HANG, Certificates, Script, SmtpServer, make_certificates, smtp_server

SENDER = Sender("clew@clew.example", "clew.example", "https://clew.example/alerts/deliveries")
TO = "oncall@northgate.example"


def parcel(**changes: object) -> Parcel:
    """Return a parcel to be mailed."""
    same = message_id("a7.1", TO, "clew.example")
    base = Parcel(1, 7, b"", "firing", "critical", "mail", TO, same, same,
                  "[critical] a loop", "Something loops.\n", "<p>Something loops.</p>", "due", 1_760_000_000 * 10**9, 0)  # fmt: skip
    return msgspec.structs.replace(base, **changes)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Make certificates once."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def trusted(certificates: Certificates) -> str:
    """Return the file of the authority that the client trusts."""
    return str(certificates.authority)


def relay_to(server: SmtpServer, tls: str = "none", ca: str = "", **changes: object) -> Relay:
    return msgspec.structs.replace(Relay("127.0.0.1", server.port, tls, ca_file=ca, connect_s=1.0, whole_s=1.5), **changes)


def send(relay: Relay, one: Parcel | None = None) -> str:
    """Send a parcel and return how that ended."""
    mail = compose(one or parcel(), SENDER)
    try:
        return f"sent: {send_mail(relay, SENDER.address, (one or parcel()).receiver, mail)}"
    except DeliveryError as error:
        assert "secret" not in str(error)
        assert len(str(error).splitlines()) == 1
        return error.failure


@dataclass(frozen=True)
class Fault:
    """A row of the table: what the server does, how it ends, and how many mails the server has then."""

    name: str
    script: Script
    outcome: str
    taken: int = 0


FAULTS = (
    Fault("close on connect", Script(greeting=CLOSE), "passing"),
    Fault("hang on connect", Script(greeting=HANG), "passing"),
    Fault("554 on connect", Script(greeting="554 no service"), "misconfigured"),
    Fault("421 on connect", Script(greeting="421 too busy"), "passing"),
    Fault("hang after EHLO", Script(mail=HANG), "passing"),
    Fault("close after EHLO", Script(mail=CLOSE), "passing"),
    Fault("hang after DATA", Script(end=HANG), "passing"),
    Fault("hang on the word DATA", Script(data=HANG), "passing"),
    Fault("close after the final dot", Script(end=CLOSE), "passing"),
    Fault("421 on MAIL", Script(mail="421 shutting down"), "passing"),
    Fault("450 on RCPT", Script(rcpt="450 mailbox busy"), "passing"),
    Fault("451 on DATA", Script(data="451 local error"), "passing"),
    Fault("451 at the end", Script(end="451 local error"), "passing"),
    Fault("452 on RCPT", Script(rcpt="452 no space"), "passing"),
    Fault("550 on RCPT", Script(rcpt="550 no such user"), "refused"),
    Fault("550 on MAIL", Script(mail="550 not you"), "misconfigured"),
    Fault("552 at the end", Script(end="552 too big"), "final"),
    Fault("552 on MAIL", Script(mail="552 too big"), "final"),
    Fault("554 on DATA", Script(data="554 no"), "final"),
    Fault("554 at the end", Script(end="554 spam"), "final"),
    Fault("slow drip", Script(drip_s=0.2), "passing"),
    Fault("all is well", Script(), "sent: 250 taken", 1),
    Fault("nothing is offered", Script(ehlo=()), "sent: 250 taken", 1),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_has_its_outcome(fault: Fault) -> None:
    with smtp_server(fault.script) as server:
        assert send(relay_to(server)) == fault.outcome
        assert len(server.mails) == fault.taken


def test_nobody_listens() -> None:
    """A refused connection, an unknown host, an address that only IPv6 reaches where there is none."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert send(Relay("127.0.0.1", port, "none", connect_s=1.0)) == "passing"
    assert send(Relay("nowhere.invalid", 25, "none", connect_s=1.0)) == "passing"


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_ipv6_alone() -> None:
    try:
        with smtp_server(Script(), family=socket.AF_INET6) as server:
            assert send(msgspec.structs.replace(relay_to(server), host="::1")) == "sent: 250 taken"
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")


# --- TLS ----------------------------------------------------------------------------------------------------------


def test_starttls_is_required_and_used(certificates: Certificates, trusted: str) -> None:
    """The default: nothing is sent before the connection is encrypted, and nothing at all where that is not offered."""
    with smtp_server(Script(needs_auth=True), certificates.context()) as server:
        relay = relay_to(server, "starttls", trusted, user="clew", password="secret")
        assert send(relay) == "sent: 250 taken"
        assert server.mails[0].is_encrypted
        clear = server.mails[0].commands[: server.mails[0].commands.index("STARTTLS")]
        assert [word.split(" ")[0] for word in clear] == ["EHLO"]
    with smtp_server(Script(offers_tls=False)) as server:
        assert send(relay_to(server, "starttls", trusted, user="clew", password="secret")) == "misconfigured"
        assert [word.split(" ")[0] for word in server.sessions[0].commands] == ["EHLO"]


def test_implicit_tls(certificates: Certificates, trusted: str) -> None:
    with smtp_server(Script(implicit=True), certificates.context()) as server:
        assert send(relay_to(server, "implicit", trusted)) == "sent: 250 taken"
        assert server.mails[0].is_encrypted


@pytest.mark.parametrize("which", ["expired", "other_host"])
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_certificates_are_checked(certificates: Certificates, trusted: str, which: str, tls: str) -> None:
    with smtp_server(Script(implicit=tls == "implicit"), certificates.context(which)) as server:
        assert send(relay_to(server, tls, trusted)) == "misconfigured"
        assert server.mails == []


def test_an_unknown_authority(certificates: Certificates) -> None:
    with smtp_server(Script(), certificates.context()) as server:
        assert send(relay_to(server, "starttls")) == "misconfigured"
        assert send(relay_to(server, "starttls", "/nowhere/ca.pem")) == "misconfigured"
        assert server.mails == []


def test_a_server_that_thinks_better_of_tls(certificates: Certificates, trusted: str) -> None:
    with smtp_server(Script(starttls="454 not now"), certificates.context()) as server:
        assert send(relay_to(server, "starttls", trusted)) == "passing"
        assert server.mails == []


def test_words_injected_before_tls_count_for_nothing(certificates: Certificates, trusted: str) -> None:
    """Somebody between could put answers in the server's mouth, to be read after the handshake."""
    injected = b"250-mail.test\r\n250 AUTH PLAIN\r\n250 ok\r\n"
    with smtp_server(Script(after_starttls=injected), certificates.context()) as server:
        outcome = send(relay_to(server, "starttls", trusted))
        assert outcome in ("passing", "sent: 250 taken")
        assert all(session.is_encrypted or not session.receivers for session in server.sessions)


@pytest.mark.parametrize(("said", "outcome"), [("535 wrong", "misconfigured"), ("454 later", "passing"), (CLOSE, "passing")])
def test_a_refused_password(certificates: Certificates, trusted: str, said: str, outcome: str) -> None:
    with smtp_server(Script(needs_auth=True, auth=said), certificates.context()) as server:
        assert send(relay_to(server, "starttls", trusted, user="clew", password="secret")) == outcome
        assert server.mails == []


def test_a_server_that_takes_no_password(certificates: Certificates, trusted: str) -> None:
    with smtp_server(Script(), certificates.context()) as server:
        assert send(relay_to(server, "starttls", trusted, user="clew", password="secret")) == "misconfigured"


# --- contents -----------------------------------------------------------------------------------------------------


def received(one: Parcel) -> tuple[email.message.EmailMessage, bytes]:
    """Return a parcel as a server without any extension got it, read as mail programs do."""
    with smtp_server(Script(ehlo=())) as server:
        assert send(relay_to(server), one) == "sent: 250 taken"
        data = server.mails[0].data
        assert server.mails[0].receivers == [one.receiver]
    mail = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(mail, email.message.EmailMessage)
    return mail, data


def text_of(mail: email.message.EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def test_the_headers() -> None:
    mail, data = received(parcel(thread="<a7.0.x@clew.example>"))
    assert mail["From"] == "clew@clew.example"
    assert mail["To"] == TO
    assert mail["Message-ID"] == parcel().message_id
    assert mail["In-Reply-To"] == mail["References"] == "<a7.0.x@clew.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Id"] == "Clew alerts <alerts.clew.example>"
    assert mail["List-Unsubscribe"] == "<https://clew.example/alerts/deliveries>"
    assert mail["X-Priority"] == "1"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert data.isascii()
    first, _ = received(parcel(severity="warning"))
    assert "References" not in first
    assert "X-Priority" not in first


def test_words_beyond_ascii_to_a_server_that_knows_none() -> None:
    """Neither 8BITMIME nor SMTPUTF8: what is not ASCII is encoded."""
    words = "Zürich: 模型 loops 🔁"
    mail, data = received(parcel(subject=words, body=words + "\n", html=f"<p>{words}</p>"))
    assert data.isascii()
    assert mail["Subject"] == words
    assert text_of(mail, "plain") == words + "\n"
    assert words in text_of(mail, "html")


@pytest.mark.parametrize(
    "body", [".\n", "..\n.\nafter\n", "x" * 50_000 + "\n", "a\n.\nQUIT\nMAIL FROM:<x@y>\n", "From here\n>From\n", "\n\n"]
)
def test_bodies_arrive_as_they_are(body: str) -> None:
    """Dots at line starts, lines beyond all bounds, words of the protocol."""
    mail, data = received(parcel(body=body))
    assert text_of(mail, "plain") == body
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert b"\n" not in data.replace(b"\r\n", b"")


def test_a_body_is_cut_to_what_programs_take() -> None:
    mail, _ = received(parcel(body="wörd " * 40_000))
    assert len(text_of(mail, "plain").encode()) <= 96_000
    assert text_of(mail, "plain").endswith("[cut]\n")


PAYLOADS = (
    "a\r\nBcc: evil@evil.example", "a\nBcc: evil@evil.example", "a\rBcc: evil@evil.example", "a\r\n\r\n<script>", "a\0b",
    "a\x0bBcc: x", "a\x0cBcc: x", "a\u2028Bcc: x", "a\u2029Bcc: x", "a\x85Bcc: x", "\u202eevil\u202c", "\u2066x\u2069", "\u200fx",
    "\ufeffx", "a\x1b[31mred", "a\x7fb", "=?utf-8?q?=0D=0ABcc:_evil@evil.example?=",
    "=?utf-8?b?DQpCY2M6IGV2aWxAZXZpbC5leGFtcGxl?=", "a" * 5_000, "\ud800lone", "a\r\n .\r\nQUIT", "%0d%0aBcc: evil@evil.example",
    "\\r\\nBcc: evil@evil.example", "\u010d\u010aBcc: x", "a\t\r\n\tBcc: x", "To: evil@evil.example", "\r\n", "\n\n\n",
    "é\r\nBcc: evil@evil.example", "🔁\nBcc: x", "a\r\n\tfolded", "<evil@evil.example>", '"; evil@evil.example',
    "a,evil@evil.example",
)  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_no_name_makes_a_header(payload: str) -> None:
    """Whatever is in a subject: one receiver, no new header, a short line that cannot turn text around."""
    mail, _ = received(parcel(subject=f"[critical] {payload} loops", body=f"{payload.encode('utf-8', 'replace').decode()}\n", html=""))
    wanted = {"From", "To", "Date", "Subject", "Message-ID", "List-Id", "List-Unsubscribe", "Auto-Submitted", "X-Auto-Response-Suppress",
              "X-Priority", "Importance", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"}  # fmt: skip
    assert set(mail.keys()) == wanted
    assert mail["To"] == TO
    subject = str(mail["Subject"])
    assert len(subject) <= 120
    assert subject.isprintable() or "�" in subject
    assert not set(subject) & set("\u202e\u2066\u200f\ufeff\u2028\x1b")


@pytest.mark.parametrize(
    "wrong",
    ["a", "a@", "@b", "a@b\r\nBcc: c@d", "a@b c@d", "a@b,c@d", "a b@c", "a@b>", "<a@b", "a@b\0", "Name a@b", "a@b\x85c"],
)
def test_an_address_is_one_address(wrong: str) -> None:
    with pytest.raises(BadAddress):
        plain_address(wrong)


def test_lists_of_addresses() -> None:
    assert addresses(" a@b.example, Ada <c@d.example>,a@b.example,") == ["a@b.example", "c@d.example"]
    assert addresses("") == []


def test_ids_tell_receivers_apart_and_nothing_else() -> None:
    """The same message to the same receiver has the same id, on any day, in any process."""
    assert message_id("a7.1", TO, "x.example") == message_id("a7.1", TO.upper(), "x.example")
    assert len({message_id(place, to, "x.example") for place in ("a7.1", "a7.2", "a8.1") for to in (TO, "b@c.example")}) == 6


# --- settings and retries -----------------------------------------------------------------------------------------


def test_relays(tmp_path: Path) -> None:
    relay = read_relay("smtp://clew:s%40cret@mail.example:2525")
    assert (relay.host, relay.port, relay.tls, relay.user, relay.password) == ("mail.example", 2525, "starttls", "clew", "s@cret")
    assert "s@cret" not in repr(relay)
    assert read_relay("smtp://mail.example?tls=implicit").port == 465
    assert read_relay("smtps://mail.example").tls == "implicit"
    assert read_relay("smtp://localhost:25?tls=none").tls == "none"
    file = tmp_path / "password"
    file.write_text("from a file\n")
    assert read_relay(f"smtp://clew@mail.example?password_file={file}").password == "from a file"


@pytest.mark.parametrize(
    "wrong",
    [
        "http://x",
        "smtp://",
        "smtp://x?tls=maybe",
        "smtp://x?what=1",
        "smtp://u:secret@mail.example?tls=none",
        "smtp://x?password_file=/no/where",
    ],
)
def test_relays_that_cannot_be(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"smtp://|address") as caught:
        read_relay(wrong)
    assert "secret" not in str(caught.value)


def test_waits_grow_and_spread() -> None:
    """A minute, two, four, eight, fifteen, thirty and thirty again, each up to a fifth longer; the same for the same message."""
    minutes = [next_attempt_ns("passing", attempt, "x", 0) / 60e9 for attempt in range(8)]
    assert all(wait <= found <= wait * 1.2 for wait, found in zip((1, 2, 4, 8, 15, 30, 30, 30), minutes, strict=True))
    assert next_attempt_ns("passing", 2, "x", 0) == next_attempt_ns("passing", 2, "x", 0) != next_attempt_ns("passing", 2, "y", 0)
    assert 15 <= next_attempt_ns("misconfigured", 9, "x", 0) / 60e9 <= 18


def test_two_hundred_at_once() -> None:
    """Every mail of many senders arrives once."""
    with smtp_server(Script()) as server:
        relay = msgspec.structs.replace(relay_to(server), connect_s=20.0, whole_s=30.0)
        outcomes: list[str] = []
        threads = [threading.Thread(target=lambda number=number: outcomes.append(send(relay, parcel(message_id=f"<{number}@x>"))))
                   for number in range(200)]  # fmt: skip
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes == ["sent: 250 taken"] * 200
        ids = {email.message_from_bytes(mail.data)["Message-ID"] for mail in server.mails}
        assert len(ids) == len(server.mails) == 200
