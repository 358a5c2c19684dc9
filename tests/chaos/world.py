"""Everything of a trial: two GPU hosts, two laptops, the ledger, and what was done to whom."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from attrs import define, field, frozen
from laptops import Laptop, Seen, base_clip, laptop
from ledger import Ledger
from places import Place, place
from real_processes import kill_all
from real_session import Session, open_folder

RATE = 3e6  # bytes a second: uploads take long enough to be hit


@frozen(kw_only=True)
class Asked:
    """A run that was asked for."""

    id: str
    laptop: str
    target: str
    gpus: int

    @property
    def place(self) -> str:
        """Where it is to run."""
        return self.target.partition("-")[0]

    @property
    def account(self) -> str:
        """As whom."""
        return self.target.partition("-")[2]


@frozen(kw_only=True)
class Harm:
    """What was done to a job's work itself, when (by the wall clock of the host)."""

    kind: str
    at: float


@define(kw_only=True)
class World:
    """The parts, and the book of harms that the harness keeps itself."""

    folder: Path
    places: dict[str, Place]
    laptops: dict[str, Laptop]
    ledger: Ledger
    clip: Path
    harms: dict[str, list[Harm]] = field(factory=dict)
    lock: threading.Lock = field(factory=threading.Lock)
    told: set[str] = field(factory=set)  # what was left behind and is reported already
    busy: dict[str, threading.Lock] = field(factory=dict)  # by place, while one of its daemons is stopped

    def harm(self, job_id: str, kind: str) -> None:
        """Remember that a job's own work was hit just now."""
        with self.lock:
            self.harms.setdefault(job_id, []).append(Harm(kind=kind, at=time.time()))

    def tidy(self) -> None:
        """After a round has been looked into: nothing of it stays on disks, in lines or among processes."""
        for one in self.places.values():
            kill_all(one.processes)
            names = one.dockerd("ps", "--all", "--quiet").stdout.split()
            if names:
                one.dockerd("rm", "--force", "--volumes", *names)
            for disk in one.disks.values():
                shutil.rmtree(disk / "cosmos", ignore_errors=True)
            for ticket in one.locks.glob("ticket.*"):
                ticket.unlink()
        for mine in self.laptops.values():
            shutil.rmtree(mine.disk / "outputs", ignore_errors=True)
        for book in (self.ledger.repo / "ledger").iterdir():
            book.unlink()
        self.harms.clear()

    def place_of(self, seen: Seen) -> Place:
        """Where a run is."""
        return self.places[seen.target.partition("-")[0]]


@contextlib.contextmanager
def world(session: Session, sabotage: str = "") -> Iterator[World]:
    """Start all parts; they go in the end."""
    folder = open_folder(session.folder / f"chaos-{uuid4().hex[:6]}")
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        ledger = Ledger.lay_out(folder / "cosmos-transfer2.5")
        places = [
            stack.enter_context(place(session, folder, "alpha", gpus=3, live=True)),
            stack.enter_context(place(session, folder, "beta", gpus=3, live=False)),
        ]
        laptops = [
            stack.enter_context(laptop(folder, name, places, ledger.repo, rate=RATE)) for name in ("mine", "yours")
        ]
        for one in laptops:
            one.sabotage = sabotage
        yield World(
            folder=folder,
            places={one.name: one for one in places},
            laptops={one.name: one for one in laptops},
            ledger=ledger,
            clip=base_clip(folder),
            busy={one.name: threading.Lock() for one in places},
        )
