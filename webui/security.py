"""Who may read, and what a browser may do with an answer."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Response, g, request

from ingest.settings import Settings
from ingest.store.access import authenticate
from ingest.store.alertbook import Actor

from .errors import ApiError
from .reads import library

OPEN_ENDPOINTS = frozenset(("health.healthz", "health.readyz", "files.static", "alert_links.ask", "alert_links.do"))
"""What needs no key: it tells nothing of what is stored, or the link itself is signed."""

_SENDERS_TOO = frozenset(("alerts_api.control",))
"""What a key that may only send may ask as well: whether a run of its own is to stop."""

_CHANGES = frozenset(("alerts_api", "alerts", "stop"))
"""Blueprints whose posts change what others see: a key that may read is not enough."""

_READING = frozenset(("GET", "HEAD", "OPTIONS"))

DEFAULT_PROJECT = 1

_HEADERS = {
    # Everything comes from this server and nothing inline runs, so that text out of a trace can never act.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def admit() -> None:
    """Name the project that the request may read; raises ``ApiError`` 401 without a valid key where keys are needed."""
    lib = library()
    g.project_id = DEFAULT_PROJECT
    g.actor = Actor("somebody on this machine", request.remote_addr or "")
    if request.method not in _READING:
        _expect_own_page()
    if request.endpoint in OPEN_ENDPOINTS:
        return
    if not lib.settings.auth:
        _expect_own_name(lib.settings)
        return
    scopes = _scopes()
    key = given_key()
    found = (authenticate(lib.store, key, scope) for scope in scopes) if key else ()
    project_id = next((one for one in found if one is not None), None)
    if project_id is None:
        raise ApiError(
            401,
            "unauthorized",
            f"This key is unknown, revoked, or may not {_may(scopes)}." if key else f"This Clew asks for a key with the scope {scopes[0]}.",
            "Send the header Authorization: Bearer KEY; clew key create makes one.",
        )
    g.project_id = project_id
    g.actor = Actor(f"key {key[:11]}", request.remote_addr or "")


def _scopes() -> tuple[str, ...]:
    if request.method not in _READING and request.blueprint in _CHANGES:
        return ("all",)
    return ("read", "ingest") if request.endpoint in _SENDERS_TOO else ("read",)


def may_change() -> bool:
    """Tell whether who asks may also change what others see: what they may not is not offered to them."""
    lib = library()
    return not lib.settings.auth or authenticate(lib.store, given_key(), "all") is not None


def _may(scopes: tuple[str, ...]) -> str:
    return "change anything" if scopes == ("all",) else "read"


def _expect_own_page() -> None:
    """Refuse what a browser posts from a page that is not ours. Programs send neither header."""
    site = request.headers.get("Sec-Fetch-Site", "")
    origin = request.headers.get("Origin", "")
    is_foreign = site not in ("", "same-origin", "none") or (origin not in ("", "null") and urlsplit(origin).netloc != request.host)
    if is_foreign:
        raise ApiError(403, "foreign_page", "Another site's page must not change anything here.", "Open the page on this Clew.")


def _expect_own_name(settings: Settings) -> None:
    """Without keys, answer only to names of this machine: a page elsewhere could else point its own name here and read all."""
    name = _host_name(f"//{request.host}")
    if name and (name in ("localhost", settings.host.lower(), _host_name(settings.base_url)) or _is_loopback(name)):
        return
    raise ApiError(421, "misdirected", "This Clew does not answer to that host name.", "Set CLEW_BASE_URL to the address it is reached by.")


def _host_name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def given_key() -> str:
    """Return the key that came with the request, empty where none did."""
    kind, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if kind.lower() == "bearer" else request.headers.get("x-clew-key", "").strip()


def secure(response: Response) -> Response:
    """Add the headers that every answer carries."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    return response
