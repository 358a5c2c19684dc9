"""Processes told apart for sure, found by what they are, and waited for."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from attrs import frozen

T = TypeVar("T")

HANG_S = 240.0
"""After which a program that should have ended hangs, on however crowded a machine."""


@frozen
class Process:
    """A process by its number and its birth: numbers alone are used again."""

    pid: int
    born: str

    @classmethod
    def of(cls, pid: int) -> Process:
        """The process that has this number now."""
        return cls(pid, _birth(pid))

    @property
    def alive(self) -> bool:
        """Whether it is still there; one that ended and was not waited for is not."""
        return self.born == _birth(self.pid) != ""


def _birth(pid: int) -> str:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if after_name[0] in "ZX" else after_name[19]


def everything() -> Iterator[int]:
    """The number of every process."""
    return (int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit())


def command_of(pid: int) -> str:
    """Its command line, words parted by blanks; empty once it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def environment_of(pid: int) -> str:
    """Its environment as it was started with, NAME=VALUE a line; empty once it is gone."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().replace(b"\0", b"\n").decode("utf-8", "replace")
    except OSError:
        return ""


def user_of(pid: int) -> int | None:
    """The uid it runs under."""
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return None


def program_of(pid: int) -> str:
    """The name of its program, at most fifteen characters; empty once it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def children_of(pid: int) -> list[int]:
    """Those whose parent it is."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # it ends while we look
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text(encoding="ascii").split())
    return found


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    """Send each a signal; those that are gone are passed over."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def kill_all(find: Callable[[], Iterable[int]], seconds: float = 10.0) -> None:
    """Kill what `find` finds, until it finds nothing that lives."""

    def none_left() -> bool:
        living = [pid for pid in find() if _birth(pid)]
        signal_all(living, signal.SIGKILL)
        return not living

    until(none_left, seconds)


def until(condition: Callable[[], T], seconds: float = 30.0) -> T:
    """The first truthy answer of `condition`; TimeoutError once the time is up, which is longer where it is crowded."""
    began = time.monotonic()
    limit = seconds
    while not (answer := condition()):
        if time.monotonic() - began > limit:
            more = patient(seconds) if limit == seconds else 0.0
            if more <= limit:
                raise TimeoutError(f"still {answer!r} after {limit:.0f} s")
            limit = more
        time.sleep(0.005)
    return answer


_QUIET_S = 0.02
"""What a bare Python takes to start on a machine of ours that does nothing else: 10 to 15 ms, on slow ones 25."""


def patient(seconds: float) -> float:
    """A limit, made longer by how much slower than a quiet machine this one is at the moment; ten times at most."""
    took = []
    for _ in range(3):
        began = time.monotonic()
        subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)
        took.append(time.monotonic() - began)
    return seconds * min(max(1.0, max(took) / _QUIET_S), 10.0)
