"""One mover at a time: a lease on the job that names its holder and is renewed while the work goes on."""

from __future__ import annotations

import contextlib
import os
import platform
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from cosmos_core.errors import CosmosError
from cosmos_core.store import Store

SECONDS = 15.0
_RENEW_EVERY = 5.0


class LeaseLost(Exception):  # noqa: N818  no fault: somebody else moves the run now
    """Another process took the job over."""


@cache
def this_process() -> str:
    """Who we are: machine and boot, pid, and the process's start, since pids are used again."""
    return f"{_machine()}:{os.getpid()}:{_born(os.getpid())}"


def is_dead(holder: str) -> bool:
    """Whether a holder is known to be gone: only a process of this machine can be."""
    machine, pid, born = holder.rsplit(":", 2)
    return machine == _machine() and _born(int(pid)) != born


def _machine() -> str:
    with contextlib.suppress(OSError):
        return f"{platform.node()}/{Path('/proc/sys/kernel/random/boot_id').read_text(encoding='ascii').strip()}"
    return platform.node()


def _born(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        pass
    else:
        return "gone" if fields[0] == "Z" else fields[19]
    if Path("/proc/self").exists():
        return "gone"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "gone"
    except PermissionError:
        pass
    return "alive"  # without /proc a number has to do


class Lease:
    """A held lease; `lost` once a renewal found somebody else."""

    def __init__(self, store: Store, job_id: str, epoch: int) -> None:
        self.job_id = job_id
        self.epoch = epoch
        self.lost = False
        self._store = store
        self._done = threading.Event()

    def _renew(self) -> None:
        while not self._done.wait(_RENEW_EVERY):
            try:
                ours = self._store.renew_lease(self.job_id, this_process(), self.epoch, SECONDS, self._store.now())
            except CosmosError:  # the database is busy or full: the next write of the mover says so, or nothing is lost
                continue
            if not ours:
                self.lost = True
                return


@contextlib.contextmanager
def held(store: Store, job_id: str, *, steal: bool = False) -> Iterator[Lease | None]:
    """The lease on a job while the block runs; None where somebody else holds it and lives."""
    epoch = store.take_lease(job_id, this_process(), seconds=SECONDS, now=store.now(), steal=steal, dead=is_dead)
    if epoch is None:
        yield None
        return
    with kept(store, job_id, epoch) as lease:
        yield lease


@contextlib.contextmanager
def kept(store: Store, job_id: str, epoch: int) -> Iterator[Lease]:
    """A lease already taken, renewed while the block runs and released after it."""
    lease = Lease(store, job_id, epoch)
    renewal = threading.Thread(target=lease._renew, name=f"lease {job_id}", daemon=True)
    renewal.start()
    try:
        yield lease
    finally:
        lease._done.set()
        renewal.join()
        store.release_lease(job_id, epoch)
