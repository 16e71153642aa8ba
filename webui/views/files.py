"""Static files."""

from flask import Blueprint, Response, abort, request

from webui.assets import asset_bytes, asset_headers, asset_names

files_views = Blueprint("files", __name__)


@files_views.get("/static/<name>")
def static(name: str) -> Response:
    """Answer one of our files, or plotly.js; nothing else is reachable."""
    if name not in asset_names():
        abort(404)
    zipped = "gzip" in request.headers.get("Accept-Encoding", "")
    return Response(asset_bytes(name, zipped=zipped), headers=asset_headers(name, hashed=bool(request.args.get("v")), zipped=zipped))
