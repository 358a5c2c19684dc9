"""What downloads that were broken off left on this machine: files that a later try goes on with, if there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cosmos_core.store.records import RunRecord


def remains_in(folder: Path, run: RunRecord) -> Iterator[Path]:
    """Those in the folder of a run's outputs."""
    outputs = {artifact.path for artifact in run.artifacts}
    for part in folder.rglob(".*.part"):
        if str(part) not in outputs and part.is_file() and not part.is_symlink():  # an output may be called so
            yield part


def remove_remains(folder: Path, run: RunRecord) -> None:
    """Once all is here that is wanted, nothing goes on with them."""
    for part in remains_in(folder, run):
        with suppress(OSError):
            part.unlink()
