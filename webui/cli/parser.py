"""The commands and their options: what can be said on the command line, and which module carries it out."""

import argparse
from collections.abc import Callable
from typing import NamedTuple, NoReturn

_Parser = argparse.ArgumentParser

SETTING_OPTIONS = ("host", "port", "otlp_http_port", "otlp_grpc_port", "data_dir", "database_url")
"""Options that are settings: each wins over its ``CLEW_`` variable."""


class _OneLineParser(argparse.ArgumentParser):
    """Tells what is wrong on one line, without the whole usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; {self.prog} --help shows what can be said\n")


class Command(NamedTuple):
    """A command: the module whose ``run`` carries it out, what it does, and its options."""

    name: str
    module: str
    about: str
    add: Callable[[_Parser], None]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line. What it parses names its ``module``."""
    parser = _OneLineParser(
        prog="clew",
        description="Observability for AI agents: the reasoning chain of every run, its cost, and why it stopped.",
        epilog="Settings come from CLEW_ variables of the environment; options win. clew COMMAND --help tells more.",
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        one = commands.add_parser(command.name, help=command.about, description=command.about[0].upper() + command.about[1:] + ".")
        one.set_defaults(module=f"webui.cli.{command.module}")
        _add_common(one)
        command.add(one)
    return parser


def _add_common(parser: _Parser) -> None:
    # Without defaults, so that what was said before a command's action is not forgotten at the action.
    unsaid = argparse.SUPPRESS
    parser.add_argument("--debug", action="store_true", default=unsaid, help="show the traceback of an error")
    parser.add_argument("--data-dir", metavar="DIR", default=unsaid, help="where the embedded store lies (CLEW_DATA_DIR)")
    parser.add_argument("--database-url", metavar="URL", default=unsaid, help="the store, as a SQLAlchemy URL (CLEW_DATABASE_URL)")


def _web(parser: _Parser) -> None:
    parser.add_argument("--host", metavar="H", help="address to listen on (CLEW_HOST, default 127.0.0.1)")
    parser.add_argument("--port", metavar="P", help="port of pages and API, 0 for any free one (CLEW_PORT, default 7070)")


def _ingest(parser: _Parser) -> None:
    parser.add_argument("--otlp-http-port", metavar="P", help="port of OTLP over HTTP (CLEW_OTLP_HTTP_PORT, default 4318)")
    parser.add_argument("--otlp-grpc-port", metavar="P", help="port of OTLP over gRPC (CLEW_OTLP_GRPC_PORT, default 4317)")


def _up(parser: _Parser) -> None:
    _web(parser)
    _ingest(parser)
    parser.add_argument("--demo", action="store_true", help="also let the sample agent work against it, and print links to its runs")


def _demo(parser: _Parser) -> None:
    _web(parser)
    _ingest(parser)
    parser.add_argument("--runs", metavar="N", help="how many requests it handles (default 8, or 14 for each day)")
    parser.add_argument("--days", metavar="D", help="back-dated history of so many days, instead of now")
    parser.add_argument("--seed", metavar="S", help="the same seed makes the same history (default 7)")


def _ingest_alone(parser: _Parser) -> None:
    parser.add_argument("--host", metavar="H", help="address to listen on (CLEW_HOST, default 127.0.0.1)")
    _ingest(parser)


def _nothing(parser: _Parser) -> None:
    """Add no options."""


def _project(parser: _Parser) -> None:
    parser.add_argument("--project", default="default", metavar="NAME", help="the project, 'default' unless told otherwise")


def _trace(parser: _Parser) -> None:
    parser.add_argument("anything", nargs="+", metavar="ANYTHING", help="a trace id or its start, a span, session or user id, a log line")
    parser.add_argument("--json", action="store_true", help="print what the API answers")
    _project(parser)


def _import(parser: _Parser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="OTLP requests: .json, .jsonl or .pb, each also .gz")
    _project(parser)


def _export(parser: _Parser) -> None:
    parser.add_argument("trace", metavar="TRACE", help="a trace id or whatever clew trace takes")
    parser.add_argument(
        "--format",
        choices=("otlp-json", "bundle"),
        default="otlp-json",
        help="otlp-json: re-imports to the same trace; bundle: a redacted HTML report to pass on",
    )
    _project(parser)


def _doctor(parser: _Parser) -> None:
    _web(parser)
    _ingest(parser)
    parser.add_argument("--endpoint", metavar="URL", help="where to send the span: another machine's OTLP/HTTP address")
    parser.add_argument("--web", metavar="URL", help="where to read it back: the address of pages and API")
    parser.add_argument("--key", metavar="KEY", help="a key with the scope all, where authentication is on")


def _key(parser: _Parser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a key and print it, this once")
    create.add_argument("name", nargs="?", default="", metavar="NAME", help="what it is for")
    create.add_argument("--scope", choices=("ingest", "read", "all"), default="all", help="what it may do (default all)")
    _project(create)
    _add_common(create)
    _add_common(actions.add_parser("list", help="list all keys"))
    revoke = actions.add_parser("revoke", help="make a key worthless")
    _add_common(revoke)
    revoke.add_argument("key", metavar="KEY", help="its number, or its start as clew key list shows it")


def _projects(parser: _Parser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a project")
    create.add_argument("name", metavar="NAME")
    _add_common(create)
    _add_common(actions.add_parser("list", help="list all projects"))


def _alerts(parser: _Parser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    test = actions.add_parser("test", help="send a sample alert through the real path")
    test.add_argument("--to", metavar="ADDRESS", help="who gets it (default CLEW_ALERT_TO)")
    explain = actions.add_parser("explain", help="tell an alert's whole story")
    explain.add_argument("id", metavar="ID", help="its number, as pages and mails show it")
    for action in (test, explain):
        _project(action)
        _add_common(action)


def _backup(parser: _Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="a file that does not exist yet")


def _purge(parser: _Parser) -> None:
    parser.add_argument("--older-than", metavar="DAYS", help="days since the last span (default CLEW_RETENTION_DAYS)")


def _relink(parser: _Parser) -> None:
    parser.add_argument("traces", nargs="*", metavar="TRACE", help="trace ids; none: all traces of all projects")


COMMANDS = (
    Command("up", "up", "migrate, then run ingest, web and worker together until stopped", _up),
    Command("ingest", "part", "run the OTLP receivers alone", _ingest_alone),
    Command("web", "part", "run pages and API alone", _web),
    Command("worker", "part", "run the worker alone: links what arrives, watches it, sends alerts, deletes what is too old", _nothing),
    Command("migrate", "part", "bring the store to the current schema", _nothing),
    Command("demo", "demo", "let the sample agent work against a running Clew, now or as history", _demo),
    Command("trace", "trace", "look a run up and print its reasoning chain", _trace),
    Command("mcp", "mcp", "let a coding agent read traces, over the Model Context Protocol on stdin and stdout", _project),
    Command("import", "importing", "store OTLP requests from files; doing it twice changes nothing", _import),
    Command("export", "exporting", "write a trace to stdout", _export),
    Command("doctor", "doctor", "check settings, store and ports, then send a span and read it back", _doctor),
    Command("key", "access", "make, list and revoke API keys", _key),
    Command("project", "access", "make and list projects", _projects),
    Command("alerts", "alerts", "send a sample alert, or tell an alert's whole story", _alerts),
    Command("backup", "upkeep", "copy the store to a file while it is in use", _backup),
    Command("purge", "upkeep", "delete traces that are too old", _purge),
    Command("relink", "upkeep", "derive anew what spans mean", _relink),
    Command("reprice", "reprice", "price model calls by the installed price list, and say what changed", _nothing),
)
"""All commands. A new one is a line here and a module with a ``run``."""
