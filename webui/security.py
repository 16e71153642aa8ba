"""Who may read, and what a browser may do with an answer."""

from flask import Response, g, request

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
    if not lib.settings.auth or request.endpoint in OPEN_ENDPOINTS:
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
