"""What stands in the README, the Makefile and the locks holds for the code."""

import argparse
import re
import shutil
import subprocess
import tomllib
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ingest.settings import PREFIX, Settings
from webui.cli.parser import COMMANDS, SETTING_OPTIONS, build_parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@cache
def pyproject() -> dict[str, Any]:
    """Return the project's own description."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the commands below a parser."""
    found = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(found[0].choices) if found else {}


def test_every_setting_is_in_the_readme() -> None:
    """The table of settings and ``Settings`` name the same."""
    rows = [row.split("|")[1] for row in README.splitlines() if row.startswith(f"| `{PREFIX}")]
    told = set(re.findall(rf"{PREFIX}[A-Z_]+", " ".join(rows)))
    assert told == {PREFIX + field.name.upper() for field in fields(Settings)}


def test_defaults_in_the_readme_hold() -> None:
    """A number in the table is the number in the code."""
    numbers = {field.name: field.default for field in fields(Settings) if type(field.default) is int}
    told = {name: re.search(rf"^\| `{PREFIX}{name.upper()}` \| `(\d+)` \|", README, re.MULTILINE) for name in numbers}
    assert {name: int(found[1]) for name, found in told.items() if found} == numbers


def test_every_command_is_in_the_readme() -> None:
    """The table of commands and the command line name the same."""
    told = set(re.findall(r"^\| `clew ([a-z]+)", README, re.MULTILINE))
    assert told == {command.name for command in COMMANDS}
    for name in ("key", "project"):
        row = next(row for row in README.splitlines() if row.startswith(f"| `clew {name} "))
        assert set(re.findall(r"`(?:clew \w+ )?(\w+)`", row)) == set(commands_of(commands_of(build_parser())[name]))


def test_every_target_of_make_is_in_the_readme() -> None:
    """The table of targets and the Makefile name the same."""
    told = set(re.findall(r"^\| `make ([a-z]+)`", README, re.MULTILINE))
    assert told == set(re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_options_that_documents_name_exist(document: Path) -> None:
    """A line that runs ``clew`` in a document parses, and every ``CLEW_`` name in it is one."""
    text = document.read_text("utf-8")
    known = {PREFIX + field.name.upper() for field in fields(Settings)} | {"CLEW_", "CLEW_ENDPOINT", "CLEW_API_KEY"}
    assert set(re.findall(r"\bCLEW_[A-Z_]*", text)) <= known
    parsers = commands_of(build_parser())
    for name, rest in re.findall(r"\bclew ([a-z]+)([^`\n#]*)", "\n".join(re.findall(r"`(clew [^`\n]+)`", text))):
        assert name in parsers, name
        options = {option for action in _all_actions(parsers[name]) for option in action.option_strings}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options | {"--help"}, (name, rest)


def _all_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [*parser._actions, *(action for below in commands_of(parser).values() for action in below._actions)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    """A relative link names a file."""
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text("utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_contributing_names_what_exists() -> None:
    """The annotated tree names no file that is not there."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("```")[1]
    folder, missing = ROOT, []
    for line in text.strip().splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        names = line.strip().split("  ")[0].split(", ")
        folder = ROOT if depth == 0 else ROOT.joinpath(*folder.relative_to(ROOT).parts[:depth])
        missing += [name for name in names if not (folder / name).exists()]
        folder = folder / names[0] if names[0].endswith("/") else folder
    assert missing == []


def test_every_setting_option_is_a_setting() -> None:
    """Options that stand for settings are named like them."""
    assert set(SETTING_OPTIONS) <= {field.name for field in fields(Settings)}


def test_every_command_has_help_and_a_module() -> None:
    """``--help`` of a command says what it does, and its module is there."""
    for command in COMMANDS:
        assert (ROOT / "webui" / "cli" / f"{command.module}.py").exists(), command.name
        assert command.about.lower() in " ".join(commands_of(build_parser())[command.name].format_help().lower().split())


@pytest.mark.parametrize("lock", [".requirements.lock", ".requirements-dev.lock"])
def test_locks_pin_and_hash_every_dependency(lock: str) -> None:
    """Every package that the project asks for is pinned with hashes, and no file names an index."""
    text = (ROOT / lock).read_text("utf-8")
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert [entry for entry in entries if not re.match(r"[\w.-]+==\S+", entry) or "--hash=sha256:" not in entry] == []
    assert not re.search(r"--(?:extra-)?index-url|--find-links|https?://", text)
    project = pyproject()["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["server"], *extras["postgres"], *extras["demo"], *(extras["dev"] if "dev" in lock else [])]
    names = {re.split(r"[\[<>=; ]", one)[0].lower().replace("_", "-") for one in asked}
    assert names - {entry.split("==")[0] for entry in entries} == set()


def test_both_locks_agree() -> None:
    """What is tested is what is installed."""
    texts = [(ROOT / lock).read_text("utf-8") for lock in (".requirements.lock", ".requirements-dev.lock")]
    pins = [set(re.findall(r"^[a-z0-9][^\\\n]*==[^\\\n]*", text, re.MULTILINE)) for text in texts]
    assert pins[0] <= pins[1]


def test_the_scenarios_travel_with_the_package() -> None:
    """An installed sample agent has its scenarios, which the history is made of."""
    assert pyproject()["tool"]["setuptools"]["package-data"]["sample_agent.scenarios"] == ["golden/*.json", "adversarial/*.json"]
    assert all(len(list((ROOT / "sample_agent" / "scenarios" / kind).glob("*.json"))) >= 30 for kind in ("golden", "adversarial"))


def test_ci_runs_what_contributors_run() -> None:
    """``.ci/run`` is the tests, then the checks, and shell accepts all scripts."""
    lines = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert [line for line in lines if line.startswith("make")] == ["make test", "make check"]
    for script, shell in ((".ci/run", "bash"), (".ci/venv.sh", "sh"), (".ci/system.sh", "sh")):
        assert subprocess.run([shell, "-n", str(ROOT / script)], check=False).returncode == 0


_STUB = """#!/bin/sh
case "$*" in
    *perf_counter*) echo "{took_us} $0" ;;
    *venv*--clear*) mkdir -p .venv && echo "$0" >.venv/made-by ;;
esac
"""


@pytest.mark.parametrize("asked_for", ["", "slow"])
def test_the_fastest_python_makes_the_environment(tmp_path: Path, asked_for: str) -> None:
    """Of all that are found the fastest is taken, unless one is asked for."""
    for name, command, took_us in (("slow", "python3.11", 900_000), ("fast", "python3", 1)):
        stub = tmp_path / name / command
        stub.parent.mkdir()
        stub.write_text(_STUB.format(took_us=took_us))
        stub.chmod(0o755)
    environment = {"PATH": f"{tmp_path / 'slow'}:{tmp_path / 'fast'}:/usr/bin:/bin"}
    if asked_for:
        environment["PYTHON"] = str(tmp_path / asked_for / "python3.11")
    script = ROOT / ".ci" / "venv.sh"
    shell = shutil.which("sh")
    assert shell
    subprocess.run([shell, str(script)], cwd=tmp_path, env=environment, check=True, capture_output=True)
    made_by = (tmp_path / ".venv" / "made-by").read_text().strip()
    assert made_by == str(tmp_path / (f"{asked_for}/python3.11" if asked_for else "fast/python3"))
