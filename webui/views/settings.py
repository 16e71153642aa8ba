"""What a reader sets for themselves: whose clock times are told by, and the theme. Kept in their browser, not in the store."""

from functools import cache
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from flask import Blueprint, Response, has_request_context, render_template, request

from webui.errors import ApiError
from webui.filters import nearest
from webui.format import clock, now_ns
from webui.pages.links import with_state
from webui.zones import COOKIE, UTC_NAME, find_zone, use_zone, zone_name

settings_views = Blueprint("settings", __name__)

_FOLLOWS = "~"
"""Begins a zone that goes along with the browser's: a script of ours keeps it current."""
_YEAR_S = 365 * 86_400


def settings_href() -> str:
    """Return the address of the settings that leads back to the page of this request."""
    return with_state("/settings", next=request.full_path.rstrip("?") if has_request_context() else "")


@settings_views.before_app_request
def choose_zone() -> None:
    """Tell times in this request by the reader's clock. Every request begins with this, since threads are used again."""
    use_zone(request.cookies.get(COOKIE, UTC_NAME).removeprefix(_FOLLOWS))


@settings_views.get("/settings")
def show() -> str:
    """Show what can be set."""
    name, now = zone_name(), now_ns()
    follows = request.cookies.get(COOKIE, "").startswith(_FOLLOWS)
    chosen = "follow" if follows else "utc" if name == UTC_NAME else "other"
    back = _own_path(request.args.get("next", ""))
    return render_template("settings.html", chosen=chosen, name=name, now=clock(now), zones=_all_zones(), back=back)


@settings_views.post("/settings")
def save() -> Response:
    """Keep the time zone and go back to where the reader was."""
    which, other = request.form.get("which", "utc"), request.form.get("other", "").strip()
    name = {"utc": UTC_NAME, "follow": request.form.get("browser", "")}.get(which, other)
    if find_zone(name) is None:
        raise ApiError(400, "bad_parameter", f"There is no time zone {name[:60]!r}.", nearest(name[:60], ("Europe/London", *_all_zones())))
    answer = Response(status=303, headers={"Location": _own_path(request.form.get("next", "")) or "/settings"})
    kept = f"{_FOLLOWS}{name}" if which == "follow" else name
    # Not HttpOnly: the script that follows the browser's zone has to read it; there is nothing in it to steal.
    answer.set_cookie(COOKIE, kept, max_age=_YEAR_S, samesite="Lax", secure=request.is_secure)
    return answer


@cache
def _all_zones() -> tuple[str, ...]:
    return tuple(sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/", "posix/"))))


def _own_path(text: str) -> str:
    """Return a path of ours, empty for an address elsewhere."""
    parts = urlsplit(text[:2_000].replace("\\", "/"))
    return text[:2_000] if text.startswith("/") and not (parts.netloc or parts.scheme) and text.isprintable() and "\\" not in text else ""
