"""The shape of the code: which room imports which, how large things get, and who may read the environment."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("tracer", "ingest", "webui", "migrations", "sample_agent")
SHAPED = (*ROOMS, "bench", "tests")

MOST_LINES, MOST_FUNCTION_LINES, MOST_PARAMETERS = 400, 60, 5

LONGER = {"ingest.model": 450}
"""The glossary of all values that travel, which is better read in one place."""

_ANY_OF_TRACER = {"tracer.names", "tracer.semconv", "tracer.settings", "tracer.quiet", "tracer.later"}

ALLOWED_ROOMS = {
    "tracer": {"tracer"},
    "tracer.values": {"tracer.values", *_ANY_OF_TRACER},
    "tracer.recording": {"tracer.recording", "tracer.values", *_ANY_OF_TRACER},
    "tracer.sending": {"tracer.sending", "tracer.recording", *_ANY_OF_TRACER},
    "tracer.privacy": {"tracer.privacy", "tracer.values", "tracer.sending", *_ANY_OF_TRACER},
    "tracer.instruments": {"tracer.instruments", "tracer.recording", "tracer.values", *_ANY_OF_TRACER},
    "ingest": {"ingest", "tracer"},
    "migrations": {"migrations", "ingest"},
    "webui": {"webui", "ingest", "tracer"},
    "webui.cli": {"webui", "ingest", "tracer", "migrations", "sample_agent"},
    "sample_agent": {"sample_agent", "tracer"},
}
"""Which rooms a module may import from, by the longest name that it begins with."""

FORBIDDEN_LIBRARIES = {
    "tracer": ("flask", "sqlalchemy", "ingest", "webui"),
    "ingest": ("flask", "plotly", "pandas"),
    "ingest.chain": ("sqlalchemy", "flask"),
    "ingest.dialects": ("sqlalchemy", "flask"),
    "ingest.otlp": ("sqlalchemy", "flask"),
    "webui.pages": ("flask", "sqlalchemy", "ingest.store.engine", "ingest.store.schema"),
    "webui.analysis": ("flask", "sqlalchemy"),
    "webui.alerts": ("flask",),
}
"""What no module of a room may import."""

READS_ENVIRONMENT = {"webui.cli.main", "ingest.store.backup", "tracer.settings", "sample_agent.__main__"}
"""Entry points hand the environment to ``load_settings``; a backup hands it on to pg_dump. The SDK lives in a host's process, where
OpenTelemetry's own variables count."""

DEFERS_IMPORTS = {
    "webui.cli.main", "webui.cli.part", "webui.views.costs", "ingest.dialects.registry", "ingest.pricing", "tracer.instruments.instrument",
    "tracer.sending.deliver",
}  # fmt: skip
"""Modules that import by name: tables of commands, parts and conventions, a chart's libraries, which weigh 80 MB, the instrumentations
of other libraries, which are the host's to install, and gRPC, which costs a host that sends over HTTP half its import time."""


@cache
def modules() -> dict[str, Path]:
    """Return all modules of the project by name."""
    found = {}
    for room in SHAPED:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree_of(name: str) -> ast.Module:
    """Return a module's syntax tree."""
    return ast.parse(modules()[name].read_text("utf-8"))


def of_rooms() -> list[str]:
    """Return the modules of the rooms, without tests and benchmarks."""
    return [name for name in modules() if name.split(".")[0] in ROOMS]


@cache
def imports_of(name: str) -> tuple[str, ...]:
    """Return the absolute names that a module imports anywhere, deferred imports and imports for types included."""
    return tuple(_imports(name))


