"""Docker daemons of the tests' own, with the image in them, which give out GPUs that are not there."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import real_image
from attrs import frozen
from real_accounts import Accounts
from real_processes import Process, command_of, everything, kill_all, program_of, signal_all, until
from real_session import Missing, Session, call, environ, open_folder, program, unmount_below

IMAGE = real_image.NAME
_HOOK = "nvidia-container-runtime-hook"
_CGROUPS = Path("/sys/fs/cgroup")


@frozen
class Dockerd:
    """A daemon, by its folder: every worker that knows the folder can steer it."""

    folder: Path
    group: str
    """Its members may use it."""
    live_restore: bool = False
    """Whether containers outlive it."""

    @classmethod
    def make(cls, session: Session, *, live_restore: bool = False, with_image: bool = True) -> Dockerd:
        """A new one, started, that holds the image."""
        rootfs = real_image.rootfs() if with_image else None
        folder = session.folder / "docker" / uuid4().hex[:8]
        open_folder(folder)
        daemon = cls(folder, Accounts.of(session).docker_group, live_restore)
        daemon.start()
        if rootfs:
            daemon.load(rootfs)
        return daemon

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.folder / "docker.sock"

    @property
    def docker(self) -> tuple[str, ...]:
        """The client that talks to it, as a target's `docker` has it."""
        return ("docker", "-H", f"unix://{self.socket}")

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    @property
    def cgroup(self) -> str:
        """The control group that its containers are in."""
        return f"/{self.folder.parents[1].name}/{self.folder.name}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        hooks = self.folder / "hooks"
        hooks.mkdir(exist_ok=True)
        (hooks / _HOOK).write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
        (hooks / _HOOK).chmod(0o755)
        # no networks: they would change the machine's firewall, and the work needs none
        argv = (
            *(program("setsid", "util-linux"), "--fork", program("dockerd", "docker.io")),
            *("--data-root", self.folder / "data", "--exec-root", self.folder / "exec"),
            *("--pidfile", self.folder / "pid", "--host", f"unix://{self.socket}", "--group", self.group),
            *("--bridge", "none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"),
            *("--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", self.cgroup),
            # a machine with a Docker of its own has a containerd, too, which is then used
            *("--containerd-namespace", self.folder.name, "--containerd-plugins-namespace", f"{self.folder.name}p"),
            *(["--live-restore"] if self.live_restore else []),
        )
        with (self.folder / "log").open("ab") as log:
            subprocess.run(
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=True,
                cwd="/",
                env=environ(PATH=f"{hooks}{os.pathsep}{environ()['PATH']}"),
            )
        try:
            until(self._answers, 30)
        except TimeoutError as late:
            raise Missing(f"dockerd does not start: {self._complaint}") from late

    def _answers(self) -> bool:
        # its process may not have its name yet, so only what it wrote before it ended tells
        if "failed to start daemon" in self.log.rpartition("Starting up")[2]:
            raise Missing(f"dockerd does not start: {self._complaint}")
        return self.socket.exists() and self("version", "--format", "{{.Server.Version}}").returncode == 0

    @property
    def _complaint(self) -> str:
        worst = [line for line in self.log.splitlines() if "level=error" in line or "failed" in line]
        return "\n".join(worst[-3:]) or self.log[-500:]

    def load(self, rootfs: Path, name: str = IMAGE) -> None:
        """Make an image of the files in a tar."""
        changes = (word for change in real_image.CHANGES for word in ("--change", change))
        call(*self.docker, "import", *changes, rootfs, name)

    def __call__(self, *words: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """What `docker WORDS` says, however it ends."""
        return subprocess.run(
            [*self.docker, *map(str, words)],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=environ(),
        )

    def stop(self, *, kill: bool = False) -> None:
        """Stop the daemon as its service manager does, or kill it; what becomes of containers is its business."""
        pid = self._pid()
        if pid is None:
            return
        process = Process.of(pid)
        signal_all([pid], signal.SIGKILL if kill else signal.SIGTERM)
        until(lambda: not process.alive, 30)
        if kill:  # its containerd goes with it, as in a service's control group
            kill_all(lambda: self._processes("containerd"))
            (self.folder / "pid").unlink(missing_ok=True)

    def restart(self, *, kill: bool = False) -> None:
        """Stop it and start it again."""
        self.stop(kill=kill)
        self.start()

    def remove(self) -> None:
        """Remove it with its containers and all that it holds."""
        if self._pid() is not None and (found := self("ps", "--all", "--quiet").stdout.split()):
            self("rm", "--force", "--volumes", *found)
        kill_all(lambda: (*self._processes("dockerd"), *self._processes("containerd"), *self._contained()))
        for address in (self.folder / "exec").rglob("address"):
            Path(address.read_text(encoding="utf-8").removeprefix("unix://")).unlink(missing_ok=True)
        unmount_below(self.folder)
        _remove_cgroups(self.cgroup)
        shutil.rmtree(self.folder)

    def _pid(self) -> int | None:
        try:
            pid = int((self.folder / "pid").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None
        return pid if str(self.folder) in command_of(pid) else None

    def _processes(self, name: str) -> list[int]:
        """The daemon, or containerd and its shims, by the folder in their command line."""
        return [p for p in everything() if program_of(p).startswith(name) and self._is_mine(command_of(p))]

    def _is_mine(self, command: str) -> bool:
        return re.search(rf"{re.escape(str(self.folder))}\b|-namespace {self.folder.name}\b", command) is not None

    def _contained(self) -> Iterator[int]:
        for folder in _groups_below(self.cgroup):
            with contextlib.suppress(OSError):
                yield from map(int, (folder / "cgroup.procs").read_text(encoding="ascii").split())


def shared(session: Session) -> Dockerd:
    """The daemon that all tests of the session share."""
    group = Accounts.of(session).docker_group
    told = session.once("docker", lambda: {"folder": str(Dockerd.make(session).folder)})
    return Dockerd(Path(told["folder"]), group)


def destroy_daemons(session: Session) -> None:
    """Remove all daemons of a session."""
    daemons = session.folder / "docker"
    for folder in daemons.iterdir() if daemons.exists() else ():
        Dockerd(folder, "").remove()
    _remove_cgroups(f"/{session.name}")


def _groups_below(cgroup: str) -> list[Path]:
    """A control group and those in it, in each hierarchy (there is one with version 2), the deepest first."""
    tops = [path for pattern in (cgroup[1:], f"*{cgroup}") for path in _CGROUPS.glob(pattern)]
    return [Path(folder) for top in tops for folder, _, _ in os.walk(top, topdown=False)]


def _remove_cgroups(cgroup: str) -> None:
    def gone() -> bool:
        for folder in _groups_below(cgroup):
            with contextlib.suppress(OSError):  # busy for a moment after its last process was killed
                folder.rmdir()
        return not _groups_below(cgroup)

    until(gone)
