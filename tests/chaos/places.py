"""The GPU hosts: each with sshd, a Docker daemon, a line for GPUs, small disks and a boot id of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from attrs import frozen
from real_accounts import Account, Accounts
from real_disk import small_disk
from real_dockerd import Dockerd
from real_gpus import Stubs
from real_processes import command_of, environment_of, everything, kill_all, signal_all, until
from real_session import Session, call, open_folder, program, unmount_below
from real_sshd import Sshd

DISK_MIB = 48
BOOT_ID = "/proc/sys/kernel/random/boot_id"
_IN_ITS_OWN_BOOT = f'mount --bind "$1" {BOOT_ID} && shift && exec "$@"'


@frozen
class BootSshd(Sshd):
    """A server whose logins see a boot id of their own: another file is mounted over it, for them alone."""

    @property
    def boot_id(self) -> Path:
        """What they see."""
        return self.folder / "boot_id"

    def boot(self) -> None:
        """From now on another boot of the machine is seen, by what runs there already as well."""
        with self.boot_id.open("w", encoding="ascii") as file:  # in place: it is mounted
            file.write(f"{uuid4()}\n")

    def start(self) -> None:
        """Start it, and wait until it can be reached."""
        if not self.boot_id.exists():
            self.boot()
            self.boot_id.chmod(0o644)
        log = self.folder / "log"
        before = log.stat().st_size if log.exists() else 0
        alone = ("unshare", "--mount", "sh", "-c", _IN_ITS_OWN_BOOT, "sh", self.boot_id)
        call(*alone, program("sshd", "openssh-server"), "-f", self.folder / "config", "-E", log)

        def answers() -> bool:
            said = log.read_bytes()[before:] if log.exists() else b""
            return b"Server listening on" in said and (self.folder / "pid").exists()

        until(answers, 10)


@frozen(kw_only=True)
class Place:
    """One GPU host. ada works there in containers, eve with plain processes; they share its GPUs."""

    name: str
    gpus: int
    sshd: BootSshd
    dockerd: Dockerd
    locks: Path
    disks: dict[str, Path]  # by account
    accounts: Accounts

    @property
    def live(self) -> bool:
        """Whether containers outlive the daemon."""
        return self.dockerd.live_restore

    def work_dir(self, account: str) -> Path:
        """Where the account's jobs are."""
        return self.disks[account] / "cosmos"

    def owner(self, account: str) -> Account:
        """Who that is."""
        return self.accounts[account]

    def job_dir(self, account: str, job_id: str) -> Path:
        """A job's folder."""
        return self.work_dir(account) / "jobs" / job_id

    def processes(self) -> Iterator[int]:
        """All that jobs have running on this host: by their command line, their environment or their daemon."""
        known = (*(str(disk) for disk in self.disks.values()), str(self.dockerd.socket))
        for pid in everything():
            if pid == os.getpid():
                continue
            told = command_of(pid)
            if told.startswith(("dockerd", "/usr/bin/dockerd", "/usr/sbin/dockerd")) or "containerd" in told[:60]:
                continue
            told += environment_of(pid)
            if any(word in told for word in known):
                yield pid

    def fill(self, account: str) -> None:
        """Leave nothing free on the account's disk."""
        fill(self.disks[account], self.owner(account).uid)

    def free(self, account: str) -> None:
        """Make room there again."""
        (self.disks[account] / "ballast").unlink(missing_ok=True)

    def reboot(self) -> None:
        """Lose power and come back: nothing that ran is there, the line for GPUs is empty, the boot id is another."""
        self.sshd.stop()
        pid = self.dockerd._pid()
        if pid is not None:
            signal_all([pid], signal.SIGKILL)
        kill_all(lambda: (*self.dockerd._contained(), *self.processes()))
        self.dockerd.stop(kill=True)
        kill_all(lambda: self.dockerd._processes("containerd"))
        (self.dockerd.folder / "pid").unlink(missing_ok=True)
        unmount_below(self.dockerd.folder / "exec")
        shutil.rmtree(self.dockerd.folder / "exec", ignore_errors=True)
        for file in self.locks.iterdir():  # as /run is after a start
            file.unlink()
        self.sshd.boot()
        self.sshd.start()
        self.dockerd.start()


@contextlib.contextmanager
def place(session: Session, folder: Path, name: str, *, gpus: int, live: bool) -> Iterator[Place]:
    """Start one; it goes with all that is on it."""
    accounts, stubs = Accounts.of(session), Stubs.of(session)
    with contextlib.ExitStack() as stack:
        disks = {}
        for account in ("ada", "eve"):
            point = accounts[account].home / f"{folder.name}-{name}"
            disks[account] = stack.enter_context(small_disk(point, DISK_MIB, accounts[account]))
        locks = open_folder(folder / "places" / name / "locks")
        locks.chmod(0o1777)
        stack.callback(shutil.rmtree, locks.parent, ignore_errors=True)
        daemon = Dockerd.make(session, live_restore=live)
        stack.callback(daemon.remove)
        sshd = BootSshd.make(session, stubs)
        stack.callback(sshd.remove)
        made = Place(name=name, gpus=gpus, sshd=sshd, dockerd=daemon, locks=locks, disks=disks, accounts=accounts)
        stack.callback(lambda: kill_all(made.processes))
        yield made


def fill(disk: Path, uid: int = 0) -> None:
    """Write until nothing is free."""
    path = disk / "ballast"
    with contextlib.suppress(OSError), path.open("ab", buffering=0) as ballast:
        while ballast.write(bytes(1 << 16)):
            pass
    with contextlib.suppress(OSError), path.open("ab", buffering=0) as ballast:
        while ballast.write(bytes(512)):
            pass
    with contextlib.suppress(OSError):
        os.chown(path, uid, -1)
