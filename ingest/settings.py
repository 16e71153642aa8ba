"""Settings: read from the environment once, checked at start, never asked for again."""

import difflib
import ipaddress
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

PREFIX = "CLEW_"

_OF_THE_SDK = ("CLEW_ENDPOINT", "CLEW_API_KEY")
"""Names that the tracer reads: known here so that one environment can serve both."""


class SettingsError(ValueError):
    """A setting that cannot be; the text says which, what is wrong and what would do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. Every field is the lower-case name of a ``CLEW_`` variable, but ``CLEW_``."""

    data_dir: Path
    database_url: str
    """A SQLAlchemy URL: SQLite in the data directory unless told otherwise, or ``postgresql+psycopg://``."""
    host: str = "127.0.0.1"
    port: int = 7070
    """Web and API. Port 0 is any free one, here and below."""
    otlp_http_port: int = 4318
    otlp_grpc_port: int = 4317
    base_url: str = ""
    """What links begin with; empty: where the web part listens."""
    auth: bool = False
    secret_key: str = ""
    max_body_bytes: int = 64 << 20
    """Bound of one OTLP request, before and after inflating."""
    retention_days: float | None = None
    """None keeps everything."""
    log_format: str = "text"
    smtp_url: str = ""
    alert_from: str = ""
    alert_to: str = ""
    alert_digest: str = "08:00"
    """When the mail of the day is written, and where that is: ``08:00 Europe/Zurich``, or ``off``."""
    webhook_url: str = ""
    webhook_private: bool = False
    """Whether the webhook may be an address inside: of this machine or its network."""


def _boolean(text: str) -> bool:
    if text.lower() in ("on", "1", "true", "yes"):
        return True
    if text.lower() in ("off", "0", "false", "no"):
        return False
    raise ValueError("on or off")


def _port(text: str) -> int:
    if not text.isdecimal() or not int(text) < 65_536:
        raise ValueError("a port number from 0 to 65535")
    return int(text)


def _bytes(text: str) -> int:
    if not text.isdecimal() or not 1024 <= int(text) <= 1 << 30:
        raise ValueError("a number of bytes from 1024 to 1073741824")
    return int(text)


def _days(text: str) -> float | None:
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 < days < 100_000:
        raise ValueError("a number of days above 0")
    return days


def _log_format(text: str) -> str:
    if text not in ("text", "json"):
        raise ValueError("text or json")
    return text


def _digest(text: str) -> str:
    at, _, zone = text.partition(" ")
    hour, colon, minute = at.partition(":")
    is_time = bool(colon) and hour.isdecimal() and minute.isdecimal() and len(minute) == 2 and int(hour) < 24 and int(minute) < 60
    try:
        ZoneInfo(zone or "UTC")
    except (ValueError, ZoneInfoNotFoundError, OSError):
        is_time = False
    if text != "off" and not is_time:
        raise ValueError("a time of day like 08:00 or 08:00 Europe/Zurich, or off")
    return text


def _base_url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("an address that begins with http:// or https://")
    return text.rstrip("/")


def _database_url(text: str) -> str:
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise ValueError("sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME") from error
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise ValueError("sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME")
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise ValueError("sqlite:///FILE: several processes share the store, so it cannot live in memory")
    return url.render_as_string(hide_password=False)


_READERS: dict[str, Callable[[str], Any]] = {
    "data_dir": lambda text: Path(text).expanduser().absolute(),
    "database_url": _database_url,
    "port": _port,
    "otlp_http_port": _port,
    "otlp_grpc_port": _port,
    "base_url": _base_url,
    "auth": _boolean,
    "webhook_private": _boolean,
    "alert_digest": _digest,
    "max_body_bytes": _bytes,
    "retention_days": _days,
    "log_format": _log_format,
}

DEFAULT_DATA_DIR = "~/.local/share/clew"


def load_settings(environ: Mapping[str, str], options: Mapping[str, str | None] | None = None) -> Settings:
    """Return the settings of an environment; ``options`` (by field name) win where they are not None.

    Raises ``SettingsError`` for an unknown ``CLEW_`` name, a value that cannot be, and an address that would let anyone in.
    """
    known = [field.name for field in fields(Settings)]
    _refuse_unknown([name for name in environ if name.startswith(PREFIX)], known)
    given = {name: environ[PREFIX + name.upper()] for name in known if environ.get(PREFIX + name.upper())}
    given |= {name: value for name, value in (options or {}).items() if value is not None}
    values = {name: _read(name, text) for name, text in {"data_dir": DEFAULT_DATA_DIR, **given}.items()}
    values.setdefault("database_url", f"sqlite:///{values['data_dir'] / 'clew.db'}")
    settings = Settings(**values)
    if not settings.auth and not _is_loopback(settings.host):
        raise SettingsError(
            f"{settings.host} can be reached from other machines: set CLEW_AUTH=on and make a key with clew key create first."
        )
    return settings


def _refuse_unknown(names: list[str], known: list[str]) -> None:
    valid = [PREFIX + name.upper() for name in known] + list(_OF_THE_SDK)
    for name in sorted(names):
        if name not in valid:
            near = difflib.get_close_matches(name, valid, 1, 0.5)
            raise SettingsError(f"There is no setting {name}." + (f" Did you mean {near[0]}?" if near else ""))


def _read(name: str, text: str) -> Any:
    try:
        return _READERS.get(name, str)(text)
    except ValueError as error:
        # The value itself is not shown: it may be a password.
        raise SettingsError(f"{PREFIX}{name.upper()} must be {error}.") from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
