"""Opening a store: made where there is none, brought up to date, refused in words."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from store_records import a_prompt, stored_run

from cosmos_core.errors import ConfigError, CosmosError, TargetUnusable
from cosmos_core.store import Store, database
from cosmos_core.store.records import Filter
from cosmos_core.store.tables import metadata

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where a file may be made: there is neither it nor its folder yet."""
    return f"sqlite:///{tmp_path}/data/cosmos.db"


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


@contextmanager
def another(url: str) -> Iterator[Connection]:
    """A connection of another program to the database."""
    if url.startswith("sqlite"):
        file_of(url).parent.mkdir(exist_ok=True)
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def all_of(url: str) -> object:
    """What a database holds, to be compared."""
    if url.startswith("sqlite"):
        return file_of(url).read_bytes()
    with another(url) as c:
        return {name: sorted(c.execute(text(f'SELECT * FROM "{name}"'))) for name in inspect(c).get_table_names()}


def refused(url: str) -> CosmosError:
    with pytest.raises(CosmosError) as caught, Store.open(url):
        pass
    return caught.value


def test_a_store_is_made_with_its_folder_and_keeps_its_name(nowhere: str) -> None:
    with Store.open(nowhere) as store:
        first = store.id
        assert not store.ever_real
        store.mark_real()
    with Store.open(nowhere) as store:
        assert store.id == first
        assert store.ever_real


def test_what_alembic_makes_is_what_the_tables_say(nowhere: str) -> None:
    Store.open(nowhere).close()
    with another(nowhere) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_head_that_is_compared_with_is_alembics_own() -> None:
    scripts = ScriptDirectory(str(Path(database.__file__).parent / "migrations"))
    assert scripts.get_current_head() == database.HEAD


def test_the_records_cost_no_database() -> None:
    code = "import sys, cosmos_core.store.records; print('sqlalchemy' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_readers_do_not_wait_for_a_writer(nowhere: str) -> None:
    with Store.open(nowhere) as store, another(nowhere) as writer:
        run = stored_run(store)
        writer.execute(text("UPDATE runs SET name = 'changed'"))
        assert store.run(run.id).name == ""
        writer.rollback()


