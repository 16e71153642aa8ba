"""Errors that a reader of the API or of a page is told."""

from flask import Response

from .api_json import Json, dump


class ApiError(Exception):
    """An answer other than success: its status, a word for programs, a sentence and what to do instead."""

    def __init__(self, status: int, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.hint = status, code, message, hint


def json_response(value: Json, status: int = 200) -> Response:
    """Return a value as a JSON answer that no cache keeps."""
    return Response(dump(value), status, {"Cache-Control": "no-store"}, content_type="application/json")


def error_response(error: ApiError) -> Response:
    """Return an error in the API's shape."""
    body = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
    response = json_response(body, error.status)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="clew"'
    return response
