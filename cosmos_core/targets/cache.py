"""The input cache of a work directory: one read-only file per content, shared by all jobs."""

from __future__ import annotations

from pathlib import Path

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Host


def cached_path(work_dir: str, sha256: str, suffix: str) -> str:
    """Where a file of that content lies in the cache."""
    return f"{work_dir}/inputs/{sha256[:2]}/{sha256}{suffix}"


def ensure(host: Host, work_dir: str, source: Path | None, sha256: str, size: int, suffix: str, *, staging: str) -> str:
    """The cached file of that content, uploaded from `source` by way of `staging` if it is not there yet.

    A file gets its name in the cache only once its digest is known to be right.

    Raises TargetUnusable if neither the cache nor `source` has it.
    """
    place = cached_path(work_dir, sha256, suffix)
    found = host.stat(place)
    if found is not None and found.bytes == size:
        return place
    if source is None or not source.is_file():
        raise TargetUnusable(
            f"{source} is gone, and {host.name} does not have it",
            hint="put the file back, then `cosmos sync`",
        )
    right = host.put(source, staging, mode=0o400) == sha256
    if right:
        host.mkdir(str(Path(place).parent))
        host.remove(place)  # nothing, or not the whole file
        host.link(staging, place)
    host.remove(staging)
    if not right:
        raise TargetUnusable(
            f"{source} has changed since the prompt was stored",
            hint="put the file back, or run again with the new one",
        )
    return place
