"""Looking into files that lie on a host: no more of them than it takes."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

from attrs import frozen

from cosmos_core.errors import TargetUnusable
from cosmos_core.media import outdated, probe_header
from cosmos_core.store import Store
from cosmos_core.targets.host import Host, Span
from cosmos_core.values import Media

_BLOCK = 1 << 18


@frozen(kw_only=True)
class FarFile:
    """What a file on a host is; `why` says what is wrong where its media is unknown."""

    sha256: str
    bytes: int
    media: Media
    why: str = ""
    hint: str = ""


def look_at(host: Host, target: str, path: str, store: Store | None) -> FarFile:
    """Digest and media of a file on a host, remembered while its size and time stay the same.

    Raises FileNotFoundError in words where it is no file, TargetUnusable where the host is the trouble.
    """
    there = host.stat([path]).get(path)
    if there is None or there.is_dir:
        raise FileNotFoundError("is a folder" if there else "does not exist")
    if not there.is_file:  # `sha256sum` of /dev/zero has no end, and a pipe waits for its writer
        raise FileNotFoundError("is a device, a pipe or a socket")
    key = (f"{target}:{path}", there.bytes, there.mtime_ns, 0)
    remembered = store.digest(*key) if store else None
    if remembered is not None and remembered[1] is not None and not outdated(remembered[1]):
        return FarFile(sha256=remembered[0], bytes=there.bytes, media=remembered[1])
    try:
        digest = host.digest(path)
    except TargetUnusable as error:
        if error.transient:
            raise
        raise TargetUnusable(error.message, hint="check its permissions there") from error
    looked = probe_header(cast("BinaryIO", io.BufferedReader(_FarBytes(host, path, there.bytes), _BLOCK)), path)
    if store and looked.media.kind != "unknown":
        store.remember_digest(*key, sha256=digest, media=looked.media)
    return FarFile(sha256=digest, bytes=there.bytes, media=looked.media, why=looked.why, hint=looked.hint)


class _FarBytes(io.RawIOBase):
    """A file on a host, read where somebody looks."""

    def __init__(self, host: Host, path: str, size: int) -> None:
        super().__init__()
        self._host = host
        self._path = path
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        (data,) = self._host.read([Span(self._path, self._at, len(buffer))])
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