def _imports(name: str) -> Iterator[str]:
    package = name if modules()[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            # ``from package import module`` imports the module; anything else is found through its module.
            yield from (f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules() else base for alias in node.names)


def longest_rule(name: str, rules: dict[str, set[str]]) -> set[str]:
    """Return the rule for the longest name that a module's name begins with."""
    fitting = [key for key in rules if name == key or name.startswith(f"{key}.")]
    return rules[max(fitting, key=len)]


def is_below(name: str, above: str) -> bool:
    return name == above or name.startswith(f"{above}.")


def test_rooms_import_downwards_only() -> None:
    """No room imports one that stands above it, not even inside a function or for types alone."""
    wrong = []
    for name in of_rooms():
        allowed = longest_rule(name, ALLOWED_ROOMS)
        others = {other for other in imports_of(name) if other.split(".")[0] in ROOMS}
        wrong += [f"{name} imports {other}" for other in sorted(others) if not any(is_below(other, room) for room in allowed)]
    assert wrong == []


def test_rooms_stay_free_of_what_is_not_theirs() -> None:
    """The middle knows neither web framework nor database."""
    wrong = []
    for room, libraries in FORBIDDEN_LIBRARIES.items():
        for name in (name for name in of_rooms() if is_below(name, room)):
            wrong += [f"{name} imports {other}" for other in imports_of(name) if any(is_below(other, library) for library in libraries)]
    assert wrong == []


def test_only_public_names_of_the_tracer_are_used_by_the_sample_agent() -> None:
    """``sample_agent`` stands for anybody's agent: it imports ``tracer`` and nothing inside it."""
    agents = [name for name in of_rooms() if is_below(name, "sample_agent")]
    wrong = [f"{name} imports {other}" for name in agents for other in imports_of(name) if other.startswith("tracer.")]
    assert wrong == []


def test_the_tracer_imports_itself_relatively() -> None:
    """So that it can be published under another name without moving a file."""
    wrong = []
    for name in (name for name in of_rooms() if is_below(name, "tracer")):
        for node in ast.walk(tree_of(name)):
            absolute = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                absolute.append(node.module or "")
            wrong += [f"{name} imports {other}" for other in absolute if is_below(other, "tracer")]
    assert wrong == []


def test_no_import_knots() -> None:
    """Modules import each other in no circle: where two need each other, a third one is missing."""
    edges = {name: sorted({other for other in imports_of(name) if other in modules() and other != name}) for name in modules()}
    assert find_circle(edges) is None


def find_circle(edges: dict[str, list[str]]) -> list[str] | None:
    """Return a circle of names, or None."""
    done: set[str] = set()
    for start in edges:
        path: list[str] = []
        stack: list[tuple[str, Iterator[str]]] = [(start, iter(edges[start]))] if start not in done else []
        path += [start] if stack else []
        while stack:
            name, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                path.pop()
                done.add(name)
            elif following in path:
                return [*path[path.index(following) :], following]
            elif following not in done:
                stack.append((following, iter(edges[following])))
                path.append(following)
    return None


def test_a_circle_is_found() -> None:
    """The finder finds what the rule forbids."""
    assert find_circle({"a": ["b"], "b": ["c"], "c": ["b"], "d": []}) == ["b", "c", "b"]
    assert find_circle({"a": ["b", "c"], "b": ["c"], "c": []}) is None


def test_no_imports_inside_functions() -> None:
    """An import stands at the top of its module, where a reader sees it; import by name is for the few that are listed."""
    wrong = []
    for name in modules():
        for node in ast.walk(tree_of(name)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                wrong += [f"{name}.{node.name}" for inner in ast.walk(node) if isinstance(inner, ast.Import | ast.ImportFrom)]
        if is_below(name, "tests") or name.startswith("bench"):
            continue
        calls = [node for node in ast.walk(tree_of(name)) if isinstance(node, ast.Call)]
        names = {ast.unparse(call.func) for call in calls}
        if names & {"import_module", "importlib.import_module", "__import__"} and name not in DEFERS_IMPORTS:
            wrong.append(f"{name} imports by name")
    assert wrong == []


def test_packages_are_empty_but_the_tracer() -> None:
    """``__init__.py`` holds nothing, except the SDK's, which is its public face."""
    full = [name for name, path in modules().items() if path.name == "__init__.py" and path.read_text("utf-8").strip()]
    wrong = [name for name in full if name != "tracer"]
    assert wrong == []


@pytest.mark.parametrize("room", SHAPED)
def test_sizes(room: str) -> None:
    """Modules, functions and parameter lists stay small enough to be read at once."""
    wrong = []
    for name in (name for name in modules() if is_below(name, room)):
        length = len(modules()[name].read_text("utf-8").splitlines())
        # A file of tests is a list, read one at a time.
        if length > LONGER.get(name, MOST_LINES) and not name.startswith("tests.test_"):
            wrong.append(f"{name} has {length} lines")
        functions = [node for node in ast.walk(tree_of(name)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        wrong += [f"{name}.{words}" for function in functions for words in _too_large(function)]
    assert wrong == []


def _too_large(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    length = (node.end_lineno or 0) - node.lineno + 1
    if length > MOST_FUNCTION_LINES:
        yield f"{node.name} has {length} lines"
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    number = len([argument for argument in given if argument.arg not in ("self", "cls")])
    # A parametrised test has what it is given.
    if number > MOST_PARAMETERS and not node.name.startswith("test_"):
        yield f"{node.name} has {number} parameters"


def test_settings_alone_read_the_environment() -> None:
    """Everything else is told what it needs."""
    wrong = []
    for name in of_rooms():
        for node in ast.walk(tree_of(name)):
            read = isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.environb", "os.getenv")
            if read and name not in READS_ENVIRONMENT:
                wrong.append(f"{name}:{getattr(node, 'lineno', 0)}")
    assert wrong == []


def test_clew_up_itself_imports_what_its_parts_share() -> None:
    """The process that watches the parts stays in memory for months: it must not load what one of them alone needs."""
    reached, waiting = set(), ["webui.cli.main", "webui.cli.up", "webui.cli.rulebook"]
    while waiting:
        name = waiting.pop()
        if name in modules() and name not in reached:
            reached.add(name)
            waiting += imports_of(name)
        elif name not in modules():
            reached.add(name.split(".")[0])
    heavy = {"flask", "alembic", "grpc", "uvicorn", "waitress", "anthropic", "pandas", "plotly", "rich"}
    assert "sqlalchemy" in reached
    assert reached & heavy == set()
