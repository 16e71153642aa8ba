"""What must not leave is taken out, what looks like it stays, whatever it is wrapped in and however hostile the text."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan

from tracer.privacy.clean import Cleaner
from tracer.privacy.linear import why_not_linear
from tracer.privacy.patterns import PERSONAL, SECRETS, has_luhn
from tracer.privacy.redact import ERROR_MARK, TIMEOUT_MARK, Redaction, Watched
from tracer.privacy.withhold import is_content
from tracer.recording.prices import make_price
from tracer.values.limits import cut_text, fitting_chars

from .otlp_backend import attributes_of
from .secrets_corpus import Positive, negatives, positives
from .tracer_spans import encoded, ended_span

SECRETS_ONLY = Redaction(["secrets"])


def is_missed(positive: Positive, text: str) -> bool:
    """Tell whether a secret is left: whole, or any line of one that has lines."""
    return any(line in text for secret in positive.secrets for line in secret.split("\n") if not line.startswith("-----"))


def test_the_corpus_is_large_enough() -> None:
    """At least 200 texts with secrets and 500 different ones without."""
    assert len({one.text for one in positives()}) >= 200
    assert len(set(negatives())) >= 500


def test_secrets_are_found() -> None:
    """Recall: every secret of the corpus is taken out, and the mark says what it was."""
    missed = [one.text for one in positives() if is_missed(one, SECRETS_ONLY.text("x", one.text))]
    assert missed == []
    wrong = [(one.kind, out) for one in positives() if f"[redacted:{one.kind}]" not in (out := SECRETS_ONLY.text("x", one.text))]
    assert wrong == []


def test_nothing_else_is_touched() -> None:
    """Precision: ids, hashes, times, images, prose and code leave as they are."""
    assert [(text, out) for text in negatives() if (out := SECRETS_ONLY.text("x", text)) != text] == []


def test_what_surrounds_a_secret_stays() -> None:
    """Only the secret goes."""
    assert SECRETS_ONLY.text("x", "Pay with 4111 1111 1111 1111 on Monday") == "Pay with [redacted:card] on Monday"
    assert SECRETS_ONLY.text("x", "postgres://app:s3cretpw@db:5432/shop") == "postgres://app:[redacted:password]@db:5432/shop"
    assert SECRETS_ONLY.text("x", '{"user": "bob", "password": "hunter2", "n": 1}') == (
        '{"user": "bob", "password": "[redacted:password]", "n": 1}'
    )


@pytest.mark.parametrize(
    "wrap",
    [
        lambda text: json.dumps({"content": text}),
        lambda text: json.dumps([{"role": "user", "content": json.dumps({"q": text})}]),
        lambda text: f"Sure! Here it is: {text} (keep it safe)",
        lambda text: f"<a>{text}</a>",
        lambda text: f"\N{WHITE SMILING FACE} \N{LATIN CAPITAL LETTER I WITH DOT ABOVE} {text} \N{SNOWMAN}",
        lambda text: f"first line\n  {text}\nlast line",
    ],
    ids=["json", "json in json", "prose", "xml", "other letters", "lines"],
)
def test_secrets_are_found_wherever_they_stand(wrap: Callable[[str], str]) -> None:
    """JSON inside of texts, prose and markup hide nothing."""
    missed = [text for one in positives() if is_missed(one, SECRETS_ONLY.text("x", text := wrap(one.text)))]
    assert missed == []


def test_redacting_twice_changes_nothing() -> None:
    """Marks are not secrets."""
    for one in positives():
        once = SECRETS_ONLY.text("x", one.text)
        assert SECRETS_ONLY.text("x", once) == once


def test_names_that_say_it_all() -> None:
    """What goes under the name of a credential is one, whatever it looks like; numbers of tokens and the like are not."""
    for name in ("password", "db.password", "http.request.header.authorization", "x-api-key", "clientSecret", "set-cookie", "access_token"):
        assert SECRETS_ONLY.text(name, "plain") == "[redacted:secret]", name
    for name in ("gen_ai.usage.output_tokens", "token_count", "author", "secretary", "clew.agent.name", "gen_ai.token.type"):
        assert SECRETS_ONLY.text(name, "plain") == "plain", name


def test_ids_under_their_names_stay() -> None:
    """A number in one piece that goes by a name for ids is one, even if the check of cards passes by chance."""
    for name in ("clew.reference.order", "order_id", "gen_ai.tool.call.id", "user.id", "trace.id"):
        assert SECRETS_ONLY.text(name, "4111111111111111") == "4111111111111111", name
    assert SECRETS_ONLY.text("card", "4111111111111111") == "[redacted:card]"
    assert SECRETS_ONLY.number(4111111111111111) == "[redacted:card]"
    assert SECRETS_ONLY.number(1_700_000_000_000_000_000) == 1_700_000_000_000_000_000


def test_levels() -> None:
    """E-mail addresses and bank accounts are personal; ``off`` is off; own rules come on top of the secrets."""
    text = "bob@example.com, DE89 3704 0044 0532 0130 00, 4111 1111 1111 1111, CASE-77"
    assert Redaction(["secrets"]).text("x", text) == "bob@example.com, DE89 3704 0044 0532 0130 00, [redacted:card], CASE-77"
    assert Redaction(["personal"]).text("x", text) == "[redacted:email], [redacted:iban], [redacted:card], CASE-77"
    assert Redaction(["off"]).text("x", text) == text
    assert Redaction(["secrets", r"CASE-\d+"]).text("x", text).endswith("[redacted:card], [redacted:custom]")
    assert Redaction(["secrets", lambda key, text: text.upper()]).text("x", "abc") == "ABC"


@pytest.mark.parametrize(
    "address",
    ["a@b.co", "first.last+tag@sub.example.org", "jürgen@müller.de", "x_y-z@example.museum", "bob%40example.com", "<bob@example.com>"],
)
def test_addresses(address: str) -> None:
    """E-mail addresses of all kinds."""
    assert "[redacted:email]" in Redaction(["personal"]).text("x", f"write to {address}, please")


@pytest.mark.parametrize("text", ["user@host", "@here", "a@b", "5 @ 3.50", "git@github", "x@1.2", "pkg@1.2.3", "@types/node"])
def test_what_is_no_address(text: str) -> None:
    """Not everything with an @ is one."""
    assert Redaction(["personal"]).text("x", text) == text


# --- failing ------------------------------------------------------------------------------------------------------


def test_a_rule_that_raises_costs_the_text() -> None:
    """Better a mark than what it should have taken out."""

    def broken(key: str, text: str) -> str:
        raise RuntimeError(text)

    assert Redaction(["secrets", broken]).text("x", "personal words") == ERROR_MARK
    assert Redaction([lambda key, text: None]).text("x", "personal words") == ERROR_MARK  # type: ignore[list-item,return-value]  # on purpose


def test_a_rule_that_hangs_costs_the_text_and_not_the_thread() -> None:
    """It is waited for so long, some times, and then not called any more."""
    from_outside = threading.Event()
    calls: list[str] = []

    def hangs(key: str, text: str) -> str:
        calls.append(text)
        from_outside.wait(30)
        return text

    redaction = Redaction([])
    redaction._own = [Watched(hangs, timeout_s=0.05, patience=2)]
    redaction.is_on = True
    try:
        assert [redaction.text("x", f"text {number}") for number in range(4)] == [TIMEOUT_MARK] * 4
        assert calls == ["text 0", "text 1"]
    finally:
        from_outside.set()


@pytest.mark.parametrize("expression", ["(a+)+b", "(a|aa)*c", r"(\w|\d\d)+x", "(x{1,50}){1,50}", r"(a+)\1+"])
def test_expressions_that_may_take_for_ever_are_refused(expression: str) -> None:
    """Nothing could stop them, so they are not taken."""
    assert why_not_linear(expression) is not None
    with pytest.raises(ValueError, match="for ever"):
        Redaction([expression])


@pytest.mark.parametrize("expression", ["ACME-[0-9]{4,8}", "(?i)internal", r"\b[A-Z]{2}\d+\b", "(?:foo|bar)+", "(?:a++)+", "^x?y*$"])
def test_ordinary_expressions_are_taken(expression: str) -> None:
    """What people write is fine."""
    assert why_not_linear(expression) is None


def test_no_expression_is_refused_by_its_error() -> None:
    """A typing error shows at once."""
    with pytest.raises(ValueError, match="no regular expression"):
        Redaction(["["])


MIB = 1 << 20
HOSTILE = {
    "prose": "The quick brown fox jumps over the lazy dog. ", "a": "a", "digits": "4", "spaced digits": "4 ",
    "cards": "4111 1111 1111 ", "tokens": "token=", "token ": "token ", "passwords": 'password:"', "is": "password is ", "at": "a@",
    "jwt": "eyJ", "jwt.": "eyJa.", "url": "://", "urls": "a://b:", "dash": "-", "pem": "-----BEGIN PRIVATE KEY-----", "sk": "sk-",
    "dots": "a.", "us": "-us1 ", "basic": "basic ", "bearer": "bearer ", "quote": '"', "backslash": "\\", "ssn": "ssn 1",
    "ssns": "123-45-", "iban": "DE89 3704 ", "options": " --a", "user": " -u a:", "element": "<password>",
    "hook": "hooks.slack.com/services/", "key": "key-", "sg": "SG.", "aa": "0:AA", "is is": "is ", "newline": "\n", "xox": "xoxb-",
    "atlas": "a.atlasv1.", "long": "abcdefghij0123456789", "cookie": "cookie: ", "upper": "İ",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_time_grows_as_the_text_does(name: str) -> None:
    """Four times the text takes about four times as long; what is quadratic takes sixteen times."""
    redaction = Redaction(["personal"])

    def seconds(length: int) -> float:
        text = (HOSTILE[name] * (length // len(HOSTILE[name]) + 1))[:length]
        began = time.thread_time()
        redaction.text("x", text)
        return time.thread_time() - began

    small = min(seconds(MIB // 4) for _ in range(2))
    assert seconds(MIB) < 9 * small + 0.1


@pytest.mark.parametrize("name", HOSTILE)
def test_no_expression_is_slow_on_its_own(name: str) -> None:
    """Each by itself, where no hint keeps it from being tried: all together are bound to the length of the text."""

    def seconds(length: int) -> float:
        text = (HOSTILE[name] * (length // len(HOSTILE[name]) + 1))[:length]
        began = time.thread_time()
        for pattern in (*SECRETS, *PERSONAL):
            Counter(match.start() for match in pattern.expression.finditer(text))
        return time.thread_time() - began

    small = min(seconds(16_384) for _ in range(2))
    assert seconds(65_536) < 9 * small + 0.1


# --- spans --------------------------------------------------------------------------------------------------------

KEY = "sk-" + "abcdefghij0123456789ABCDEFGHIJ"


def cleaner(max_chars: int = 65_536, max_bytes: int = 4 << 20, has_content: bool = True) -> Cleaner:
    """Make what spans are cleaned with."""
    return Cleaner(Redaction(["secrets"]), has_content, max_chars, max_bytes)


def test_every_part_of_a_span_is_redacted() -> None:
    """Name, attributes at any depth, events, links, status, resource and scope."""
    span = ended_span(
        f"call {KEY}",
        attributes={
            "text": KEY, "list": [KEY, "plain"], "json": json.dumps({"a": [KEY]}), "bytes": KEY.encode(),
            "map": {"inner": {"deep": [KEY]}, KEY: 1}, f"name {KEY}": 1, "card": 4111111111111111,
        },
        events=[("event", {"exception.message": f"bad key {KEY}"})],
        links=[{"why": KEY}],
        status=f"failed with {KEY}",
        resource={"process.command_args": ["run", f"--api-key={KEY}"]},
        scope={"scope.key": KEY},
    )  # fmt: skip

    raw = encoded([cleaner()(span)])

    assert KEY.encode() not in raw
    assert b"4111111111111111" not in raw
    assert raw.count(b"[redacted:key]") >= 12


def test_values_are_cut_with_a_mark() -> None:
    """What is too long shows how much is missing, and the span says so."""
    [span] = decoded([cleaner(max_chars=1_000)(ended_span("x", attributes={"long": "y" * 99_999, "short": "z"}))])
    attributes = attributes_of(span)
    assert str(attributes["long"]).endswith("…[cut: 99,063 of 99,999 characters]")
    assert len(str(attributes["long"])) <= 1_000
    assert (attributes["short"], attributes["clew.content.truncated"]) == ("z", True)


def test_a_secret_across_the_cut_is_found() -> None:
    """It is looked for before the text is cut."""
    [span] = decoded([cleaner(max_chars=1_000)(ended_span("x", attributes={"long": "y" * 920 + " " + KEY + " " + "y" * 5_000}))])
    assert KEY[:12] not in str(attributes_of(span)["long"])


def test_a_span_that_is_too_large_is_cut_to_fit() -> None:
    """The longest values give way first."""
    attributes = {f"v{number}": "x" * 60_000 for number in range(100)} | {"small": "kept"}
    raw = encoded([cleaner(max_bytes=1 << 20)(ended_span("x", attributes=attributes))])
    assert len(raw) < 1 << 20
    assert b"kept" in raw


def test_what_cannot_be_encoded_is_made_to_be() -> None:
    """Lone surrogates, huge numbers and odd values cost themselves, not the span."""
    span = ended_span("\ud800 name", attributes={"s": "a\ud800b", "n": 1 << 70, "nul": "a\0b", "none": None, "f": float("nan")})
    [clean] = decoded([cleaner()(span)])
    attributes = attributes_of(clean)
    assert (attributes["s"], attributes["n"], attributes["nul"], attributes["none"]) == ("a?b", str(1 << 70), "a\0b", None)


def test_deep_and_wide_values_end_somewhere() -> None:
    """Nesting and length are bounded."""
    deep: object = "end"
    for _ in range(60):
        deep = [deep]
    [span] = decoded([cleaner()(ended_span("x", attributes={"deep": deep, "wide": ["v"] * 30_000}))])
    assert "nested too deeply" in str(attributes_of(span)["deep"])
    assert len(attributes_of(span)["wide"]) == 10_000  # type: ignore[arg-type]  # a list


def test_without_content_nothing_that_was_said_leaves() -> None:
    """Ours and other libraries' inputs, outputs, thoughts, arguments and results; what describes them stays."""
    content = {
        "gen_ai.input.messages": "said", "clew.thought": "said", "gen_ai.tool.call.arguments": "said", "input.value": "said",
        "llm.input_messages.0.message.content": "said", "traceloop.entity.output": "said", "gen_ai.prompt.0.content": "said",
        "ai.toolCall.args": "said", "langfuse.observation.input": "said", "gen_ai.system_instructions": "said",
    }  # fmt: skip
    kept = {"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 3, "gen_ai.tool.name": "search", "clew.step.kind": "tool"}
    span = ended_span("x", attributes=content | kept, events=[("gen_ai.user.message", {"content": "said"}), ("retry", {"n": 1})])

    [clean] = decoded([cleaner(has_content=False)(span)])

    assert attributes_of(clean) == kept
    assert [event.name for event in clean.events] == ["retry"]
    assert not is_content("gen_ai.output.type")


def test_what_was_dropped_before_is_told() -> None:
    """The counts of the library survive the copy."""
    span = ended_span("x", attributes={f"a{number}": number for number in range(20)}, most_attributes=12)
    [clean] = decoded([cleaner()(span)])
    assert (len(clean.attributes), clean.dropped_attributes_count) == (12, 8)


def decoded(spans: list[ReadableSpan]) -> list[Span]:
    """Encode spans and decode them again."""
    request = ExportTraceServiceRequest.FromString(encoded(spans))
    return [span for entry in request.resource_spans for scope in entry.scope_spans for span in scope.spans]


# --- small ones ---------------------------------------------------------------------------------------------------


def test_cutting() -> None:
    """A text that fits stays; the longest of many give way."""
    assert cut_text("abc", 3) == "abc"
    assert cut_text("a" * 500, 100) == "a" * 36 + "…[cut: 464 of 500 characters]"
    assert fitting_chars([10, 10, 1_000], 120) == 100
    assert fitting_chars([10, 10], 120) == 10
    assert fitting_chars([], 0) == 0


def test_luhn() -> None:
    """The check digit of cards."""
    assert [has_luhn(number) for number in ("4111111111111111", "4111111111111112", "0")] == [True, False, True]


def test_prices() -> None:
    """By the longest name that fits; caches have their own price or that of input; unknown is not zero."""
    price = make_price({"gpt-5": {"input": 2.0, "output": 10.0, "cache_read": 0.2}, "gpt-5-mini": {"input": 0.5, "output": 2.0}})
    assert price is not None
    assert price("openai/gpt-5-2026-01-01", None, {"input": 1_000_000, "output": 100_000, "cache_read": 500_000}) == pytest.approx(2.1)
    assert price("gpt-5-mini", "openai", {"input": 1_000_000}) == 0.5
    assert price("other", None, {"input": 1}) is None
    assert make_price(None) is None
    broken = make_price(lambda model, provider, tokens: float("nan"))
    assert broken is not None and broken("m", None, {}) is None
