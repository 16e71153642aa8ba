"""``clew import``: OTLP requests from files into the store."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ingest.otlp.decoded import TooLarge, Undecodable
from ingest.store.access import find_project
from webui.format import plural

from .intake import Intake, decode
from .opening import opened_store, read_settings
from .otlp_files import BadFile, Request, read_requests
from .plain import plain_line
from .progress import Told, progress_bar


@dataclass(slots=True)
class _Told:
    """What went wrong, told as it happened, and what was left out without being wrong."""

    failures: int = 0
    not_kept: int = 0
    other: list[str] = field(default_factory=list)

    def fail(self, words: str) -> None:
        """Tell of a failure; the rest goes on."""
        self.failures += 1
        print(f"clew: {plain_line(words)}", file=sys.stderr)


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Import files and link what came; 1 where a file or a part of one could not be read, after all others are stored."""
    settings = read_settings(arguments, environ)
    with opened_store(settings) as store:
        intake = Intake(store, find_project(store, arguments.project).id)
        told = _Told()
        paths = [Path(name) for name in arguments.files]
        with progress_bar("Importing") as move:
            _import_files(paths, intake, told, move)
        with progress_bar("Linking") as move:
            unlinked = intake.link(move)
    if unlinked:
        told.fail(f"{plural(unlinked, 'trace')} could not be linked; clew relink --debug shows why.")
    print(_summary(intake, told, len(paths)))
    return 1 if told.failures else 0


def _import_files(paths: Sequence[Path], intake: Intake, told: _Told, move: Told) -> None:
    for number, path in enumerate(paths, 1):
        try:
            for request in read_requests(path):
                _take(request, intake, told)
        except BadFile as error:
            told.fail(str(error))
        except OSError as error:
            told.fail(f"{path}: {error.strerror or error}.")
        move(number, len(paths))
    intake.flush()


def _take(request: Request, intake: Intake, told: _Told) -> None:
    if request.signal == "other":
        told.other.append(request.where)
        return
    try:
        decoded = decode(request)
    except (Undecodable, TooLarge) as error:
        told.fail(f"{request.where}: {error}")
        return
    intake.add(decoded.spans, decoded.records)
    told.not_kept += decoded.not_kept
    if decoded.rejected:
        first = decoded.problems[0] if decoded.problems else "no reason is known"
        told.fail(f"{request.where}: {plural(decoded.rejected, 'item')} refused: {first}")


def _summary(intake: Intake, told: _Told, files: int) -> str:
    came = f"{plural(intake.span_count, 'span')} and {plural(intake.record_count, 'log record')}"
    words = f"Read {came} of {plural(len(intake.touched), 'trace')} from {plural(files, 'file')}."
    if told.not_kept:
        words += f" {plural(told.not_kept, 'log record')} that name no span were not kept."
    if told.other:
        words += f" {plural(len(told.other), 'request')} with metrics passed over."
    return words
