"""This machine as a host."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import socket
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from cosmos_core.errors import TargetUnusable
from cosmos_core.private import make_folder
from cosmos_core.targets.copies import copy, free_at, seal_if
from cosmos_core.targets.host import Completed, OnBytes, OnWait, Span, Stat, Tree
from cosmos_core.targets.room import check_room

_FULL = (errno.ENOSPC, errno.EDQUOT)


class LocalHost:
    """This machine: plain files and plain processes."""

    @property
    def name(self) -> str:
        return socket.gethostname()

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", detached: bool = False) -> Completed:
        try:
            done = subprocess.run(argv, input=stdin, capture_output=True, start_new_session=detached, check=False)
        except OSError as error:
            raise TargetUnusable(
                f"cannot start {argv[0]}: {error.strerror}", hint="is it installed, and on PATH?"
            ) from error
        return Completed(exit_code=done.returncode, out=done.stdout, err=done.stderr)

    def stat(self, paths: Sequence[str]) -> Mapping[str, Stat]:
        found: dict[str, Stat] = {}
        for path in paths:
            with _in_words(path, "look at"), contextlib.suppress(FileNotFoundError, NotADirectoryError):
                there = Path(path).stat()
                found[path] = Stat(
                    bytes=there.st_size,
                    mtime_ns=there.st_mtime_ns,
                    is_dir=stat.S_ISDIR(there.st_mode),
                    is_file=stat.S_ISREG(there.st_mode),
                )
        return found

    def read(self, spans: Sequence[Span]) -> Sequence[bytes]:
        return [self._read(span) for span in spans]

    @staticmethod
    def _read(span: Span) -> bytes:
        with _in_words(span.path, "read"):
            try:
                # a pipe in a file's place would make us wait for its writer
                with open(span.path, "rb", opener=_without_waiting) as file:  # Path has no opener
                    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                        return b""
                    file.seek(span.offset)
                    return file.read(span.limit)
            except (FileNotFoundError, NotADirectoryError):
                return b""

    def list(self, path: str) -> Mapping[str, int]:
        if Path(path).is_symlink() or not Path(path).is_dir():
            return {}
        found: dict[str, int] = {}
        folders = [""]
        with _in_words(path, "look into"):
            while folders:
                below = folders.pop()
                for rel, there in _entries(path, below):
                    mode = there.st_mode
                    if stat.S_ISDIR(mode):
                        folders.append(f"{rel}/")
                    elif stat.S_ISREG(mode):
                        found[rel] = there.st_size
        return dict(sorted(found.items()))

    def lay_out(self, folder: str, tree: Tree) -> None:
        root = Path(folder)
        for rel in ("", *tree.folders):
            _make_folder(root / rel)
        for make, pairs in ((os.link, tree.links), (os.symlink, tree.symbolic)):
            for rel, other in pairs:
                _make_folder((root / rel).parent)
                _second_name(make, other, root / rel)
        for rel, content, mode in tree.files:
            _make_folder((root / rel).parent)
            with _in_words(str(root / rel)), _written_whole(root / rel, mode) as file:
                file.write(content)

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
        _make_folder(Path(to).parent)
        with _in_words(to):
            return copy(
                source,
                Path(to),
                mode=mode,
                sha256=sha256,
                mtime=mtime,
                more=more,
                on_bytes=on_bytes,
                on_wait=on_wait,
            )

    def get(self, files: Mapping[str, Path], *, on_bytes: OnBytes | None = None) -> Mapping[str, str]:
        return {source: self._get(source, to, on_bytes) for source, to in files.items()}

    @staticmethod
    def _get(source: str, to: Path, on_bytes: OnBytes | None) -> str:
        with _in_words(source, "read"):
            Path(source).stat()
        with _in_words(str(to)):
            to.parent.mkdir(parents=True, exist_ok=True)
            if not (to.exists() and to.samefile(source)):
                partial = to.with_name(f".{to.name}.{os.getpid()}.{threading.get_native_id()}.part")
                partial.unlink(missing_ok=True)
                try:
                    os.link(source, partial)  # the same disk: no byte moves
                except OSError:
                    free, disk = free_at(to.parent)
                    check_room("here", str(to), needed=Path(source).stat().st_size, free=free, disk=disk)
                    shutil.copyfile(source, partial)
                partial.replace(to)
            if on_bytes:
                on_bytes(to.stat().st_size)
            with to.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()

    def digest(self, path: str) -> str:
        with _in_words(path, "read"), Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def verify(self, path: str, sha256: str, *, mtime: int) -> bool:
        with _in_words(path, "read"):
            return seal_if(Path(path), sha256, mtime)

    def link(self, source: str, to: str) -> None:
        _make_folder(Path(to).parent)
        _second_name(os.link, source, Path(to))

    def remove(self, path: str) -> None:
        target = Path(path)
        with _in_words(path, "remove"):
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)

    def close(self) -> None:
        pass


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _entries(root: str, below: str) -> Iterator[tuple[str, os.stat_result]]:
    """What is in a folder, links not followed; nothing where it is gone, which it may be at any time."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(f"{root}/{below}") as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                yield below + entry.name, entry.stat(follow_symlinks=False)


def _make_folder(folder: Path) -> None:
    with _in_words(str(folder)):
        make_folder(folder)


def _second_name(make: Callable[[str, Path], None], source: str, to: Path) -> None:
    with _in_words(str(to)), contextlib.suppress(FileExistsError):
        make(source, to)


@contextlib.contextmanager
def _written_whole(path: Path, mode: int) -> Iterator[BinaryIO]:
    """A file that gets its name only once all of it is written."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_native_id()}.part")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _in_words(path: str, verb: str = "write") -> Iterator[None]:
    """What the operating system refuses, as a target that cannot be used now."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise TargetUnusable(
                f"no space left for {path}", hint="make room there, then `cosmos sync` goes on with the run"
            ) from error
        if error.errno in (errno.ENOLCK, errno.EOPNOTSUPP):
            raise TargetUnusable(
                f"{path} cannot be locked: its disk has no locks",
                hint="put work_dir on a local disk, then `cosmos sync`",
            ) from error
        where = error.filename or path
        raise TargetUnusable(
            f"cannot {verb} {where}: {error.strerror}",
            hint="check that it is there, its owner and its permissions, then `cosmos sync`",
        ) from error
