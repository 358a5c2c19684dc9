"""The users' side: laptops with a database and outputs on a small disk, and `cosmos` processes that come and go."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from attrs import define, field, frozen
from link import Link
from places import Place, fill
from real_clock import FAKETIME, by_clock
from real_disk import small_disk
from real_dockerd import IMAGE
from real_gpus import SYSTEM_PATH
from real_session import open_folder

from cosmos_core import Cosmos
from cosmos_core.config import Config
from cosmos_core.demo import make_clip

STEP_S = 0.3
CLIENT = Path(__file__).with_name("client.py")
DISK_MIB = 96
_NO_ROOM_S = 10.0  # the longest that a full disk is looked through
_SSH = """\
Host {alias}
    HostName 127.0.0.1
    Port {port}
    User {user}
    IdentityFile {key}
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile {known}
    GlobalKnownHostsFile /dev/null
"""


@frozen(kw_only=True)
class Seen:
    """A run as the laptop's database has it; only to aim with, never to count with."""

    id: str
    job_id: str
    state: str  # the status, but `stored` before it was submitted, and `waiting` in the line for GPUs
    target: str
    holder: int | None  # the pid of its mover
    paused: bool
    error: str


@define
class Client:
    """One `cosmos` process."""

    words: tuple[str, ...]
    process: subprocess.Popen[bytes]
    began: float
    out: Path
    killed: float | None = None
    slept: bool = False

    @property
    def lives(self) -> bool:
        """Whether it is still there."""
        return self.process.poll() is None

    @property
    def said(self) -> str:
        """What it said on stderr and stdout."""
        return self.out.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """SIGKILL."""
        self.killed = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@define(kw_only=True)
class Laptop:
    """A client of the places, with links of its own to each."""

    name: str
    folder: Path
    disk: Path
    links: dict[str, Link]
    sabotage: str = ""
    clients: list[Client] = field(factory=list)

    @property
    def environ(self) -> dict[str, str]:
        """What its processes are given."""
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("COSMOS_", "STANDIN_", "SSH_AUTH"))}
        told = {
            "HOME": str(self.folder),
            "COSMOS_HOME": str(self.disk),
            "COSMOS_CONFIG": str(self.folder / "cosmos.toml"),
            "TZ": "UTC",
            "CHAOS_MOVES": str(self.moves),
            "CHAOS_SABOTAGE": self.sabotage,
        }
        if FAKETIME is not None and self.has_own_clock:
            told |= by_clock(self.clock)
        return plain | told

    @property
    def has_own_clock(self) -> bool:
        """Whether its clock can be moved."""
        return self.name == "yours" and FAKETIME is not None

    @property
    def clock(self) -> Path:
        """By how many seconds its clock is off."""
        return self.folder / "clock"

    @property
    def moves(self) -> Path:
        """Where its clients write down which runs they move, and when."""
        return self.folder / "moves.jsonl"

    @property
    def database(self) -> Path:
        """Its database."""
        return self.disk / "cosmos.db"

    def cosmos(self) -> Cosmos:
        """The API, in this process."""
        environ = {k: v for k, v in self.environ.items() if k.startswith("COSMOS_")}
        return Cosmos(Config.load(self.folder / "cosmos.toml", environ))

    def start(self, *words: str) -> Client:
        """`cosmos WORDS`, begun."""
        out = self.folder / "said" / f"{len(self.clients):04}"
        with out.open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, str(CLIENT), *words],
                env=self.environ,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        self.clients.append(Client(words, process, time.monotonic(), out))
        return self.clients[-1]

    @property
    def alive(self) -> list[Client]:
        """Its processes that are there now."""
        return [client for client in self.clients if client.lives]

    def look(self) -> dict[str, Seen]:
        """All its runs."""
        query = (
            "select r.id, r.job_id, r.status, r.target, r.queue, r.paused, r.submitted_at, j.holder, r.error"
            " from runs r left join jobs j on j.id = r.job_id"
        )
        return {row[0]: _seen(*row) for row in self._asked(query)}

    def _asked(self, query: str) -> list[Any]:
        """The answer of its database; where its disk is full not even a reader gets one, until there is room."""
        deadline = time.monotonic() + _NO_ROOM_S
        while True:
            address = f"file:{self.database}?mode=ro"
            try:
                with contextlib.closing(sqlite3.connect(address, uri=True, timeout=20)) as database:
                    return database.execute(query).fetchall()
            except sqlite3.OperationalError as error:
                if "disk I/O error" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def fill(self) -> None:
        """Leave nothing free on its disk."""
        fill(self.disk)

    def free(self) -> None:
        """Make room again."""
        (self.disk / "ballast").unlink(missing_ok=True)

    def clip(self, rng: Random, name: str, base: Path, size: int) -> Path:
        """A video that nobody has yet, of about so many bytes."""
        path = self.folder / f"{name}.mp4"
        path.write_bytes(base.read_bytes() + struct.pack(">I4s", size + 8, b"free") + rng.randbytes(size))
        return path


