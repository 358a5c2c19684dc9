"""The database behind the store: opened, brought up to date, and its faults put into words."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc, inspect, text
from sqlalchemy.engine import make_url

from cosmos_core.errors import ConfigError
from cosmos_core.store import faults
from cosmos_core.store.tables import store as store_table

HEAD = "0002"
"""The newest migration. Alembic is only imported where a database is not at it: that takes a quarter second."""

_BUSY_S = 30.0


class Database:
    """One engine. `reading()` and `writing()` give connections in a transaction."""

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
            self._place = parsed.render_as_string(hide_password=True).removeprefix("sqlite:///")
            self._sqlite = parsed.get_backend_name() == "sqlite"
            if self._sqlite and parsed.database and not parsed.database.startswith("file:"):  # no path, a URI
                _make_folder(Path(parsed.database).parent)
            self.engine: Engine = create_engine(
                parsed,
                connect_args={"timeout": _BUSY_S} if self._sqlite else {},
                json_serializer=partial(json.dumps, ensure_ascii=False),  # searched as the text it is
            )
        except (exc.ArgumentError, ImportError) as error:
            raise faults.unknown_kind(url, error) from error
        if self._sqlite:
            _make_sqlite_ours(self.engine)
        try:
            self._bring_up_to_date()
        except BaseException:
            self.engine.dispose()
            raise

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for queries; all of them see the same moment."""
        with self._in_words(), self.engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self, *, durably: bool = False) -> Iterator[Connection]:
        """A transaction that may write; committed at the end, or nothing of it is.

        In SQLite it is a writer from its first statement on: one that becomes a writer later can fail at once.
        A power cut may undo the last transactions, which re-entering makes up for, but no `durably` written one.
        """
        with self._in_words(), self.engine.connect() as connection:
            connection = connection.execution_options(cosmos_writes="durably" if durably else "soon")
            with connection.begin():
                yield connection

    def _bring_up_to_date(self) -> None:
        with self.reading() as connection:
            version = self._version(connection)
        if version == HEAD:
            return
        if version is not None and not _is_known(version):
            raise faults.unknown_version(self._place, version, HEAD)
        if self._sqlite:
            self._write_ahead()
        with self.writing(durably=True) as connection:
            found = self._version(connection)
            if found == HEAD:
                return  # another process was faster
            _upgrade(connection)
            if found is None:
                row = {"id": str(uuid.uuid4()), "created_at": datetime.now(UTC), "ever_real": False}
                connection.execute(store_table.insert().values(row))

    def _version(self, connection: Connection) -> str | None:
        """Which migration the database is at; None where it is empty."""
        tables = inspect(connection).get_table_names()
        if "alembic_version" in tables:
            found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            return found
        if tables:
            raise faults.not_ours(self._place, tables)
        return None

    def _write_ahead(self) -> None:
        """Readers that do not wait for writers. Switching to it does not wait for a lock by itself."""
        deadline = time.monotonic() + _BUSY_S
        with self._in_words(), self.engine.connect() as connection:
            driver: Any = connection.connection.dbapi_connection
            while True:
                try:
                    driver.execute("PRAGMA journal_mode = WAL")
                except sqlite3.OperationalError as error:
                    if not faults.is_busy(error) or time.monotonic() > deadline:
                        raise exc.OperationalError("PRAGMA journal_mode", {}, error) from error
                    time.sleep(0.02)
                else:
                    return

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except exc.DBAPIError as error:
            raise faults.in_words(self._place, error) from error
        except UnicodeEncodeError as error:
            raise faults.not_utf8(error) from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot make the folder {folder} for the database: {error.strerror}", hint=faults.ELSEWHERE
        ) from error


def _make_sqlite_ours(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(driver: Any, _: Any) -> None:
        driver.isolation_level = None  # the driver's own BEGIN comes too late, and is deferred
        driver.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("cosmos_writes")
        if writes:
            connection.exec_driver_sql(f"PRAGMA synchronous = {'FULL' if writes == 'durably' else 'NORMAL'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _is_known(version: str) -> bool:
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_alembic())
    return any(script.revision == version for script in scripts.walk_revisions())


def _upgrade(connection: Connection) -> None:
    import logging

    from alembic import command

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = _alembic()
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)


def _alembic() -> Any:
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))  # it interpolates
    config.set_main_option("path_separator", "os")
    return config
