"""What leaves the house: a report is redacted, whole in itself, and shows hostile text as text."""

from collections import Counter
from html.parser import HTMLParser

import pytest

from ingest.store.engine import Store
from webui.cli.redact import redact

from .builders import TRACE_ID
from .webui_app import fill
from .webui_cli import clew
from .wire import run_spans

ID = TRACE_ID.hex()

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVP-mBa92K27uhbUJU1p1r"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to ada.lovelace+x@example.co.uk now", "write to [address] now"),
        ("card 4111 1111 1111 1111, exp 12/30", "card [card number], exp 12/30"),
        ("card 5500-0000-0000-0004.", "card [card number]."),
        ("Authorization: Bearer abcdefghijklmnop", "Authorization: [key]"),
        ("Authorization: Bearer%20abcdefghijklmnop", "Authorization: [key]"),
        ("sk-ant-api03-AAAABBBBCCCCDDDD", "[key]"),
        ("AKIAIOSFODNN7EXAMPLE", "[key]"),
        ("ghp_abcdefghijklmnopqrstuvwxyz012345", "[key]"),
        (f"jwt {JWT}", "jwt [key]"),
        ('{"api_key": "hunter2hunter2", "max_tokens": 4096}', '{"api_key": [key], "max_tokens": 4096}'),
        ('{\\"password\\": \\"hunter2\\"}', '{\\"password\\": [key]}'),
        ("PASSWORD=correct-horse", "PASSWORD=[key]"),
        ("postgresql://clew:s3cret@db/clew", "postgresql://[password]@db/clew"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "[key]"),
    ],
)
def test_secrets_are_taken_out(text: str, expected: str) -> None:
    """What looks like an address, a key or a card number is replaced by a word that says what it was."""
    found: Counter[str] = Counter()
    assert redact(text, found) == expected
    assert found.total() == 1


@pytest.mark.parametrize(
    "text",
    [
        "order 1234567890123456 of trace 4bf92f3577b34da6a3ce929d0e0e4736",
        "max_tokens: 4096, input_tokens=12",
        "2026-01-01T10:00:00.000000Z, 1544712660000000000 ns",
        "a@b, 50 % @ home",
        "task-force desk-lamp-with-a-long-name",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """Ids, counts and times are what a report is for."""
    found: Counter[str] = Counter()
    assert (redact(text, found), found.total()) == (text, 0)


class Tags(HTMLParser):
    """Collects the tags and attributes of a document."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_the_report_is_redacted_and_whole_in_itself(sqlite_store: Store, sqlite_url: str) -> None:
    """Markup in a trace is shown as text; there is no script, link or image; secrets are gone and counted."""
    spans = run_spans(calls=1)
    evil = f'<script>alert(1)</script><img src="http://x/y"> mail ada@example.com card 4111111111111111 {JWT}'
    spans[0].attributes["gen_ai.agent.name"] = evil
    for span in spans:
        span.attributes["user.id"] = "ada@example.com"
        span.attributes["gen_ai.tool.call.result"] = evil
    fill(sqlite_store, spans)

    said = clew(sqlite_url, "export", ID, "--format", "bundle")

    assert said.status == 0
    document = Tags()
    document.feed(said.out)
    assert document.tags == {"html", "head", "meta", "title", "style", "body", "header", "h1", "p", "main", "div", "span"}
    assert document.attributes == {"lang", "charset", "http-equiv", "content", "name", "class", "style"}
    for secret in ("ada@example.com", "4111111111111111", JWT):
        assert secret not in said.out
    assert "× address" in said.out and "× card number" in said.out and "× key" in said.out
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in said.out
