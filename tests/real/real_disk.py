"""A disk of a few MiB, to run full."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from real_accounts import Account
from real_session import call, must_be_root


@contextlib.contextmanager
def small_disk(folder: Path, mib: int, owner: Account | None = None) -> Iterator[Path]:
    """Mount an empty disk of so many MiB at `folder`, for `owner`; it goes with all that is on it."""
    must_be_root()
    folder.mkdir(parents=True, exist_ok=True)
    user = f",uid={owner.uid},gid={owner.home.stat().st_gid}" if owner else ""
    call("mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0700{user}", "tmpfs", folder)
    try:
        yield folder
    finally:
        call("umount", "--lazy", folder)
        folder.rmdir()
