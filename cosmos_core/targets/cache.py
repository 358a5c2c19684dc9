"""The input cache of a work directory: one read-only file per content, shared by all jobs."""

from __future__ import annotations

from pathlib import Path

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Host, OnBytes


def cached_path(work_dir: str, sha256: str, suffix: str) -> str:
    """Where a file of that content lies in the cache."""
    return f"{work_dir}/inputs/{sha256[:2]}/{sha256}{suffix}"


def upload(host: Host, source: Path | None, place: str, sha256: str, *, on_bytes: OnBytes | None = None) -> None:
    """Bring a file into its place in the cache, which it only gets once its digest is known to be right.

    Raises TargetUnusable if `source` is gone or is not what it was.
    """
    if source is None or not source.is_file():
        raise TargetUnusable(
            f"{source} is gone, and {host.name} does not have it",
            hint="put the file back, then `cosmos sync`",
        )
    if host.put(source, place, mode=0o400, sha256=sha256, on_bytes=on_bytes) != sha256:
        raise TargetUnusable(
            f"{source} has changed since the prompt was stored",
            hint="put the file back, or run again with the new one",
        )
