"""Settings of the SDK: what the code says, then the standard ``OTEL_`` variables, then ``CLEW_`` ones, then defaults."""

import logging
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from opentelemetry.sdk.trace import TracerProvider

_log = logging.getLogger("clew")

Protocol = Literal["http/protobuf", "grpc"]

Redactor = Callable[[str, str], str]
"""Takes the name of an attribute and its text, and returns the text without what must not leave."""

Prices = Mapping[str, Mapping[str, float]] | Callable[[str, str | None, Mapping[str, int]], float | None]
"""US dollars per million tokens by model (``input``, ``output``, ``cache_read``, ``cache_write``), or a function of model, provider and
tokens."""


class Options(TypedDict, total=False):
    """What ``configure`` takes. None, or an empty text, is as good as left out."""

    endpoint: str | None
    """Where OTLP goes: one base address, e.g. ``http://127.0.0.1:4318``."""
    api_key: str | None
    """Sent as ``Authorization: Bearer``."""
    headers: Mapping[str, str] | None
    """Sent with every request."""
    service: str | None
    environment: str | None
    version: str | None
    protocol: Protocol | None
    base_url: str | None
    """The web address, for links to runs and for the guard."""
    provider: TracerProvider | None
    """A provider to make our spans with, for who wants them in its backend as well."""
    take_global: bool
    """Make our provider the global one, where nobody has set one."""
    instrument: Sequence[str]
    content: bool
    """False sends no inputs, outputs, thoughts, arguments and results, of no library's spans."""
    redact: str | Redactor | Sequence[str | Redactor]
    """``"secrets"``, ``"personal"`` (secrets and e-mail addresses), ``"off"``; or several: levels, regular expressions, functions."""
    max_value_chars: int
    """Where a value is cut, with a visible mark."""
    sample: float
    """The share of runs sent, by trace id: whole runs."""
    keep: Sequence[str | Callable[[Any], bool]]
    """What is sent all the same: ``errors``, ``over_budget``, ``slow``, or functions of a span."""
    slow_s: float
    spool: str | os.PathLike[str] | None
    """A directory where spans wait while the backend is away."""
    spool_max_bytes: int
    spool_max_age_s: float
    max_queue_spans: int
    max_queue_bytes: int
    prices: Prices | None
    control_interval_s: float
    fail: Literal["open", "closed"]
    """What the guard does when it cannot ask."""
    heartbeat_s: float
    announce_after_s: float
    clock_ns: Callable[[], int] | None
    """The clock of spans, nanoseconds since the epoch: for simulations."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where batches go, and how."""

    url: str
    """Of the request for HTTP; scheme, host and port for gRPC."""
    protocol: Protocol = "http/protobuf"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """With lower-case names. They hold the key, so they are shown nowhere."""
    timeout_s: float = 10.0
    gzip: bool = True
    certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may wait."""

    queue_spans: int = 16_384
    queue_bytes: int = 64 << 20
    outbox_bytes: int = 32 << 20
    """Of encoded and compressed batches in memory."""
    batch_spans: int = 512
    batch_bytes: int = 4 << 20
    spool_bytes: int = 512 << 20
    spool_age_s: float = 7 * 86_400.0


KEEP_RULES = ("errors", "over_budget", "slow")


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which runs are sent."""

    share: float = 1.0
    keep: tuple[str | Callable[[Any], bool], ...] = KEEP_RULES
    slow_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything ``configure`` needs to know."""

    endpoint: Endpoint
    resource: Mapping[str, str]
    """Attributes of the sender that the code stated."""
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    bounds: Bounds = Bounds()
    sampling: Sampling = Sampling()
    spool: str | None = None
    content: bool = True
    redact: tuple[str | Redactor, ...] = ("secrets",)
    max_value_chars: int = 65_536
    max_attributes: int | None = 1_024
    """Of a span; None where the environment says it."""
    is_disabled: bool = False


def load_settings(options: Options, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Raises ``ValueError`` for what the code states wrongly; a wrong variable is logged and left out."""
    env = _Environment(os.environ if environ is None else environ)
    endpoint = _endpoint(options, env)
    stated = {"service.name": "service", "deployment.environment.name": "environment", "service.version": "version"}
    spool = options.get("spool")
    return Settings(
        endpoint=endpoint,
        resource={name: str(options[key]) for name, key in stated.items() if options.get(key)},  # type: ignore[literal-required]
        api_key=_api_key(options, env),
        base_url=_base_url(options, env, endpoint),
        bounds=_bounds(options),
        sampling=_sampling(options, env),
        spool=os.fspath(spool) if spool else None,
        content=bool(options.get("content", True)),
        redact=_redact(options.get("redact", "secrets")),
        max_value_chars=_at_least(options, "max_value_chars", 65_536, 256),
        max_attributes=None if env.has("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT") else 1_024,
        is_disabled=env.text("OTEL_SDK_DISABLED").lower() == "true",
    )


