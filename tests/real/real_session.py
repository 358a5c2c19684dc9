"""One folder for all real parts of a run of the tests, shared by its workers, and nothing left of it in the end."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import platformdirs
from attrs import frozen
from real_processes import Process, everything, program_of

CACHE = platformdirs.user_cache_path("cosmos-runner-tests")
"""What is kept from one run of the tests to the next, and where two runs on one machine meet."""

SYSTEM_FOLDERS = (
    "/run/sshd",
    "/run/sudo",
    "/run/sudo/ts",
    "/run/containerd",
    "/run/containerd/s",
    "/run/docker",
    "/run/docker/plugins",
    "/opt/containerd",
    "/opt/containerd/bin",
    "/opt/containerd/lib",
)
"""Made by the parts outside of their own folders; those that were not there before go again."""

_PATH = os.pathsep.join(("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"))
# tests change HOME, PATH and more; the parts belong to all tests and see what was there at the beginning
_ENVIRON = {**os.environ, "PATH": f"{_PATH}{os.pathsep}{os.environ.get('PATH', '')}", "LC_ALL": "C.UTF-8"}
IN_CI = bool(os.environ.get("CI"))


class Missing(Exception):  # noqa: N818  it is no error: the part cannot be had here
    """A real part that cannot start on this machine; its text says why and what helps."""


@frozen
class Session:
    """A run of the tests: its folder, which exists once a part was wanted, and the process that cleans it up."""

    folder: Path
    owner: Process

    @classmethod
    def new(cls) -> Session:
        """One that this process owns. Nothing is made yet."""
        return cls(Path(tempfile.gettempdir()) / f"cosmos-{secrets.token_hex(3)}", Process.of(os.getpid()))

    @property
    def name(self) -> str:
        """What everything of this session on the machine is named after: users, groups, control groups."""
        return self.folder.name

    def begin(self) -> None:
        """Make the folder, and clean up after sessions whose process died."""
        must_be_root()
        with locked(CACHE):
            if (self.folder / "owner.json").exists():
                return
            for dead in self._others(alive=False):
                dead.remove()
            open_folder(self.folder)
            absent = [path for path in SYSTEM_FOLDERS if not Path(path).exists()]
            (self.folder / "absent.json").write_text(json.dumps(absent), encoding="utf-8")
            told = json.dumps({"pid": self.owner.pid, "born": self.owner.born})
            (self.folder / "owner.json").write_text(told, encoding="utf-8")

    def once(self, part: str, start: Callable[[], Mapping[str, str]]) -> Mapping[str, str]:
        """What `start` answered the first time that any worker wanted the part; Missing, if it said that."""
        self.begin()
        with locked(self.folder / f"{part}.lock"):
            told = self.folder / f"{part}.json"
            if not told.exists():
                try:
                    answer: Mapping[str, Mapping[str, str] | str] = {"there": start()}
                except Missing as missing:
                    answer = {"missing": str(missing)}
                told.with_suffix(".part").write_text(json.dumps(answer), encoding="utf-8")
                told.with_suffix(".part").replace(told)
            answer = json.loads(told.read_text(encoding="utf-8"))
        if "missing" in answer:
            raise Missing(answer["missing"])
        there = answer["there"]
        assert isinstance(there, dict)
        return there

    def end(self) -> None:
        """Leave the machine as it was."""
        if self.folder.exists():
            with locked(CACHE):
                self.remove()

    def remove(self) -> None:
        """Stop everything and remove every trace, however far this session had come."""
        from real_accounts import remove_accounts
        from real_dockerd import destroy_daemons
        from real_postgres import destroy_servers
        from real_sshd import kill_servers

        kill_servers(self)
        destroy_daemons(self)
        destroy_servers(self)
        remove_accounts(self)
        unmount_below(self.folder)
        absent = self.folder / "absent.json"
        made = json.loads(absent.read_text(encoding="utf-8")) if absent.exists() else []
        shutil.rmtree(self.folder)
        # another session, or a daemon that is none of ours, may have come to need them
        daemons = ("sshd", "dockerd", "containerd")
        if not self._others(alive=True) and not any(program_of(pid).startswith(daemons) for pid in everything()):
            for path in reversed(made):
                with contextlib.suppress(OSError):
                    Path(path).rmdir()

    def _others(self, *, alive: bool) -> list[Session]:
        """Sessions on this machine whose process lives, or not."""
        found: list[Session] = []
        for folder in Path(tempfile.gettempdir()).glob("cosmos-*"):
            file = folder / "owner.json"
            # another user could have put something there that looks like ours
            if folder != self.folder and file.exists() and file.stat().st_uid == os.geteuid():
                owner = Process(**json.loads(file.read_text(encoding="utf-8")))
                if owner.alive == alive:
                    found.append(Session(folder, owner))
        return found


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else is in here for the same file or folder meanwhile; a folder is made where there is none."""
    if path.suffix != ".lock":
        path.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def open_folder(path: Path) -> Path:
    """Make a folder, and those above it, that every account can enter, whatever the umask."""
    if not path.is_dir():
        open_folder(path.parent)
        path.mkdir(mode=0o755, exist_ok=True)
        path.chmod(0o755)
    return path


def environ(**more: str) -> dict[str, str]:
    """The environment for programs of the parts."""
    return _ENVIRON | more


def program(name: str, package: str) -> str:
    """Where a program is; Missing, with the package that has it."""
    found = shutil.which(name, path=_ENVIRON["PATH"])
    if found is None:
        raise Missing(f"{name} is not installed: apt-get install {package}")
    return found


def call(*argv: str | Path, stdin: str = "") -> str:
    """Run a program and return what it said; Missing with its words if it fails."""
    done = subprocess.run(
        [str(word) for word in argv],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env=environ(),
        cwd="/",
        start_new_session=True,  # a Ctrl-C is for the tests: they stop the parts in their order
    )
    if done.returncode:
        raise Missing(
            f"{' '.join(map(str, argv))} ended with {done.returncode}: {(done.stderr or done.stdout).strip()}"
        )
    return done.stdout


def must_be_root() -> None:
    """Missing where this process may not make users, mounts and daemons."""
    if not Path("/proc/self/stat").exists():
        raise Missing("the real parts run on Linux only")
    if os.geteuid() != 0:
        raise Missing("the real parts need root: they make users, mounts and daemons of their own")


def unmount_below(folder: Path) -> None:
    """Unmount everything at or below a folder, the deepest first."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    for point in sorted((p for p in points if Path(p).is_relative_to(folder)), key=len, reverse=True):
        call("umount", "--lazy", point)
