"""``clew trace``: a run's reasoning chain in the terminal."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TextIO

from rich.console import Console
from rich.text import Text

from ingest.model import Trace
from webui.api import lookup_json
from webui.api_json import dump, trace_json
from webui.format import UNKNOWN, clock
from webui.lookup import Match

from .errors import CliError
from .lookup import find_matches, opened_reads
from .opening import read_settings
from .outline import Line, cut, outline_trace
from .plain import plain, plain_line

_INDENT = "  "

_STYLES = {
    "run": "bold", "fact": "dim", "step": "", "thought": "italic cyan", "said": "", "decision": "magenta", "result": "green",
    "error": "red", "ok": "bold green", "warn": "bold yellow", "bad": "bold red", "live": "bold blue",
}  # fmt: skip


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print the trace that the words are about, or the list of those they are about; 1 and the reason for a miss."""
    settings = read_settings(arguments, environ)
    with opened_reads(settings, arguments.project) as reads:
        found = find_matches(reads, " ".join(arguments.anything))
        single = reads.trace(found.matches[0].trace_id) if len(found.matches) == 1 else None
        if arguments.json:
            _print_json(trace_json(single, reads.project_name()) if single is not None else lookup_json(found))
            return 0 if found.matches else 1
    if found.miss is not None:
        raise CliError(plain_line(found.miss.message))
    if single is None:
        for line in _list_lines(found.matches):
            print(line)
    else:
        print_trace(single, sys.stdout)
    return 0


def _print_json(value: dict[str, object]) -> None:
    sys.stdout.buffer.write(dump(value) + b"\n")


def _list_lines(matches: Iterable[Match]) -> Iterator[str]:
    for match in matches:
        started = clock(match.started_ns) if match.started_ns is not None else UNKNOWN
        yield plain_line(f"{match.trace_id.hex()}  {started}  {match.agent or UNKNOWN}  ({match.matched})")


def print_trace(trace: Trace, output: TextIO) -> None:
    """Print a trace, in colours on a terminal."""
    if not output.isatty():
        for line in outline_trace(trace):
            print(text_of(line), file=output)
        return
    console = Console(file=output, highlight=False, emoji=False, markup=False)
    for line in outline_trace(trace):
        console.print(_styled(line), soft_wrap=False)


def text_of(line: Line) -> str:
    """Return an entry as plain text, every line of it indented."""
    return f"{_indented(line)}{f'  [{plain_line(line.note)}]' if line.note else ''}"


def _indented(line: Line) -> str:
    lead = _INDENT * line.depth
    return lead + plain(cut(line.text)).rstrip().replace("\n", f"\n{lead}{_INDENT}")


def _styled(line: Line) -> Text:
    text = Text(_indented(line), style=_STYLES.get(line.style, ""))
    if line.note:
        text.append(f"  {plain_line(line.note)}", style="not bold not italic dim")
    return text