def test_a_migration_that_fails_leaves_nothing_behind(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(driver: sqlite3.Connection, _: object) -> None:
        driver.execute("PRAGMA max_page_count = 12")

    event.listen(Engine, "connect", full)
    try:
        assert refused(url).code == "disk_full"
    finally:
        event.remove(Engine, "connect", full)
    with sqlite3.connect(file_of(url)) as left:
        assert left.execute("SELECT name FROM sqlite_master").fetchall() == []
    left.close()
    with Store.open(url) as store:
        stored_run(store)


# -- what cannot be opened -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["9999", "ae1027a6acf"])
def test_a_database_of_a_newer_program_is_refused_and_left_as_it_was(nowhere: str, version: str) -> None:
    Store.open(nowhere).close()
    with another(nowhere) as newer:
        newer.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
        newer.commit()
    before = all_of(nowhere)
    error = refused(nowhere)
    assert isinstance(error, ConfigError)
    assert version in error.message
    assert nowhere.rpartition("/")[2] in error.message
    assert "upgrade" in error.hint
    assert all_of(nowhere) == before


def test_another_programs_database_is_refused_and_left_as_it_was(nowhere: str) -> None:
    with another(nowhere) as other:
        other.execute(text("CREATE TABLE bookmarks (url TEXT)"))
        other.commit()
    before = all_of(nowhere)
    error = refused(nowhere)
    assert isinstance(error, ConfigError)
    assert "bookmarks" in error.message
    assert all_of(nowhere) == before


def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(url: str) -> None:
    file_of(url).parent.mkdir()
    file_of(url).write_bytes(b"these are my notes, and no database at all\n" * 40)
    before = file_of(url).read_bytes()
    error = refused(url)
    assert isinstance(error, ConfigError)
    assert "no database" in error.message
    assert str(file_of(url)) in error.message
    assert file_of(url).read_bytes() == before


def test_a_folder_where_the_file_should_be_is_refused(url: str) -> None:
    file_of(url).mkdir(parents=True)
    error = refused(url)
    assert isinstance(error, ConfigError)
    assert str(file_of(url)) in error.message
    assert "COSMOS_HOME" in error.hint


def test_a_file_where_the_folder_should_be_is_refused(url: str) -> None:
    file_of(url).parent.write_text("not a folder")
    error = refused(url)
    assert isinstance(error, ConfigError)
    assert str(file_of(url).parent) in error.message
    assert "COSMOS_HOME" in error.hint


@pytest.mark.parametrize(
    "bad",
    [
        "cosmos.db",
        "nosuchkind:///x",
        "sqlite+nosuchdriver:///x",
        "",
        "mysql://db.example.org/cosmos",
        "postgresql+asyncpg://db.example.org/cosmos",
        "postgresql://db.example.org:port/cosmos",
    ],
)
def test_a_url_that_names_no_database_is_refused(bad: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    error = refused(bad)
    assert list(tmp_path.iterdir()) == []
    assert isinstance(error, ConfigError)
    assert "store.url" in error.message
    assert "sqlite:///" in error.hint


@pytest.mark.parametrize(
    "url",
    [
        "nosuchkind://me:hunter2@db.example.org/cosmos",
        "postgresql://me:hun:hunter2@db.example.org:hunter2/cosmos",
        "postgresql://me:hunter2@127.0.0.1:1/cosmos",
        "postgresql://me@127.0.0.1:1/cosmos?password=hunter2",
        "postgresql://me:hunter2@127.0.0.1:1/cosmos?sslmode=hunter2",
    ],
)
def test_a_password_in_the_url_is_not_told(url: str) -> None:
    error = refused(url)
    assert "hunter2" not in error.message + error.hint


# -- what goes wrong later -----------------------------------------------------------------------------------------


def test_a_database_that_may_only_be_read_is_read_and_a_write_refused(
    url: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stored_run(store)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    with Store.open(f"sqlite:///file:{file_of(url)}?mode=ro&uri=true") as only_read:
        assert only_read.run(run.id) == run
        with pytest.raises(ConfigError, match="readonly") as caught:
            only_read.add(a_prompt(), None)
        assert caught.value.exit_code == 2
        assert "permissions" in caught.value.hint
    assert sorted(tmp_path.iterdir()) == before


def test_several_threads_write_to_one_store(nowhere: str) -> None:
    with Store.open(nowhere) as store, ThreadPoolExecutor(8) as threads:
        runs = list(threads.map(lambda _: stored_run(store).id, range(80)))
        assert {run.id for run in store.runs(Filter(limit=100)).items} == set(runs)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BUSY_S", 0.05)


@pytest.fixture
def other(url: str) -> Iterator[sqlite3.Connection]:
    Store.open(url).close()
    connection = sqlite3.connect(file_of(url), isolation_level=None)
    yield connection
    connection.close()


@pytest.mark.usefixtures("impatient")
def test_a_lock_that_is_never_let_go_is_told_as_such(url: str, other: sqlite3.Connection) -> None:
    other.execute("BEGIN IMMEDIATE")
    with Store.open(url) as store:
        with pytest.raises(TargetUnusable, match="locked") as caught:
            store.add(a_prompt(), None)
        assert caught.value.transient
        assert str(file_of(url)) in caught.value.message
        other.execute("ROLLBACK")
        store.add(a_prompt(), None)


def test_a_full_disk_is_told_as_such_and_what_was_there_stays(url: str, store: Store) -> None:
    run = stored_run(store)

    def full(driver: sqlite3.Connection, _: object) -> None:
        pages = driver.execute("PRAGMA page_count").fetchone()[0]
        driver.execute(f"PRAGMA max_page_count = {pages + 3}")

    event.listen(Engine, "connect", full)
    try:
        with Store.open(url) as crowded:
            with pytest.raises(TargetUnusable, match="no space left") as caught:
                crowded.add(a_prompt(prompt_text="x" * 100_000), None)
            assert caught.value.code == "disk_full"
            assert str(file_of(url)) in caught.value.message
            assert "cosmos sync" in caught.value.hint
            assert crowded.run(run.id) == store.run(run.id)
            assert crowded.prompts().total == 1
    finally:
        event.remove(Engine, "connect", full)
