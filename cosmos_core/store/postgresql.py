"""What is PostgreSQL's own: a server that several machines share, whose writers go side by side."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import URL, Connection, Engine, event, exc, text

from cosmos_core.errors import ConfigError, CosmosError, TargetUnusable, UsageError
from cosmos_core.store import faults

_MIGRATING = 0x636F736D6F73  # "cosmos": the number of the lock that who makes the tables holds
_NO_ROOM = ("53300", "sorry, too many clients", "remaining connection slots", "too many connections")
_NOT_YET = ("57P03", "starting up", "shutting down", "in recovery mode", "not yet accepting")
_GONE = ("08", "57P01", "57P02", "57P03", "57P05")
_BUSY = ("55P03", "40P01", "40001", "53300")
_DRIVER = "postgresql+psycopg"
_LINK: Mapping[str, Any] = {
    "connect_timeout": 10,  # else a firewall that says nothing holds us up for minutes
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # ms: a link that was cut while we wait for an answer
    "application_name": "cosmos",
}


class Postgresql:
    """A database on a server. `Store` locks the rows that it decides by; see `alone` for the tables themselves."""

    # One snapshot for all queries of a read, as SQLite gives it. Writers stay with READ COMMITTED: there a
    # statement that waited for a row goes on with the row as it is by then, so that `UPDATE ... WHERE state = ?` and
    # `SELECT ... FOR UPDATE` decide rightly and never have to be tried again. Under SERIALIZABLE the loser of every
    # race would fail instead, and the whole transaction, with the calls between its statements, have to be repeated.
    reads: Mapping[str, Any] = MappingProxyType({"isolation_level": "REPEATABLE READ", "postgresql_readonly": True})

    def __init__(self, url: URL, busy_s: float) -> None:
        if url.drivername not in ("postgresql", "postgres", _DRIVER):
            raise exc.ArgumentError(f"PostgreSQL is reached by {_DRIVER}")
        self.url = url.set(drivername=_DRIVER)
        # the query may hold a password, too
        self.place = self.url.set(query={}).render_as_string(hide_password=True)
        queried = url.query.get("password", ())
        passwords = (url.password, *((queried,) if isinstance(queried, str) else queried))
        self._passwords = tuple(filter(None, passwords))
        self._busy_s = busy_s

    def options(self) -> dict[str, Any]:
        """How its engine is made. A connection is tried before it is used: servers are restarted."""
        link = {name: value for name, value in _LINK.items() if name not in self.url.query}
        return {
            "connect_args": link,
            "isolation_level": "READ COMMITTED",  # whatever the server's default is
            "pool_pre_ping": True,
            "use_native_hstore": False,  # looking for it is a question at every start
        }

    def adopt(self, engine: Engine) -> None:
        """Wait for what others hold as long as with SQLite: for a row's lock, and for a connection."""

        @event.listens_for(engine, "do_connect")
        def connecting(dialect: Any, _: Any, args: Any, named: Any) -> Any:
            deadline = time.monotonic() + self._busy_s
            while True:
                try:
                    return dialect.connect(*args, **named)
                except dialect.dbapi.OperationalError as error:
                    if not _is(error, _NO_ROOM + _NOT_YET) or time.monotonic() > deadline:
                        raise
                time.sleep(0.1)

        @event.listens_for(engine, "connect")
        def connected(driver: Any, _: Any) -> None:
            before, driver.autocommit = driver.autocommit, True
            driver.execute(f"SET lock_timeout = {int(self._busy_s * 1000)}")
            driver.autocommit = before

    def prepare(self, engine: Engine) -> None:
        """Nothing: the server is as it is."""

    def alone(self, connection: Connection) -> None:
        """Wait for whoever else makes the tables; refuse a database that cannot hold every text."""
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATING})"))
        encoding = connection.execute(text("SHOW server_encoding")).scalar()
        if encoding != "UTF8":
            raise ConfigError(
                f"the database {self.place} keeps text as {encoding}, not as UTF-8",
                hint="make one with `createdb --template=template0 --encoding=UTF8`",
            )

    def now(self, connection: Connection) -> datetime:
        """The server's: its users' machines need not agree."""
        found: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return found.astimezone(UTC)

    def in_words(self, error: exc.DBAPIError) -> CosmosError:
        """The error of ours for one of the database's."""
        said = " ".join(str(error.orig).split())
        for password in self._passwords:
            said = said.replace(password, "***")
        state = _state(error.orig)
        place = f"the database {self.place}"
        if state.startswith("23503"):
            return faults.names_nothing()
        if state.startswith("23505"):
            return UsageError(f"that is stored already: {said}", hint="see `cosmos list runs`")
        if state.startswith(("22", "54000")):
            return UsageError(f"this cannot be stored in {place}: {said}", hint="make it shorter, or leave it out")
        if state == "53100":
            return faults.full(self.place)
        if state in _BUSY:
            return faults.busy(self.place)
        if state in ("25006", "42501"):
            return ConfigError(
                f"{place} cannot be written: {said}",
                hint=f"give the user the rights to it (its owner has them); or {faults.ELSEWHERE}",
            )
        return self._unreached(place, said) if _is_link(error, state) else _unusable(place, said)

    def _unreached(self, place: str, said: str) -> CosmosError:
        """Words for a connection that there is not, by what the server or the client's library said of it."""
        lower = said.lower()
        if "authentication failed" in lower or "no password supplied" in lower or "pg_hba" in lower:
            return ConfigError(
                f"{place} refused the login of {self.url.username or 'nobody'}: {said}",
                hint="correct user and password in [store] url or COSMOS_STORE_URL; ~/.pgpass works, too",
            )
        if 'database "' in lower and "does not exist" in lower:
            name = self.url.database or self.url.username
            return ConfigError(f"{place} does not exist: {said}", hint=f"make it there: `createdb {name}`")
        if _says(said, _NO_ROOM):
            return TargetUnusable(
                f"{place} has no room for one more connection",
                hint="try again, or raise max_connections there; what was started goes on with `cosmos sync`",
                transient=True,
            )
        return TargetUnusable(
            f"{place} cannot be reached: {said}",
            hint="check that the server is up and can be reached; what was started goes on with `cosmos sync`",
            transient=True,
        )


def _unusable(place: str, said: str) -> CosmosError:
    return ConfigError(f"{place} cannot be used: {said}", hint=f"check [store] url, or {faults.ELSEWHERE}")


def _state(error: BaseException | None) -> str:
    """PostgreSQL's code of five characters; empty where no server said one."""
    return getattr(error, "sqlstate", None) or ""


def _is_link(error: exc.DBAPIError, state: str) -> bool:
    """Whether there is no connection, or none any more. What fails while connecting comes without a code."""
    silent = not state and isinstance(error, exc.OperationalError)
    return state.startswith(_GONE) or error.connection_invalidated or silent


def _is(error: BaseException, signs: tuple[str, ...]) -> bool:
    return _state(error) in signs or _says(str(error), signs)


def _says(said: str, signs: tuple[str, ...]) -> bool:
    return any(sign in said for sign in signs if not sign[0].isdigit())
