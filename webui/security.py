"""Who may read, and what a browser may do with an answer."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Response, g, request

from ingest.settings import Settings
from ingest.store.access import authenticate

from .errors import ApiError
from .reads import library

OPEN_ENDPOINTS = frozenset(("health.healthz", "health.readyz", "files.static"))
"""What needs no key: it tells nothing of what is stored."""

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
    if request.endpoint in OPEN_ENDPOINTS:
        return
    if not lib.settings.auth:
        _expect_own_name(lib.settings)
        return
    project_id = authenticate(lib.store, key, "read") if (key := given_key()) else None
    if project_id is None:
        raise ApiError(
            401,
            "unauthorized",
            "This Clew asks for a key with the scope read." if not key else "This key is unknown, revoked, or may not read.",
            "Send the header Authorization: Bearer KEY; clew key create makes one.",
        )
    g.project_id = project_id


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
