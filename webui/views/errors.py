"""Pages that say why there is nothing else to see."""

from flask import Response, render_template

from webui.errors import ApiError

_TITLES = {
    401: "A key is needed",
    404: "Nothing here",
    400: "That cannot be read",
    413: "Too large",
    421: "Not under this name",
    500: "Clew failed to answer",
    503: "The store is away",
}


def refuse(error: ApiError) -> Response:
    """Return the page of an error."""
    how = 'curl -H "Authorization: Bearer KEY" ...' if error.status == 401 else ""
    page = render_template(
        "error.html",
        title=_TITLES.get(error.status, "Not answered"),
        message=f"{error.message} {error.hint}".strip(),
        code=how,
        shown_back=error.status == 404,
    )
    response = Response(page, error.status)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="clew"'
    return response
