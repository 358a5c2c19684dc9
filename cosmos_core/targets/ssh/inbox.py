"""The files on this side, as they come in: each beside its place, under a name that says so, until all is known."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from attrs import define

from cosmos_core.errors import TargetUnusable
from cosmos_core.private import make_folder
from cosmos_core.targets.copies import free_at
from cosmos_core.targets.room import check_room
from cosmos_core.targets.ssh.digests import Digests
from cosmos_core.targets.ssh.words import here
from cosmos_core.targets.told import Told

_CHUNK = 1 << 20
_MOST_FOLDERS = 100
_LONGEST_NAME = 240


@define
class _Coming:
    """A file and how much of it is here."""

    there: str
    to: Path
    part: Path
    have: int = 0  # from an earlier try
    size: int = 0
    digest: str = ""


class Inbox:
    """What of the files is here from an earlier try stays, and what came in stays for the next one.

    Unless somebody else is busy in the same folders: then all names are new ones, and nothing stays.
    """

    def __init__(self, files: Mapping[str, Path], digests: Digests, told: Told) -> None:
        self._digests = digests
        self._told = told
        self._folders = list(dict.fromkeys(to.parent for to in files.values()))
        self._held = contextlib.ExitStack()
        self._keeps = False
        self._files = [_Coming(there, to, to.with_name(f".{to.name}.part")) for there, to in files.items()]
        self._next = 0
        self._left = 0
        self._here = 0
        self._file: BinaryIO | None = None
        self._all_here = False

    def __enter__(self) -> Inbox:
        for folder in self._folders:
            with here(str(folder)):
                make_folder(folder)
        try:
            self._keeps = self._lock()
        except BaseException:
            self._held.close()
            raise
        for file in self._files:
            if self._keeps:
                file.have = file.part.stat().st_size if file.part.is_file() else 0
            else:
                file.part = file.to.with_name(f".{file.to.name[:50]}.{secrets.token_hex(4)}.part")
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._file:
            self._file.close()
        # by whoever is told how far it is: somebody else moves the run now, with files of another name
        called_off = isinstance(error, Exception) and not isinstance(error, TargetUnusable)
        in_vain = isinstance(error, TargetUnusable) and not error.transient
        if called_off or in_vain or not self._keeps:
            for file in self._files:
                if called_off or not file.have:
                    file.part.unlink(missing_ok=True)
        self._held.close()

    @property
    def offsets(self) -> Mapping[str, int]:
        """From where on each is wanted."""
        return {file.there: file.have for file in self._files}

    @property
    def complete(self) -> bool:
        """Whether every byte that was announced is here."""
        return self._all_here

    @property
    def current(self) -> str:
        """The file that is coming in."""
        return self._files[min(max(self._next - 1, 0), len(self._files) - 1)].there

    @property
    def digests(self) -> Mapping[str, str]:
        """Of each, from the first byte to the last."""
        return {file.there: file.digest for file in self._files}

    def announce(self, sizes: Mapping[str, int]) -> list[str]:
        """How long they are; those that cannot be gone on with, since they are shorter now. Then the bytes may come."""
        for file in self._files:
            file.size = sizes[file.there]
        if shorter := [file.there for file in self._files if file.have > file.size]:
            return shorter
        needed = sum(file.size - file.have for file in self._files)
        with here(str(self._folders[0])):
            free, disk = free_at(self._folders[0])
        largest = max(self._files, key=lambda file: file.size - file.have)
        check_room("here", str(largest.to), needed=needed, free=free, disk=disk)
        self._here = sum(file.have for file in self._files)
        self._told(self._here)
        self._open_next()
        return []

    def take(self, data: bytes) -> None:
        """The next bytes of the stream; what is more than was announced is nobody's."""
        view = memoryview(data)
        while len(view) and self._file:
            piece = view[: self._left]
            view = view[len(piece) :]
            with here(str(self._files[self._next - 1].to)):
                self._file.write(piece)
            self._digests.add(piece)
            self._left -= len(piece)
            self._here += len(piece)
            self._told(self._here)
            if not self._left:
                self._close()
                self._open_next()

    def throw_away(self, names: list[str]) -> bool:
        """Remove what is here of these; whether any of it was from an earlier try."""
        wrong = [file for file in self._files if file.there in names]
        for file in wrong:
            file.part.unlink(missing_ok=True)
        return any(file.have for file in wrong)

    def keep(self) -> None:
        """Give all files their names."""
        for file in self._files:
            with here(str(file.to)):
                file.part.replace(file.to)

    def _lock(self) -> bool:
        """Whether nobody else is busy in these folders."""
        names = (file.to.name for file in self._files)
        if len(self._folders) > _MOST_FOLDERS or any(len(os.fsencode(name)) > _LONGEST_NAME for name in names):
            return False
        for folder in self._folders:
            with here(str(folder)):
                descriptor = os.open(folder, os.O_RDONLY)
            self._held.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # held, or no lock on folders, as with NFS
                return False
        return True

    def _open_next(self) -> None:
        """Begin the next file of which something is to come."""
        while self._next < len(self._files):
            file = self._files[self._next]
            self._next += 1
            with here(str(file.to)):
                self._file = os.fdopen(
                    os.open(file.part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b", buffering=0
                )
                while file.have and (chunk := self._file.read(_CHUNK)):
                    self._digests.add(chunk)
            self._left = file.size - file.have
            if self._left:
                return
            self._close()
        self._all_here = True

    def _close(self) -> None:
        assert self._file is not None
        with here(str(self._files[self._next - 1].to)):
            self._file.close()
        self._file = None
        self._files[self._next - 1].digest = self._digests.end()
