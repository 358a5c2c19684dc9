"""What is SQLite's own: one file, one writer at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import random
import sqlite3
import tempfile
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

_FIRST_BUSY_MS = 1000


class Sqlite:
    """A file, made where there is none. Its writers wait for one another."""

    reads: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, url: URL, busy_s: float) -> None:
        self.url = url
        self.place = url.render_as_string(hide_password=True).removeprefix("sqlite:///")
        self._busy_s = busy_s
        self._locks_work = not url.database or url.database == ":memory:"

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
            if not self._locks_work:
                self._try_locks(driver)

        @event.listens_for(engine, "begin")
        def begun(connection: Connection) -> None:
            writes = connection.get_execution_options().get("cosmos_writes")
            if writes:
                connection.exec_driver_sql(f"PRAGMA synchronous = {'FULL' if writes == 'durably' else 'NORMAL'}")
                self._wait_for(connection, "BEGIN IMMEDIATE")
            else:
                connection.exec_driver_sql("BEGIN")

    def _try_locks(self, driver: sqlite3.Connection) -> None:
        """SQLite takes a lock that does not work for one that is held, and would wait for it as long as it may."""
        driver.execute(f"PRAGMA busy_timeout = {_FIRST_BUSY_MS}")
        try:
            driver.execute("SELECT count(*) FROM sqlite_master").fetchone()
            self._locks_work = True
        except sqlite3.OperationalError as error:
            if faults.is_busy(error) and not _can_lock_in(Path(self.place).parent):
                raise faults.no_locks(self.place) from None
        except sqlite3.DatabaseError:
            pass  # told to whoever uses it
        finally:
            driver.execute(f"PRAGMA busy_timeout = {int(self._busy_s * 1000)}")

    def prepare(self, engine: Engine) -> None:
        """Write ahead: readers do not wait for writers. Switching to it does not wait for a lock by itself."""
        with engine.connect() as connection:
            self._wait_for(connection, "PRAGMA journal_mode = WAL")

    def _wait_for(self, connection: Connection, statement: str) -> None:
        """Execute what needs a lock that others may hold; the longer it has waited, the more often it asks.

        SQLite's own waiting is the other way round, so that newcomers win: of fifty processes that kept writing, one
        waited 19 s while the others took turns every 15 ms. As SQLite does, it adds up its pauses and does not look at
        the clock: a machine that lets it ask once a second gives it no fewer chances.
        """
        driver: Any = connection.connection.dbapi_connection
        waited = 0.0
        driver.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    driver.execute(statement)
                except sqlite3.OperationalError as error:
                    if not faults.is_busy(error) or waited > self._busy_s:
                        raise exc.OperationalError(statement, {}, error) from error
                    pause = random.uniform(0.5, 1.5) * max(0.005, 0.02 / (1 + waited))  # noqa: S311
                    time.sleep(pause)
                    waited += pause
                else:
                    return
        finally:
            driver.execute(f"PRAGMA busy_timeout = {int(self._busy_s * 1000)}")

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
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise faults.full(str(file)) from error
        raise ConfigError(
            f"cannot make the folder {file.parent} for the database: {error.strerror}", hint=faults.ELSEWHERE
        ) from error
    if file.name != ":memory:":
        with contextlib.suppress(OSError):  # SQLite will say in its words why it cannot be used
            make_file(file)


def _can_lock_in(folder: Path) -> bool:
    """Whether a file there can be locked as SQLite does it; true as well where that cannot be tried."""
    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # nobody else has this file
            return False
    return True
