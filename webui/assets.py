"""Static files, addressed by a hash of their content so that browsers may keep them for ever."""

import gzip
import hashlib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_HERE = Path(__file__).parent / "static"
_FOR_EVER = "public, max-age=31536000, immutable"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
PLOTLY = "plotly.min.js"


@cache
def asset_href(name: str) -> str:
    """Return the address of a static file of ours, with its hash."""
    return f"/static/{name}?v={hashlib.blake2b((_HERE / name).read_bytes(), digest_size=6).hexdigest()}"


@cache
def plotly_href() -> str:
    """Return the address of plotly.js; its version stands in for the hash of its 5 MB."""
    about = _plotly_file().stat()
    return f"/static/{PLOTLY}?v={about.st_size:x}"


def _plotly_file() -> Path:
    # Finding a top-level package does not import it, which would cost memory that few pages need.
    spec = find_spec("plotly")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("plotly is not installed")
    return Path(spec.origin).parent / "package_data" / PLOTLY


@cache
def plotly_style_ids() -> tuple[str, ...]:
    """Return the ids under which plotly.js looks for its style elements before it makes them.

    A page that holds elements with these ids keeps plotly from adding inline styles, which the security policy forbids. They
    are for maps and the tool bar, which no chart here has.
    """
    found = re.findall(rb'getElementById\("([0-9a-f]{64})"\)', _plotly_file().read_bytes())
    return tuple(sorted({name.decode() for name in found}))


@cache
def asset_names() -> frozenset[str]:
    """Return the names of the static files there are."""
    return frozenset(path.name for path in _HERE.iterdir() if path.suffix in _TYPES) | {PLOTLY}


@cache
def asset_bytes(name: str, *, zipped: bool) -> bytes:
    """Return a static file, gzipped once for all who take it."""
    content = (_plotly_file() if name == PLOTLY else _HERE / name).read_bytes()
    return gzip.compress(content, 6, mtime=0) if zipped else content


def asset_headers(name: str, *, hashed: bool, zipped: bool) -> dict[str, str]:
    """Return the headers of a static file; only one asked for by its hash may be kept for ever."""
    headers = {
        "Content-Type": _TYPES[Path(name).suffix],
        "Cache-Control": _FOR_EVER if hashed else "no-cache",
        "Vary": "Accept-Encoding",
    }
    return headers | {"Content-Encoding": "gzip"} if zipped else headers