class _Environment:
    """Variables, read leniently."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, *names: str) -> str:
        """Return the first that says something, or nothing."""
        return next((found for name in names if (found := self._variables.get(name, "").strip())), "")

    def has(self, *names: str) -> bool:
        return bool(self.text(*names))

    def exporter(self, name: str) -> str:
        """Return what is said for traces, else what is said for all signals."""
        return self.text(f"OTEL_EXPORTER_OTLP_TRACES_{name}", f"OTEL_EXPORTER_OTLP_{name}")

    def number(self, text: str, default: float) -> float:
        if not text:
            return default
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or number < 0:
            _log.warning("ignored a variable of the environment that should be a number")
            return default
        return number


# --- where to -----------------------------------------------------------------------------------------------------


def _endpoint(options: Options, env: _Environment) -> Endpoint:
    protocol = _protocol(options, env)
    given = options.get("endpoint")
    of_standard = not given and env.has("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    exact = "" if given else env.text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    base = exact or given or env.text("OTEL_EXPORTER_OTLP_ENDPOINT", "CLEW_ENDPOINT")
    if protocol is None:
        protocol = "grpc" if base and _split(base, env).port == 4317 and not exact else "http/protobuf"
    base = base or f"http://127.0.0.1:{4317 if protocol == 'grpc' else 4318}"
    is_elsewhere = bool(given or (not of_standard and env.has("CLEW_ENDPOINT")))
    return Endpoint(
        url=_url(_split(base, env), protocol, is_exact=bool(exact)),
        protocol=protocol,
        headers=_headers(options, env, is_elsewhere),
        timeout_s=_timeout_s(env),
        gzip=env.exporter("COMPRESSION").lower() != "none",
        # Certificates and headers belong to the address they were set for: another backend's key is not for us.
        certificate=None if is_elsewhere else env.exporter("CERTIFICATE") or None,
        client_certificate=None if is_elsewhere else env.exporter("CLIENT_CERTIFICATE") or None,
        client_key=None if is_elsewhere else env.exporter("CLIENT_KEY") or None,
    )


def _protocol(options: Options, env: _Environment) -> Protocol | None:
    given = options.get("protocol")
    if given not in (None, "", "http/protobuf", "grpc"):
        raise ValueError(f"protocol is http/protobuf or grpc, not {given!r}")
    if given:
        return given
    said = env.exporter("PROTOCOL").lower()
    if said == "grpc":
        return "grpc"
    if said not in ("", "http/protobuf"):
        _log.warning("OTEL_EXPORTER_OTLP_PROTOCOL is http/protobuf or grpc here; using http/protobuf")
    return "http/protobuf" if said else None


def _split(text: str, env: _Environment) -> SplitResult:
    """Split an address, with a scheme for one that has none: plain on the own machine, TLS beyond it."""
    if "://" not in text:
        host = (urlsplit(f"//{text}").hostname or "").lower()
        is_insecure = env.exporter("INSECURE").lower() == "true" or is_loopback(host)
        text = f"{'http' if is_insecure else 'https'}://{text}"
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"[\s\x00-\x1f]", text):
        raise ValueError("an endpoint begins with http:// or https:// and names a host")
    return parts


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    return host in ("localhost", "::1") or host.startswith("127.")


def _url(parts: SplitResult, protocol: Protocol, is_exact: bool) -> str:
    if protocol == "grpc":
        return urlunsplit((parts.scheme, parts.netloc, "", "", ""))
    path = parts.path
    if is_exact:
        path = path or "/"
    elif not path.rstrip("/").endswith("/v1/traces"):
        path = f"{path.rstrip('/')}/v1/traces"
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def _headers(options: Options, env: _Environment, is_elsewhere: bool) -> dict[str, str]:
    headers = {} if is_elsewhere else _parse_headers(env.exporter("HEADERS"))
    key = options.get("api_key") or env.text("CLEW_API_KEY")
    if key and (options.get("api_key") or "authorization" not in headers):
        headers["authorization"] = f"Bearer {key}"
    headers |= {name.lower(): value for name, value in (options.get("headers") or {}).items()}
    if any(re.search(r"[\r\n\x00]", value) for value in headers.values()):
        raise ValueError("a header, or the key, holds a line break")
    return headers


def _parse_headers(text: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {unquote(name.strip()).lower(): unquote(value.strip()) for name, _, value in pairs if name.strip()}


def _timeout_s(env: _Environment) -> float:
    """Return the timeout; the standard speaks of milliseconds, Python's exporters of seconds."""
    number = env.number(env.exporter("TIMEOUT"), 10.0)
    seconds = number / 1000 if number >= 1000 else number
    return min(max(seconds, 0.1), 60.0)


