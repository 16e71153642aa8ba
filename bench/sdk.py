"""What recording costs the host: our SDK against bare OpenTelemetry spans with the same attributes, beside other SDKs' decorators.

Each other SDK is installed from PyPI into an environment of its own, outside of the project, once; without a network they are left out.
Processor time of the host's thread is compared, in turns within one process each (``sdk_calls``), so that other load weighs on all alike.
"""

import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

from .figures import Figure
from .scale import Scale

_HERE = Path(__file__).parent
_ENVIRONMENTS = Path(tempfile.gettempdir()) / "clew-bench-sdk"

_PEERS = {
    "openinference": ("openinference-instrumentation==0.1.72",),
    "traceloop": ("traceloop-sdk==0.62.4", "httpx"),
    "langfuse": ("langfuse==5.0.4",),
    "logfire": ("logfire==5.4.0",),
}
_OURS_TOO = "opentelemetry-exporter-otlp"
"""What our SDK needs in an environment."""

_INSTALLER = "uv>=0.5"
"""Resolves in seconds what takes pip many minutes."""

_MOST_OF_BARE = 1.25
_MOST_NOOP_US = 1.0
_MOST_OF_IMPORT = 1.3
_INSTALL_S, _RUN_S = 600, 300
_IMPORTS = 12

_BASE_IMPORT = "import opentelemetry.sdk.trace, opentelemetry.sdk.trace.export, opentelemetry.exporter.otlp.proto.http.trace_exporter"


class _NotInstalled(Exception):
    """An environment could not be made."""


def measure(scale: Scale) -> Iterator[Figure]:
    """Measure a recorded call, a call with nothing configured, the import, and the others."""
    calls = 5_000 * scale.rounds
    ours = _run(Path(sys.executable), "ours", calls)
    yield _of_bare("decorated call, ten attributes", ours, "ours", _MOST_OF_BARE)
    yield _of_bare("with block, ten attributes", ours, "block")
    whole = _run(Path(sys.executable), "pipeline", calls)
    yield _of_bare("decorated call into the whole pipeline, bare into BatchSpanProcessor", whole, "ours")
    for name, took_us in _run(Path(sys.executable), "noop", calls).items():
        yield Figure(f"nothing configured: {name}", took_us, "us", _MOST_NOOP_US)
    yield _import()
    for peer in _PEERS:
        try:
            found = _run(_environment(peer), peer, calls)
        except (_NotInstalled, subprocess.SubprocessError) as error:
            print(f"{peer} is left out: {error}", file=sys.stderr)
            continue
        mine = found["ours"] / found["bare"]
        yield Figure(
            f"{peer}'s decorator", found[peer] / found["bare"], "x of bare", mine, "at least", note=f"ours beside it {mine:.2f} x of bare"
        )


def _of_bare(name: str, took_us: dict[str, float], which: str, limit: float | None = None) -> Figure:
    ours_us, bare_us = took_us[which], took_us["bare"]
    return Figure(name, ours_us / bare_us, "x of bare", limit, note=f"{ours_us:.0f} us, bare {bare_us:.0f} us")


def _run(python: Path, what: str, calls: int) -> dict[str, float]:
    command = [str(python), str(_HERE / "sdk_calls.py"), what, str(calls)]
    environ = {**os.environ, "PYTHONPATH": str(_HERE.parent)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=_RUN_S, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _environment(peer: str) -> Path:
    """Return the Python of an environment with that SDK, made where there is none yet."""
    python = _ENVIRONMENTS / peer / "bin" / "python"
    made = _ENVIRONMENTS / peer / "made"
    wanted = " ".join(_PEERS[peer])
    if made.exists() and made.read_text() == wanted:
        return python
    try:
        installer = _ENVIRONMENTS / "installer"
        if not (installer / "bin" / "uv").exists():
            venv.create(installer, with_pip=True, clear=True)
            _install([str(installer / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", _INSTALLER])
        venv.create(_ENVIRONMENTS / peer, clear=True)
        _install([str(installer / "bin" / "uv"), "pip", "install", "--quiet", "--python", str(python), *_PEERS[peer], _OURS_TOO])
    except (OSError, subprocess.SubprocessError) as error:
        raise _NotInstalled(f"{type(error).__name__} while installing") from error
    made.write_text(wanted)
    return python


def _install(command: list[str]) -> None:
    subprocess.run(command, check=True, timeout=_INSTALL_S, capture_output=True)


def _import() -> Figure:
    """Measure processor time of starting Python with each import, in turns; the interpreter's own start is part of both."""
    with tempfile.TemporaryDirectory() as cache:
        environ = {**os.environ, "PYTHONPYCACHEPREFIX": cache, "PYTHONPATH": str(_HERE.parent)}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        took_s: dict[str, list[float]] = {_BASE_IMPORT: [], "import tracer": []}
        for code in took_s:
            _cpu_s(code, environ)  # writes the bytecode
        for _ in range(_IMPORTS):
            for code, found in took_s.items():
                found.append(_cpu_s(code, environ))
    base_s, ours_s = (min(found) for found in took_s.values())
    note = f"{ours_s * 1000:.0f} ms, SDK and OTLP/HTTP exporter {base_s * 1000:.0f} ms"
    return Figure("import tracer", ours_s / base_s, "x of OpenTelemetry", _MOST_OF_IMPORT, note=note)


def _cpu_s(code: str, environ: dict[str, str]) -> float:
    process = subprocess.Popen([sys.executable, "-c", code], env=environ)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, code)
    return used.ru_utime + used.ru_stime
