"""Room on disks, looked at before anything is sent: a disk that runs full takes more with it than one file."""

from __future__ import annotations

from cosmos_core.amounts import size
from cosmos_core.errors import TargetUnusable


def check_room(where: str, path: str, *, needed: int, free: int, disk: str) -> None:
    """Raise TargetUnusable if `needed` bytes do not fit; `where` is "here" or "on HOST"."""
    if needed <= free:
        return
    raise TargetUnusable(
        f"no space left {where} for {path}: {size(needed)} are to come, {size(free)} are free on {disk}",
        hint=f"make room {'here' if where == 'here' else 'there'}, then `cosmos sync` goes on",
    )