def _api_key(options: Options, env: _Environment) -> str | None:
    return options.get("api_key") or env.text("CLEW_API_KEY") or None


def _base_url(options: Options, env: _Environment, endpoint: Endpoint) -> str | None:
    said = options.get("base_url") or env.text("CLEW_BASE_URL")
    if said:
        return said.rstrip("/")
    parts = urlsplit(endpoint.url)
    is_local = is_loopback(parts.hostname or "") and parts.port in (4317, 4318)
    return "http://127.0.0.1:7070" if is_local else None


# --- how much -----------------------------------------------------------------------------------------------------


_BOUNDS = Bounds()
_SAMPLING = Sampling()


def _bounds(options: Options) -> Bounds:
    return Bounds(
        queue_spans=_at_least(options, "max_queue_spans", _BOUNDS.queue_spans, 1),
        queue_bytes=_at_least(options, "max_queue_bytes", _BOUNDS.queue_bytes, 1 << 16),
        spool_bytes=_at_least(options, "spool_max_bytes", _BOUNDS.spool_bytes, 1 << 20),
        spool_age_s=float(options.get("spool_max_age_s", _BOUNDS.spool_age_s)),
    )


def _at_least(options: Options, name: str, default: int, least: int) -> int:
    value = options.get(name, default)
    if not isinstance(value, int) or value < least:
        raise ValueError(f"{name} is a number of at least {least}")
    return value


def _sampling(options: Options, env: _Environment) -> Sampling:
    share = options.get("sample")
    if share is not None and not 0 <= share <= 1:
        raise ValueError("sample is a share from 0 to 1")
    is_off = share is None and env.text("OTEL_TRACES_SAMPLER").lower().endswith("always_off")
    keep: Sequence[str | Callable[[Any], bool]] = options.get("keep", () if is_off else KEEP_RULES)
    unknown = [one for one in keep if isinstance(one, str) and one not in KEEP_RULES]
    if isinstance(keep, str) or unknown:
        raise ValueError(f"keep is a sequence of {', '.join(KEEP_RULES)} or functions")
    return Sampling(_sampler_share(env) if share is None else float(share), tuple(keep), float(options.get("slow_s", _SAMPLING.slow_s)))


def _sampler_share(env: _Environment) -> float:
    sampler = env.text("OTEL_TRACES_SAMPLER").lower()
    if sampler.endswith("always_off"):
        return 0.0
    return min(env.number(env.text("OTEL_TRACES_SAMPLER_ARG"), 1.0), 1.0) if sampler.endswith("traceidratio") else 1.0


def _redact(given: str | Redactor | Sequence[str | Redactor]) -> tuple[str | Redactor, ...]:
    if not (isinstance(given, str | Sequence) or callable(given)):
        raise ValueError("redact is a level, a regular expression, a function, or a sequence of these")
    rules = (given,) if isinstance(given, str) or callable(given) else tuple(given)
    levels = {"secrets", "personal", "off"}
    # Own rules are added to the secrets; nobody means to send keys because of a pattern for order numbers.
    return rules if any(isinstance(rule, str) and rule in levels for rule in rules) else ("secrets", *rules)
