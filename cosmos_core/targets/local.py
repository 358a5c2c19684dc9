"""This machine as a host."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Completed, Stat

_CHUNK = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT)


class LocalHost:
    """This machine: plain files and plain processes."""

    @property
    def name(self) -> str:
        return socket.gethostname()

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", new_session: bool = False) -> Completed:
        try:
            done = subprocess.run(argv, input=stdin, capture_output=True, start_new_session=new_session, check=False)
        except OSError as error:
            raise TargetUnusable(
                f"cannot start {argv[0]}: {error.strerror}", hint="is it installed, and on PATH?"
            ) from error
        return Completed(exit_code=done.returncode, out=done.stdout, err=done.stderr)

    def put(self, source: Path | bytes, to: str, *, mode: int = 0o600) -> str:
        digest = hashlib.sha256()
        with _in_words(to), _written_whole(Path(to), mode) as target:
            if isinstance(source, bytes):
                digest.update(source)
                target.write(source)
            else:
                with source.open("rb") as file:
                    while chunk := file.read(_CHUNK):
                        digest.update(chunk)
                        target.write(chunk)
        return digest.hexdigest()

    def get(self, source: str, to: Path) -> None:
        with _in_words(source, "read"):
            Path(source).stat()
        with _in_words(str(to)):
            to.parent.mkdir(parents=True, exist_ok=True)
            if to.exists() and to.samefile(source):
                return
            partial = to.with_name(f".{to.name}.part")
            partial.unlink(missing_ok=True)
            try:
                os.link(source, partial)  # the same disk: no byte moves
            except OSError:
                shutil.copyfile(source, partial)
            partial.replace(to)

    def link(self, source: str, to: str, *, symbolic: bool = False) -> None:
        make = os.symlink if symbolic else os.link
        with _in_words(to):
            Path(to).parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                make(source, to)

    def stat(self, path: str) -> Stat | None:
        with _in_words(path, "look at"):
            try:
                found = Path(path).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return Stat(bytes=found.st_size, mtime_ns=found.st_mtime_ns, is_dir=Path(path).is_dir())

    def list(self, path: str) -> Mapping[str, int]:
        root = Path(path)
        found: dict[str, int] = {}
        with _in_words(path, "look into"):
            for file in sorted(root.rglob("*")):
                if file.is_file() and not file.is_symlink():
                    found[file.relative_to(root).as_posix()] = file.stat().st_size
        return found

    def mkdir(self, path: str) -> None:
        with _in_words(path):
            Path(path).mkdir(mode=0o700, parents=True, exist_ok=True)

    def remove(self, path: str) -> None:
        target = Path(path)
        with _in_words(path, "remove"):
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)

    def read(self, path: str, offset: int = 0, limit: int = 1 << 20) -> bytes:
        with _in_words(path, "read"):
            try:
                with Path(path).open("rb") as file:
                    file.seek(offset)
                    return file.read(limit)
            except (FileNotFoundError, NotADirectoryError):
                return b""

    def close(self) -> None:
        pass


@contextlib.contextmanager
def _written_whole(path: Path, mode: int) -> Iterator[BinaryIO]:
    """A file that gets its name only once all of it is written."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
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
        where = error.filename or path
        raise TargetUnusable(
            f"cannot {verb} {where}: {error.strerror}",
            hint="check that it is there, its owner and its permissions, then `cosmos sync`",
        ) from error
