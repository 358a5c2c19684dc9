"""PostgreSQL servers of the tests' own: a private cluster each, run by the package's ordinary user."""

from __future__ import annotations

import contextlib
import pwd
import re
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from attrs import frozen
from real_processes import everything, kill_all, program_of
from real_session import Missing, Session, call, environ, open_folder, program

_USER = "postgres"
"""Debian's package makes it; the server refuses to be root's."""
OWNER = "cosmos"
"""Who owns the databases; by the network only with the password."""
_SETTINGS = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
max_connections = 200
shared_buffers = 16MB
# a test's database need not outlive the machine
fsync = off
synchronous_commit = off
full_page_writes = off
"""
_LOGINS = """\
local all all trust
host all all 127.0.0.1/32 scram-sha-256
"""


@frozen
class Postgres:
    """A server, by its folder: every worker that knows the folder can steer it."""

    folder: Path
    port: int
    password: str

    @classmethod
    def make(cls, session: Session) -> Postgres:
        """A new one, started."""
        _programs()  # before anything is made
        if _USER not in (entry.pw_name for entry in pwd.getpwall()):
            raise Missing(f"there is no user {_USER}: apt-get install postgresql")
        session.begin()
        folder = open_folder(session.folder / "postgres") / uuid4().hex[:8]
        folder.mkdir(mode=0o700)
        shutil.chown(folder, _USER, _USER)
        server = cls(folder, _free_port(), f"p{secrets.token_hex(8)}")
        # names sort by a language there, as they mostly do: where that matters to us, we have to say so
        language = ("--locale-provider=icu", "--icu-locale=en-US") if _version() >= 15 else ()
        server._call("initdb", "--no-sync", "--encoding=UTF8", "--auth=trust", f"--username={OWNER}", *language)
        for name, text in (("postgresql.conf", _SETTINGS), ("pg_hba.conf", _LOGINS)):
            (folder / "data" / name).write_text(text.format(port=server.port, folder=folder), encoding="utf-8")
        server.start()
        server.sql(f"ALTER USER {OWNER} PASSWORD '{server.password}'")
        return server

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._call("pg_ctl", "--wait", "--timeout=30", f"--log={self.folder / 'log'}", "start")

    def stop(self, *, kill: bool = False) -> None:
        """Stop it, and with it all connections; or let it end as by a power cut."""
        if (self.folder / "data" / "postmaster.pid").exists():
            self._call("pg_ctl", "--wait", f"--mode={'immediate' if kill else 'fast'}", "stop")

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """Remove it with all its databases."""
        with contextlib.suppress(Missing):  # by itself it leaves no shared memory behind
            self.stop(kill=True)
        kill_all(self._processes)
        shutil.rmtree(self.folder)

    def url(self, database: str, **changed: str) -> str:
        """How a store reaches a database, by the network and with the password; `user` and `password` may be others."""
        said = {"user": OWNER, "password": self.password, "port": str(self.port)} | changed
        login = f"{quote(said['user'], safe='')}:{quote(said['password'], safe='')}"
        return f"postgresql+psycopg://{login}@127.0.0.1:{said['port']}/{database}"

    def database(self, template: str = "template0", options: str = "") -> str:
        """A new database, empty or a copy of another; its name."""
        name = f"t{uuid4().hex[:12]}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template} {options}")
        return name

    def drop(self, database: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.sql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[str, ...]]:
        """What the server answers its owner, who comes by no network; each column as text."""
        import psycopg

        with psycopg.connect(host=str(self.folder), port=self.port, user=OWNER, dbname=database, autocommit=True) as c:
            cursor = c.execute(statement.encode())
            return [tuple(map(str, row)) for row in cursor] if cursor.description else []

    def _call(self, name: str, *words: str) -> None:
        data = self.folder / "data"
        as_user = (program("setpriv", "util-linux"), f"--reuid={_USER}", f"--regid={_USER}", "--init-groups")
        call(*as_user, _programs() / name, f"--pgdata={data}", *words)

    def _processes(self) -> Iterator[int]:
        for pid in everything():
            if program_of(pid).startswith("postgres") and _works_in(pid) == str(self.folder / "data"):
                yield pid


def shared(session: Session) -> Postgres:
    """The server for all tests that leave it alone."""

    def start() -> dict[str, str]:
        server = Postgres.make(session)
        return {"folder": str(server.folder), "port": str(server.port), "password": server.password}

    told = session.once("postgres", start)
    return Postgres(Path(told["folder"]), int(told["port"]), told["password"])


def destroy_servers(session: Session) -> None:
    """Remove all servers of a session."""
    servers = session.folder / "postgres"
    for folder in servers.iterdir() if servers.exists() else ():
        Postgres(folder, 0, "").remove()


def _works_in(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""


def _programs() -> Path:
    """Where the server's programs are: Debian keeps each version in a folder that is on nobody's PATH."""
    found = [folder for folder in Path("/usr/lib/postgresql").glob("*/bin") if (folder / "initdb").exists()]
    if found:
        return max(found, key=lambda folder: int(re.sub(r"\D", "", folder.parent.name) or "0"))
    if there := shutil.which("initdb", path=environ()["PATH"]):
        return Path(there).parent
    raise Missing("PostgreSQL is not installed: apt-get install postgresql")


def _version() -> int:
    said = subprocess.run([_programs() / "initdb", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+)", said)
    return int(found[1]) if found else 0


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
