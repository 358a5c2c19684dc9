"""The seam below which hosts differ: a few verbs on files and commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from attrs import frozen


@frozen(kw_only=True)
class Completed:
    """How a command on a host ended."""

    exit_code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """Standard output as text, without the last newline."""
        return self.out.decode("utf-8", "replace").rstrip("\n")


@frozen(kw_only=True)
class Stat:
    """Size and age of a file on a host."""

    bytes: int
    mtime_ns: int
    is_dir: bool


class Host(Protocol):
    """A machine that jobs run on. Paths are absolute, as the host has them.

    Every verb raises TargetUnusable when the host itself is the trouble (unreachable, full, not ours to write),
    with `transient` where trying again may help.
    """

    @property
    def name(self) -> str:
        """How people call the machine."""

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", new_session: bool = False) -> Completed:
        """Run a command to its end. With `new_session`, what it leaves behind outlives the connection."""

    def put(self, source: Path | bytes, to: str, *, mode: int = 0o600) -> str:
        """Write a file, atomically, and return the SHA-256 of what was written."""

    def get(self, source: str, to: Path) -> None:
        """Bring a file here, atomically."""

    def link(self, source: str, to: str, *, symbolic: bool = False) -> None:
        """Link `to` to the file `source`; nothing happens where it is there already."""

    def stat(self, path: str) -> Stat | None:
        """Size and age, or None where there is nothing."""

    def list(self, path: str) -> Mapping[str, int]:
        """Every file below a folder, by relative path, with its size; empty where there is no folder."""

    def mkdir(self, path: str) -> None:
        """Make a folder of our own (0700), and what is missing above it."""

    def remove(self, path: str) -> None:
        """Remove a file or a folder with all that is in it; nothing happens where there is none."""

    def read(self, path: str, offset: int = 0, limit: int = 1 << 20) -> bytes:
        """Some bytes of a file; empty at its end or where it is absent."""

    def close(self) -> None:
        """Let go of the machine."""
