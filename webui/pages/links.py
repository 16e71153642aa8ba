"""Addresses of pages. All state is in the URL, and every part of it that comes from data is quoted here."""

from urllib.parse import quote, urlencode


def trace_href(trace_id: bytes, **state: str | int | None) -> str:
    """Return the address of a run page; ``run``, ``step``, ``panel`` and ``from`` select what it shows."""
    return _with(f"/traces/{trace_id.hex()}", state)


def runs_href(**state: str | int | None) -> str:
    """Return the address of the runs list with its filter and range."""
    return _with("/runs", state)


def costs_href(**state: str | int | None) -> str:
    """Return the address of the cost page with its range."""
    return _with("/costs", state)


def compare_href(a: bytes, b: bytes | None = None, **state: str | int | None) -> str:
    """Return the address that compares two runs; with one alone, it is compared with its nearest good run."""
    both: dict[str, str | int | None] = {"a": a.hex(), "b": b.hex() if b is not None else None}
    return _with("/compare", both | state)


def lookup_href(text: str) -> str:
    """Return the address that looks a text up."""
    return _with("/lookup", {"q": text})


def person_href(kind: str, value: str) -> str:
    """Return the page of a session, user or agent (``kind`` in the plural, as in the path)."""
    return f"/{kind}/{quote(value, safe='')}"


def filter_text(field: str, value: str) -> str:
    """Return a condition of the filter language on one field."""
    return f"{field} = {quoted(value)}"


def quoted(value: str) -> str:
    """Return a text as the filter language quotes it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def with_state(path: str, **state: str | int | None) -> str:
    """Return an address with its state; what is empty is left out. A name may end with ``_`` where it is a word of Python."""
    return _with(path, state)


def _with(path: str, state: dict[str, str | int | None]) -> str:
    asked = {name.rstrip("_"): value for name, value in state.items() if value not in (None, "")}
    return f"{path}?{urlencode(asked)}" if asked else path
