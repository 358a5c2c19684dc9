"""The seam below which hosts differ: a few verbs on files and commands.

The verbs take many things at once where a job has many, so that a host far away is asked once and not forty times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from attrs import frozen

OnBytes = Callable[[int], None]
"""Told how many bytes more are where they should be: moved, or found there from an earlier try."""

OnWait = Callable[[], None]
"""Told now and then while somebody else brings the same file."""


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

    @property
    def words(self) -> str:
        """What it complained of, else what it said."""
        return self.err.decode("utf-8", "replace").strip() or self.text.strip()


@frozen(kw_only=True)
class Stat:
    """Size and age of a file on a host."""

    bytes: int
    mtime_ns: int
    is_dir: bool
    is_file: bool  # a plain one: no device, no pipe, no socket


class Span(NamedTuple):
    """Some bytes of a file."""

    path: str
    offset: int = 0
    limit: int = 1 << 20


@frozen(kw_only=True)
class Tree:
    """What a folder is to hold: paths relative to it, folders above them made as needed."""

    folders: Sequence[str] = ()
    links: Sequence[tuple[str, str]] = ()  # (path, the file whose second name it is): hard
    symbolic: Sequence[tuple[str, str]] = ()  # (path, what it points to)
    files: Sequence[tuple[str, bytes, int]] = ()  # (path, content, mode)


class Host(Protocol):
    """A machine that jobs run on. Paths are absolute, as the host has them.

    Every verb raises TargetUnusable when the host itself is the trouble (unreachable, full, not ours to write),
    with `transient` where trying again may help. Safe to use from several threads.
    """

    @property
    def name(self) -> str:
        """How people call the machine."""

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", detached: bool = False) -> Completed:
        """Run a command to its end. With `detached`, what it leaves behind outlives the connection."""

    def stat(self, paths: Sequence[str]) -> Mapping[str, Stat]:
        """Size and age of those that are there; links are followed."""

    def read(self, spans: Sequence[Span]) -> Sequence[bytes]:
        """The bytes of each span; empty at a file's end or where there is none."""

    def list(self, path: str) -> Mapping[str, int]:
        """Every file below a folder, by relative path, with its size; empty without a folder.

        Left out are links, also one in the folder's place, and what is no plain file.
        """

    def lay_out(self, folder: str, tree: Tree) -> None:
        """Make a folder of our own (0700) that holds all this. Doing it again changes nothing.

        What is there already stays, but for files, which are written anew. The last file gets its name only once
        all the rest is there, so that its presence says that the folder is complete.
        """

    def put(
        self,
        source: Path,
        to: str,
        *,
        mode: int = 0o600,
        sha256: str | None = None,
        mtime: int | None = None,
        more: int = 0,
        on_bytes: OnBytes | None = None,
        on_wait: OnWait | None = None,
    ) -> str:
        """Bring a file there, atomically, and return the SHA-256 of what is there then.

        What arrived before a break is there the next time, whoever comes next. Of several who bring the same at once
        one does, and the others wait. Where `sha256` is given and the file is another one, `to` is left as it was.
        `mtime` (seconds) is a mark that the file is given: one of the right size that bears it is taken for brought.
        Nothing is sent where there is no room for it and `more` bytes that come after it.
        """

    def get(self, files: Mapping[str, Path], *, on_bytes: OnBytes | None = None) -> Mapping[str, str]:
        """Bring files here (path there -> path here), each atomically; the SHA-256 of each, the same at both ends.

        What has arrived before a break need not come again. Nothing comes where there is no room for all of it.
        """

    def digest(self, path: str) -> str:
        """The SHA-256 of a file there. Whoever asks and is gone lets it go: nothing is read on."""

    def verify(self, path: str, sha256: str, *, mtime: int) -> bool:
        """Whether a file there has that content, read from end to end; it is given the mark `mtime` then."""

    def link(self, source: str, to: str) -> None:
        """Give the file `source` a second name `to`; nothing happens where that is there already."""

    def remove(self, path: str) -> None:
        """Remove a file or a folder with all that is in it; nothing happens where there is none."""

    def close(self) -> None:
        """Let go of the machine."""