def _seen(
    id_: str,
    job_id: str | None,
    status: str,
    target: str,
    queue: str | None,
    paused: str | None,
    submitted: str | None,
    holder: str | None,
    error: str | None,
) -> Seen:
    state = "stored" if submitted is None else "waiting" if status == "queued" and queue else status
    pid = int(holder.rsplit(":", 2)[1]) if holder else None
    return Seen(
        id=id_,
        job_id=job_id or "",
        state=state,
        target=target,
        holder=pid,
        paused=paused is not None,
        error=" / ".join(text for text in (error, paused) if text),
    )


def table(place: Place, account: str, repo: Path) -> str:
    """The target of an account at a place."""
    docker = account == "ada"
    target: dict[str, object] = {
        "host": f"{place.name}-{account}",
        "work_dir": str(place.work_dir(account)),
        "runtime": "docker" if docker else "process",
        "gpus": place.gpus,
        "lock_dir": str(place.locks),
        "connect_timeout": 3.0,
        **({"docker": place.dockerd.docker} if docker else {}),
    }
    toolkit = {"image": IMAGE} if docker else {"prefix": ("env", f"PATH={repo}/bin:{SYSTEM_PATH}")}
    return "\n".join(
        (
            f"[targets.{place.name}-{account}]",
            *(f"{key} = {json.dumps(value)}" for key, value in target.items()),
            f'env = {{ STANDIN_STEP_SECONDS = "{STEP_S}" }}',
            f'[targets.{place.name}-{account}.toolkits."cosmos-transfer2.5"]',
            f"repo = {json.dumps(str(repo))}",
            *(f"{key} = {json.dumps(value)}" for key, value in toolkit.items()),
            "",
        )
    )


@contextlib.contextmanager
def laptop(above: Path, name: str, places: Sequence[Place], repo: Path, *, rate: float) -> Iterator[Laptop]:
    """Set one up; all its processes go with it."""
    folder = open_folder(above / "laptops" / name)
    (folder / ".ssh").mkdir(mode=0o700)
    (folder / "said").mkdir()
    (folder / "clock").write_text("+0\n", encoding="ascii")
    known = folder / ".ssh" / "known_hosts"
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(small_disk(above / "laptops" / f"{name}-disk", DISK_MIB))
        links = {place.name: Link(place.sshd.port, rate) for place in places}
        for link in links.values():
            stack.callback(link.close)
        known.write_text("".join(f"[127.0.0.1]:{links[p.name].port} {p.sshd.host_key}\n" for p in places))
        ssh = [
            _SSH.format(
                alias=f"{p.name}-{account}",
                port=links[p.name].port,
                user=p.owner(account).user,
                key=p.owner(account).key,
                known=known,
            )
            for p in places
            for account in ("ada", "eve")
        ]
        (folder / ".ssh" / "config").write_text("\n".join(ssh), encoding="utf-8")
        tables = [table(p, account, repo) for p in places for account in ("ada", "eve")]
        (folder / "cosmos.toml").write_text("\n".join(tables), encoding="utf-8")
        made = Laptop(name=name, folder=folder, disk=disk, links=links)
        stack.callback(lambda: [client.kill() for client in made.alive])
        yield made


def base_clip(folder: Path) -> Path:
    """The picture in every clip."""
    return make_clip(folder / "base.mp4", frames=9, width=64, height=64)
