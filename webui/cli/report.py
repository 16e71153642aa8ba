"""A trace as one HTML file to pass on: redacted, without scripts, and without anything from elsewhere."""

from collections import Counter
from html import escape

from ingest.model import Trace
from webui.format import clock

from .outline import MOST_CHARS, Line, cut, outline_trace
from .plain import plain, plain_line
from .redact import Found, redact

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_STYLE = """
:root { color-scheme: light dark; --dim: #6b7280; --line: #d7dbe0; }
body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0; } header p { color: var(--dim); margin: .2rem 0 1.4rem; }
.l { white-space: pre-wrap; overflow-wrap: anywhere; border-left: 1px solid var(--line); padding: .1rem 0 .1rem .7rem; }
.n { color: var(--dim); font-size: .85em; float: right; padding-left: 1rem; }
.run { font-weight: 600; margin-top: 1rem; } .fact { color: var(--dim); font-size: .9em; } .thought { font-style: italic; }
.decision { color: #8250df; } .result { color: #1a7f37; } .error, .bad { color: #cf222e; } .warn { color: #9a6700; }
.ok { color: #1a7f37; font-weight: 600; } .bad, .warn, .live { font-weight: 600; } .live { color: #0969da; }
"""


def report_html(trace: Trace, now_ns: int) -> str:
    """Return a trace's report: its outline, made plain before it is redacted, and redacted before it is cut: a key is known only whole."""
    found: Found = Counter()
    lines = "\n".join(_entry(line, found) for line in outline_trace(trace))
    agent = escape(redact(plain_line(trace.runs[0].agent), found)) if trace.runs else "trace"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{agent} {trace.trace_id.hex()[:8]}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{agent}</h1><p>{escape(_about(trace, found, now_ns))}</p></header>\n<main>\n{lines}\n</main>\n</body>\n</html>\n"
    )


def _about(trace: Trace, found: Found, now_ns: int) -> str:
    taken = ", ".join(f"{number} × {what}" for what, number in sorted(found.items())) or "nothing"
    return (
        f"Trace {trace.trace_id.hex()}, written by Clew on {clock(now_ns)} UTC. Taken out by pattern: {taken}. "
        "Patterns find addresses, keys and card numbers, not names or other private words: read it before you pass it on."
    )


def _entry(line: Line, found: Found) -> str:
    text = cut(redact(plain(line.text[: MOST_CHARS * 4]), found)).rstrip()
    note = f'<span class="n">{escape(redact(plain_line(line.note), found))}</span>' if line.note else ""
    return f'<div class="l {line.style}" style="margin-left:{line.depth * 1.2:.1f}rem">{note}{escape(text)}</div>'
