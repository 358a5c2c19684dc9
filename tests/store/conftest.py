"""Stores in real databases, SQLite's files and PostgreSQL's; a fresh one is a copy of one that was made once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_parts import Postgres

from cosmos_core.store import Store

KINDS = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store in which nothing is."""
    file = tmp_path_factory.mktemp("store") / "cosmos.db"
    Store.open(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session")
def made_once_there(shared_postgres: Postgres) -> Iterator[str]:
    """The database of a store in which nothing is, by its name."""
    name = shared_postgres.database()
    Store.open(shared_postgres.url(name)).close()
    yield name
    shared_postgres.drop(name)


@pytest.fixture
def file(made_once: Path, tmp_path: Path) -> Path:
    """The file of an empty store of this test's own, in SQLite."""
    return Path(shutil.copy(made_once, tmp_path / "cosmos.db"))


@pytest.fixture
def on_server(shared_postgres: Postgres, made_once_there: str) -> Iterator[str]:
    """The address of an empty store of this test's own, in PostgreSQL."""
    name = shared_postgres.database(made_once_there)
    yield shared_postgres.url(name)
    shared_postgres.drop(name)


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest) -> str:
    """The address of an empty store of this test's own, in either database."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("on_server"))
    return f"sqlite:///{request.getfixturevalue('file')}"


@pytest.fixture(params=KINDS)
def nowhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database in which there are no tables yet, or which is no file yet."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'new' / 'cosmos.db'}"
        return
    server: Postgres = request.getfixturevalue("shared_postgres")
    name = server.database()
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An empty store of this test's own."""
    with Store.open(url) as store:
        yield store


@pytest.fixture(scope="module", params=KINDS)
def shared_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for all examples of a property; each of them makes ids of its own."""
    if request.param == "sqlite":
        with Store.open(f"sqlite:///{tmp_path_factory.mktemp('shared') / 'cosmos.db'}") as store:
            yield store
        return
    server: Postgres = request.getfixturevalue("shared_postgres")
    name = server.database()
    with Store.open(server.url(name)) as store:
        yield store
    server.drop(name)
