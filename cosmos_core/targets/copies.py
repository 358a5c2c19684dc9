"""Copies on this machine: one at a time for a content, gone on with where somebody was interrupted."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import OnBytes, OnWait
from cosmos_core.targets.room import check_room
from cosmos_core.targets.told import Told

_CHUNK = 1 << 20
_GLANCE_S = 0.1
_TRIES = 1000  # as many as wait for one file at a time; some network disks never know a file again


def copy(
    source: Path,
    to: Path,
    *,
    mode: int,
    sha256: str | None,
    mtime: int | None,
    more: int,
    on_bytes: OnBytes | None,
    on_wait: OnWait | None,
) -> str:
    """Copy a file by way of a part file that is named by its content; the digest of what was copied."""
    if to.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(to))
    with source.open("rb") as file:
        wanted = sha256 or hashlib.file_digest(file, "sha256").hexdigest()
        size = os.fstat(file.fileno()).st_size
        part = to.with_name(f".{wanted}.part")
        with _alone(part, on_wait) as target:
            if mtime is not None and _is_sealed(to, size, mtime):  # somebody was quicker
                if on_bytes:
                    on_bytes(size)
                return wanted
            told = Told(on_bytes)
            try:
                resumed = os.fstat(target.fileno()).st_size > 0
                digest = _append(file, target, to, size, more, told)
                if resumed and digest != wanted:
                    target.truncate(0)
                    digest = _append(file, target, to, size, more, told)
            except OSError:
                part.unlink()  # on a full disk it would only be in the way
                raise
            except TargetUnusable:  # there is no room for the rest
                if not os.fstat(target.fileno()).st_size:
                    part.unlink()
                raise
            if digest != wanted:
                part.unlink()
                return digest
            target.flush()
            os.fchmod(target.fileno(), mode)
            if mtime is not None:
                os.utime(target.fileno(), (mtime, mtime))
            part.replace(to)
            return digest


def seal_if(path: Path, sha256: str, mtime: int) -> bool:
    """Whether a file has that content; it is given that time then."""
    try:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                return False
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    os.utime(path, (mtime, mtime))
    return True


def free_at(folder: Path) -> tuple[int, str]:
    """The bytes that are free where a folder is, or will be, and the disk's place."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    found = os.statvfs(folder)
    device = folder.stat().st_dev
    mount = folder.resolve()
    while mount != mount.parent and mount.parent.stat().st_dev == device:
        mount = mount.parent
    return found.f_bavail * found.f_frsize, str(mount)


def _is_sealed(path: Path, size: int, mtime: int) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return found.st_size == size and int(found.st_mtime) == mtime


def _append(file: BinaryIO, target: BinaryIO, to: Path, size: int, more: int, told: Told) -> str:
    """Copy what is not there yet; the digest of all that is there then."""
    digest = hashlib.sha256()
    target.seek(0)
    while chunk := target.read(_CHUNK):
        digest.update(chunk)
    have = target.tell()
    free, disk = free_at(to.parent)
    check_room("here", str(to), needed=size - have + more, free=free, disk=disk)
    told(min(have, size))
    file.seek(have)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        target.write(chunk)
        have += len(chunk)
        told(have)
    return digest.hexdigest()


@contextlib.contextmanager
def _alone(part: Path, on_wait: OnWait | None) -> Iterator[BinaryIO]:
    """The part file, for nobody else: a lock ends with whoever holds it."""
    for _ in range(_TRIES):
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
            while not _lock(file):
                if on_wait:
                    on_wait()
                time.sleep(_GLANCE_S)
            try:
                current = os.path.samestat(part.stat(), os.fstat(file.fileno()))
            except FileNotFoundError:
                current = False
            if not current:
                continue  # it got its name, or was thrown away, while we waited
            yield file
            return
    raise TargetUnusable(
        f"{part} is another file whenever it is opened", hint="put work_dir on a local disk, then `cosmos sync`"
    )


def _lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
