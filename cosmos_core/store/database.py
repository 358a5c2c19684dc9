"""The database behind the store: opened, brought up to date, and its faults put into words."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc, inspect, text
from sqlalchemy.engine import make_url

from cosmos_core.errors import ConfigError, CosmosError, TargetUnusable
from cosmos_core.store.tables import store as store_table

HEAD = "0001"
"""The newest migration. Alembic is only imported where a database is behind it: that takes half a second."""

_BUSY_S = 30.0


class Database:
    """One engine. `reading()` and `writing()` give connections in a transaction."""

    def __init__(self, url: str) -> None:
        self.url = url
        with self._in_words():
            parsed = make_url(url)
            self._sqlite = parsed.get_backend_name() == "sqlite"
            if self._sqlite and parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            arguments = {"timeout": _BUSY_S} if self._sqlite else {}
            self.engine: Engine = create_engine(url, connect_args=arguments)
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
        """A connection for queries."""
        with self._in_words(), self.engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that may write; committed at the end, or nothing of it is.

        In SQLite it is a writer from its first statement on: one that becomes a writer later can fail at once.
        """
        with self._in_words(), self.engine.connect() as connection:
            connection = connection.execution_options(cosmos_writes=True)
            with connection.begin():
                yield connection

    def _bring_up_to_date(self) -> None:
        with self.reading() as connection:
            version = _version(connection)
        if version == HEAD:
            return
        if version is not None and version > HEAD:
            raise ConfigError(
                f"the database {self._place} is of a newer version ({version}) than this program knows ({HEAD})",
                hint="upgrade cosmos, or name another database: COSMOS_HOME, or [store] url in cosmos.toml",
            )
        self._write_ahead()
        with self.writing() as connection:
            if _version(connection) != HEAD:  # another process may have been faster
                _upgrade(connection)

    def _write_ahead(self) -> None:
        """Readers that do not wait for writers. Switching does not wait for the lock by itself."""
        if not self._sqlite:
            return
        deadline = time.monotonic() + _BUSY_S
        while True:
            try:
                with self.engine.connect() as connection:
                    driver: Any = connection.connection.dbapi_connection
                    driver.execute("PRAGMA journal_mode = WAL")
            except Exception as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    with self._in_words():
                        raise exc.OperationalError("PRAGMA journal_mode", {}, error) from error
                time.sleep(0.02)
            else:
                return

    @property
    def _place(self) -> str:
        return make_url(self.url).render_as_string(hide_password=True).removeprefix("sqlite:///")

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except exc.SQLAlchemyError as error:
            raise self._words(error) from error
        except OSError as error:
            hint = "choose another folder with COSMOS_HOME, or [store] url in cosmos.toml"
            raise ConfigError(f"cannot make {error.filename} for the database: {error.strerror}", hint=hint) from error

    def _words(self, error: exc.SQLAlchemyError) -> CosmosError:
        said = str(getattr(error, "orig", None) or error)
        elsewhere = "choose another with COSMOS_HOME, or [store] url in cosmos.toml"
        if "full" in said:
            return TargetUnusable(f"no space left for the database {self._place}", hint="make room, then `cosmos sync`")
        if "locked" in said:
            hint = "see which program holds it; what it was doing goes on with `cosmos sync`"
            return TargetUnusable(f"the database {self._place} is locked", hint=hint, transient=True)
        if "readonly" in said or "unable to open" in said:
            hint = f"check its owner and permissions, or {elsewhere}"
            return ConfigError(f"the database {self._place} cannot be written: {said}", hint=hint)
        if "not a database" in said or "malformed" in said:
            return ConfigError(f"{self._place} is not a database, or is damaged: {said}", hint=elsewhere)
        return ConfigError(
            f"the database {self._place} cannot be used: {said}", hint=f"check [store] url, or {elsewhere}"
        )


def _make_sqlite_ours(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(driver: Any, _: Any) -> None:
        driver.isolation_level = None  # the driver's own BEGIN comes too late, and is deferred
        driver.execute("PRAGMA foreign_keys = ON")
        driver.execute("PRAGMA synchronous = NORMAL")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("cosmos_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _version(connection: Connection) -> str | None:
    try:
        with connection.begin_nested() if connection.in_transaction() else contextlib.nullcontext():
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except (exc.OperationalError, exc.ProgrammingError):
        if inspect(connection).has_table("alembic_version"):
            raise
        return None


def _upgrade(connection: Connection) -> None:
    import logging

    from alembic import command
    from alembic.config import Config

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    fresh = _version(connection) is None
    command.upgrade(config, HEAD)
    if fresh:
        connection.execute(
            store_table.insert().values(id=str(uuid.uuid4()), created_at=datetime.now(UTC), ever_real=False)
        )
