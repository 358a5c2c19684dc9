"""Stores in real SQLite files; a fresh one is a copy of one that was made once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cosmos_core.store import Store


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store in which nothing is."""
    file = tmp_path_factory.mktemp("store") / "cosmos.db"
    Store.open(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def file(made_once: Path, tmp_path: Path) -> Path:
    """The file of an empty store of this test's own."""
    return Path(shutil.copy(made_once, tmp_path / "cosmos.db"))


@pytest.fixture
def url(file: Path) -> str:
    """The address of that file."""
    return f"sqlite:///{file}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An empty store of this test's own."""
    with Store.open(url) as store:
        yield store


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for all examples of a property; each of them makes ids of its own."""
    with Store.open(f"sqlite:///{tmp_path_factory.mktemp('shared') / 'cosmos.db'}") as store:
        yield store
