"""Stores for tests: a real SQLite file and a real PostgreSQL, each empty and current."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

from ingest.store.engine import Store, open_store
from migrations.migrate import migrate

from .postgres import find_binaries, run_postgres

_numbers = itertools.count(1)

_LONGEST = (
    "test_journeys_browser", "test_pages_browser", "test_run_page_browser", "test_tracer_coexistence", "test_webui_cli_up",
    "test_ingest_durability",
)  # fmt: skip
"""Files that take a minute or more: with several workers they begin first, so that none of them is waited for at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest files begin first; all else stays in its order."""
    places = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Start a PostgreSQL for the session and yield the URL of its main database."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed here (make test says how): the tests on it are left out")
    with run_postgres(binaries) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> str:
    """Migrate a database once, from which each test's own is copied."""
    _create_database(postgres_url, "template_clew")
    migrate(make_url(postgres_url).set(database="template_clew").render_as_string(hide_password=False))
    return "template_clew"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate a file once, of which each test has a copy."""
    path = tmp_path_factory.mktemp("template") / "clew.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """Return the URL of an empty SQLite store."""
    path = tmp_path / "clew.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture
def new_postgres_url(postgres_url: str, postgres_template: str) -> str:
    """Return the URL of an empty PostgreSQL store."""
    name = f"clew_{next(_numbers)}"
    _create_database(postgres_url, name, f"TEMPLATE {postgres_template}")
    return make_url(postgres_url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty store, once of each kind."""
    found: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "new_postgres_url")
    return found


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """Open an empty store, once of each kind."""
    opened = open_store(store_url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[Store]:
    """Open an empty SQLite store."""
    opened = open_store(sqlite_url)
    yield opened
    opened.close()


def _create_database(url: str, name: str, options: str = "") -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        conn.exec_driver_sql(f"CREATE DATABASE {name} {options}")
    engine.dispose()
