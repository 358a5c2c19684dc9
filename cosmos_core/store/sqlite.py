"""What is SQLite's own: one file, one writer at a time."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlalchemy import URL, Connection, Engine, event, exc

from cosmos_core.errors import ConfigError, CosmosError
from cosmos_core.private import make_file, make_folder
from cosmos_core.store import faults


class Sqlite:
    """A file, made where there is none. Its writers wait for one another."""

    reads: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, url: URL, busy_s: float) -> None:
        self.url = url
        self.place = url.render_as_string(hide_password=True).removeprefix("sqlite:///")
        self._busy_s = busy_s

    def options(self) -> dict[str, Any]:
        """How its engine is made."""
        return {"connect_args": {"timeout": self._busy_s}}

    def adopt(self, engine: Engine) -> None:
        """Begin transactions as they are meant: the driver's own BEGIN comes too late, and is deferred."""
        if self.url.database and not self.url.database.startswith("file:"):  # no path, a URI
            _make_place(Path(self.url.database))

        @event.listens_for(engine, "connect")
        def connected(driver: Any, _: Any) -> None:
            driver.isolation_level = None
            driver.execute("PRAGMA foreign_keys = ON")

        @event.listens_for(engine, "begin")
        def begun(connection: Connection) -> None:
            writes = connection.get_execution_options().get("cosmos_writes")
            if writes:
                connection.exec_driver_sql(f"PRAGMA synchronous = {'FULL' if writes == 'durably' else 'NORMAL'}")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    def prepare(self, engine: Engine) -> None:
        """Write ahead: readers do not wait for writers. Switching to it does not wait for a lock by itself."""
        deadline = time.monotonic() + self._busy_s
        with engine.connect() as connection:
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

    def alone(self, connection: Connection) -> None:
        """A writer is alone from its first statement on."""

    def now(self, connection: Connection) -> datetime:
        """This machine's: a file is used on one."""
        return datetime.now(UTC)

    def in_words(self, error: exc.DBAPIError) -> CosmosError:
        """The error of ours for one of the database's."""
        return faults.in_words(self.place, error)


def _make_place(file: Path) -> None:
    """Its folder, and the file itself, so that they are ours alone; what SQLite puts beside it becomes like it."""
    try:
        make_folder(file.parent)
    except OSError as error:
        raise ConfigError(
            f"cannot make the folder {file.parent} for the database: {error.strerror}", hint=faults.ELSEWHERE
        ) from error
    if file.name != ":memory:":
        with contextlib.suppress(OSError):  # SQLite will say in its words why it cannot be used
            make_file(file)
