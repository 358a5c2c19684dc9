"""The input cache of a work directory: one read-only file per content, shared by all jobs.

A file there is never written again, so its time of change is free to say something: it is a seal, made of the
content's digest and of the day on which that was last read and found right. Whatever writes to the file, or puts
another one in its place, breaks the seal, and the look that asks whether the file is there sees that without asking
more. Damage that leaves size and time alone (a bad disk, somebody who sets the time back) cannot be seen that cheaply:
it is found once the seal is old, since every file that is still used is read again then.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Host, OnBytes, OnWait, Stat

SEALED_DAYS = 7
_FIRST = 1_000_000_000  # in 2001: nobody else's files are that old
_DAYS = 1 << 15


def cached_path(work_dir: str, sha256: str, suffix: str) -> str:
    """Where a file of that content lies in the cache."""
    return f"{work_dir}/inputs/{sha256[:2]}/{sha256}{suffix}"


def seal(sha256: str) -> int:
    """The time of change, in seconds, of a file that was found right today."""
    return _FIRST + (int(sha256[-4:], 16) >> 3) * _DAYS + _today()


def is_sealed(sha256: str, found: Stat) -> bool:
    """Whether nobody has touched a file in the cache since it was found right, not too long ago."""
    key, day = divmod(found.mtime_ns // 1_000_000_000 - _FIRST, _DAYS)
    return key == int(sha256[-4:], 16) >> 3 and -1 <= _today() - day <= SEALED_DAYS


def is_right(host: Host, place: str, sha256: str, there: Mapping[str, Stat], size: int | None) -> bool:
    """Whether a file in the cache is what its name says; what is not is removed.

    `there` is what a look at the host has shown.
    """
    found = there.get(place)
    if found is None:
        return False
    if found.bytes == size and (is_sealed(sha256, found) or host.verify(place, sha256, mtime=seal(sha256))):
        return True
    host.remove(place)
    return False


def upload(
    host: Host,
    source: Path | None,
    place: str,
    sha256: str,
    *,
    more: int = 0,
    on_bytes: OnBytes | None = None,
    on_wait: OnWait | None = None,
) -> None:
    """Bring a file into its place in the cache, which it only gets once its digest is known to be right.

    Raises TargetUnusable if `source` is gone or is not what it was, or if there is no room for it and `more` bytes.
    """
    if source is None or not source.is_file():
        raise TargetUnusable(
            f"{source} is gone, and {host.name} does not have it",
            hint="put the file back, then `cosmos sync`",
        )
    arrived = host.put(
        source,
        place,
        mode=0o400,
        sha256=sha256,
        mtime=seal(sha256),
        more=more,
        on_bytes=on_bytes,
        on_wait=on_wait,
    )
    if arrived != sha256:
        raise TargetUnusable(
            f"{source} has changed since the prompt was stored",
            hint="put the file back, or run again with the new one",
        )


def _today() -> int:
    return int(time.time()) // 86_400
