"""Copies of results (`-o`): what they may replace, and how they are written."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from cosmos_core.runs.wish import Wish
from cosmos_core.store import Store
from cosmos_core.store.records import InputRecord, RunRecord
from cosmos_core.values import Fetch, Problem, Request

NOT_COPIED = "output: the result was not copied"
"""How the warning of a run begins whose copy could not be made."""

FILE_EXISTS = "file_exists"
"""Code of the one problem that `overwrite` settles."""


def names_one_file(wishes: Iterable[Wish]) -> bool:
    """Whether several results would be copied to one name."""
    files = [wish.copy_to for wish in wishes if wish.copy_to is not None and not _is_folder(wish.copy_to)]
    return len(set(files)) < len(files)


def _is_folder(to: str) -> bool:
    return to.endswith("/") or Path(to).is_dir()


def named(folder: Path, request: Request[Any], outputs: Sequence[Fetch]) -> str:
    """The name of a result in the user's own folder: its day, its text and its run, so that it names one only."""
    words = re.sub(r"[^a-z0-9]+", "-", request.text.lower())[:40].strip("-") or request.model
    suffix = next((PurePosixPath(each.pattern).suffix for each in outputs if each.role == "result"), "")
    day = datetime.now().astimezone().date()
    return str(folder / f"{day}_{words}_{request.id.removeprefix('rs_')}{suffix}")


def fault_of(
    where: str, inputs: Iterable[InputRecord], store: Store | None, *, overwrite: bool, outputs: Sequence[Fetch] = ()
) -> Problem | None:
    """What keeps a result from being copied `where`: a file, or a folder (it ends with / or is there).

    A file that is there stays, unless `overwrite` is said or a run of this database made just that content.
    """
    to, is_folder = Path(where), _is_folder(where)
    suffixes = {PurePosixPath(each.pattern).suffix for each in outputs if each.role == "result"}
    if not is_folder and to.suffix and suffixes and not any(s in ("", ".*", to.suffix.lower()) for s in suffixes):
        name = f"{to.stem}{min(suffixes)}"
        return _fault(
            f"the result is {name.rpartition('.')[2]}, not {to.suffix[1:]}",
            f"name it {name}; `ffmpeg -i {name} {to.name}` converts it",
        )
    for record in inputs:
        if record.path and _same(to, Path(record.path)):
            return _fault(f"{to} is the run's own {record.slot}: it would be lost", "choose another name")
    if to.exists() and (not is_folder or not to.is_dir()):
        return _in_the_way(to, store, overwrite=overwrite)
    above = next(folder for folder in (to if is_folder else to.parent, *to.parents) if os.path.lexists(folder))
    if not above.is_dir():
        return _fault(f"{above} is a file, not a folder", "choose another place")
    try:
        with tempfile.TemporaryFile(dir=above):  # permissions do not tell of a disk that is read-only or full
            return None
    except OSError as error:
        words = f"nothing can be written into {above}: {error.strerror}"
        return _fault(words, "check its permissions, or choose another place")


def _in_the_way(to: Path, store: Store | None, *, overwrite: bool) -> Problem | None:
    if not to.is_file():
        return _fault(f"{to} is there and is not a file", "choose another name")
    made = store.artifact_by_digest(_digest(to)) if store else ()
    for run_id, artifact in made:
        if artifact.path and _same(to, Path(artifact.path)):
            return _fault(f"{to} is an output of {run_id}, which would lose it", "choose another name")
    if made or overwrite:
        return None
    return _fault(f"{to} exists already", "--force replaces it; or choose another name", FILE_EXISTS)


def copy_result(run: RunRecord, where: str) -> Path:
    """Copy the main result to a file, or into a folder; the path written. OSError if that fails."""
    result = next((a.path for a in run.artifacts if a.role == "result" and a.path), None)
    if result is None:
        raise FileNotFoundError(0, "there is no result on this machine")
    target = Path(where) / Path(result).name if _is_folder(where) else Path(where)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    try:
        shutil.copyfile(result, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def copy_of(run: RunRecord) -> str | None:
    """Where the result was copied to, of a run that was asked to."""
    path = run.metadata.get("copy")
    return path if isinstance(path, str) else None


def lacks_its_copy(run: RunRecord) -> bool:
    """Whether a completed run was to copy its result and could not, as it then warns."""
    return copy_of(run) is None and any(warning.startswith(NOT_COPIED) for warning in run.warnings)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fault(message: str, hint: str, code: str = "output") -> Problem:
    return Problem(field="output", message=message, hint=hint, code=code)
