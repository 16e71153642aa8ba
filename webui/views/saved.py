"""Saved views: lists of runs that readers named."""

from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import Blueprint, Response, request

from webui.errors import ApiError
from webui.reads_analysis import forget_view, save_view

saved_views_views = Blueprint("saved", __name__)

_PARAMETERS = ("filter", "last", "order")
_LONGEST_NAME, _LONGEST_QUERY = 80, 5_000


@saved_views_views.post("/runs/views")
def save() -> Response:
    """Save or forget a view and go back to its list."""
    _expect_own_page()
    name, query = request.form.get("name", "").strip(), _query(request.form.get("query", ""))
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise ApiError(400, "bad_parameter", f"A view needs a name of at most {_LONGEST_NAME} characters.")
    if request.form.get("forget"):
        forget_view(name)
    elif not save_view(name, query):
        raise ApiError(409, "too_many", "There are 100 saved views already.", "Forget one first.")
    return Response(status=303, headers={"Location": f"/runs?{query}" if query else "/runs"})


def _query(text: str) -> str:
    """Return the known parameters of a list's address, and nothing else."""
    given = [(name, value) for name, value in parse_qsl(text[:_LONGEST_QUERY]) if name in _PARAMETERS]
    return urlencode(given)


def _expect_own_page() -> None:
    """Refuse what another site's page makes a browser send."""
    origin, site = request.headers.get("Origin", ""), request.headers.get("Sec-Fetch-Site", "")
    if (origin and urlsplit(origin).netloc != request.host) or site not in ("", "same-origin", "none"):
        raise ApiError(403, "forbidden", "This came from a page of another site.")
