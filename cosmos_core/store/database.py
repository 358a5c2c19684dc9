"""The database behind the store: opened, brought up to date, and its faults put into words."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import URL, Connection, Engine, create_engine, exc, inspect, text
from sqlalchemy.engine import make_url

from cosmos_core.errors import CosmosError
from cosmos_core.store import faults
from cosmos_core.store.postgresql import Postgresql
from cosmos_core.store.sqlite import Sqlite
from cosmos_core.store.tables import store as store_table

HEAD = "0003"
"""The newest migration. Alembic is only imported where a database is not at it: that takes a quarter second."""

_BUSY_S = 30.0


class Kind(Protocol):
    """What is a kind of database's own. A connection that is to write has the option `cosmos_writes`."""

    url: URL
    place: str
    """What the user knows it by, without its password."""

    reads: Mapping[str, Any]
    """Options of a connection that sees one moment and changes nothing."""

    def options(self) -> dict[str, Any]:
        """How its engine is made."""

    def adopt(self, engine: Engine) -> None:
        """Make all connections of an engine do as the others' do."""

    def prepare(self, engine: Engine) -> None:
        """What has to be done once, before the tables are made."""

    def alone(self, connection: Connection) -> None:
        """Keep others from making the tables, too, until the transaction ends. Refuses what they cannot be made in."""

    def now(self, connection: Connection) -> datetime:
        """The time, by the one clock that all who use the database have in common."""

    def in_words(self, error: exc.DBAPIError) -> CosmosError:
        """The error of ours for one of the database's."""


class Database:
    """One engine. `reading()` and `writing()` give connections in a transaction."""

    def __init__(self, url: str) -> None:
        try:
            self._kind: Kind = _kind_of(make_url(url))
            self.engine: Engine = create_engine(
                self._kind.url,
                json_serializer=partial(json.dumps, ensure_ascii=False),  # searched as the text it is
                **self._kind.options(),
            )
        except (exc.ArgumentError, ImportError, ValueError) as error:  # ValueError: a port that is no number
            raise faults.unknown_kind(url, error) from error
        self._kind.adopt(self.engine)
        try:
            self._bring_up_to_date()
        except BaseException:
            self.engine.dispose()
            raise

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def now(self) -> datetime:
        """The time, by the one clock that all who use the database have in common."""
        with self.reading() as connection:
            return self._kind.now(connection)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for queries; all of them see the same moment."""
        with self._in_words(), self.engine.connect() as connection:
            yield connection.execution_options(**self._kind.reads)

    @contextlib.contextmanager
    def writing(self, *, durably: bool = False) -> Iterator[Connection]:
        """A transaction that may write; committed at the end, or nothing of it is.

        In SQLite it is a writer from its first statement on: one that becomes a writer later can fail at once. In
        PostgreSQL writers go side by side: who reads before it writes has to lock the row that it decides by.
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
            raise faults.unknown_version(self._kind.place, version, HEAD)
        with faults.all_or_nothing(), self._in_words():
            self._kind.prepare(self.engine)
        with faults.all_or_nothing(), self.writing(durably=True) as connection:
            self._kind.alone(connection)
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
            raise faults.not_ours(self._kind.place, tables)
        return None

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except exc.DBAPIError as error:
            raise self._kind.in_words(error) from error
        except exc.TimeoutError as error:
            raise faults.crowded(self._kind.place) from error
        except UnicodeEncodeError as error:
            raise faults.not_utf8(error) from error


def _kind_of(url: URL) -> Kind:
    name = url.get_backend_name()
    if name == "sqlite":
        return Sqlite(url, _BUSY_S)
    if name in ("postgresql", "postgres"):
        return Postgresql(url, _BUSY_S)
    raise exc.ArgumentError("there are SQLite and PostgreSQL")


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
