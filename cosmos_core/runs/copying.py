"""Copies of results (`-o`): what they may replace, and how they are written."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from attrs import evolve

from cosmos_core.runs.wish import Wish
from cosmos_core.store import Store
from cosmos_core.store.records import InputRecord, RunRecord
from cosmos_core.values import Fetch, Problem, Request

NOT_COPIED = "output: the result was not copied"
"""How the warning of a run begins whose copy could not be made."""

_LONGEST_NAME = 180  # bytes of a file's name, which may have 255

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
    where: str,
    inputs: Iterable[InputRecord],
    store: Store | None,
    *,
    overwrite: bool,
    own: str | None = None,
    outputs: Sequence[Fetch] = (),
) -> Problem | None:
    """What keeps a result from being copied `where`: a file, or a folder (it ends with / or is there).

    A file that is there stays, unless `overwrite` is said or it is the copy that the run `own` made before a crash.
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
        return _in_the_way(to, store, own, overwrite=overwrite)
    above = next(folder for folder in (to if is_folder else to.parent, *to.parents) if os.path.lexists(folder))
    if not above.is_dir():
        return _fault(f"{above} is a file, not a folder", "choose another place")
    try:
        with tempfile.TemporaryFile(dir=above):  # permissions do not tell of a disk that is read-only or full
            return None
    except OSError as error:
        words = f"nothing can be written into {above}: {error.strerror}"
        return _fault(words, "check its permissions, or choose another place")


def _in_the_way(to: Path, store: Store | None, own: str | None, *, overwrite: bool) -> Problem | None:
    if not to.is_file():
        return _fault(f"{to} is there and is not a file", "choose another name")
    made = store.artifact_by_digest(_digest(to)) if store else ()
    makers = [run_id for run_id, _ in made]
    for run_id, artifact in made:
        if artifact.path and _same(to, Path(artifact.path)):
            return _fault(f"{to} is an output of {run_id}, which would lose it", "choose another name")
    if overwrite or own in makers:
        return None
    told = f", a copy of the result of {makers[-1]}" if makers else ""
    return _fault(f"{to} exists already{told}", "--force replaces it; or choose another name", FILE_EXISTS)


def copy_result(run: RunRecord, where: str) -> Path:
    """Copy the main result to a file, or into a folder, where it replaces none; the path written. Raises OSError.

    In a folder it is called as the run is; where that name is taken or the run has none, by the run's id.
    """
    result = next((a.path for a in run.artifacts if a.role == "result" and a.path), None)
    if result is None:
        raise FileNotFoundError(0, "there is no result on this machine")
    if not _is_folder(where):
        return _copied(result, Path(where), run, replace=True)
    by_id = Path(where) / Path(result).name
    if not (name := _file_name(run.name, by_id.suffix)):
        return _copied(result, by_id, run, replace=True)
    try:
        return _copied(result, Path(where) / f"{name}{by_id.suffix}", run, replace=False)
    except FileExistsError:
        return _copied(result, Path(where) / f"{name}_{run.id}{by_id.suffix}", run, replace=True)


def _copied(result: str, to: Path, run: RunRecord, *, replace: bool) -> Path:
    to.parent.mkdir(parents=True, exist_ok=True)
    partial = to.with_name(f".{run.id}.part")
    try:
        shutil.copyfile(result, partial)
        if replace:
            partial.replace(to)
        elif not (to.is_file() and _digest(to) == _digest(partial)):  # it may have been written before a crash
            _move_beside(partial, to)
    finally:
        partial.unlink(missing_ok=True)
    return to


def _move_beside(partial: Path, to: Path) -> None:
    """Raises FileExistsError where something is there; others may write there at the same time."""
    try:
        to.hardlink_to(partial)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if os.path.lexists(to):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(to)) from None
        partial.replace(to)


def _file_name(name: str, suffix: str) -> str:
    """A run's name as that of a file, without `suffix`; empty where nothing is left of it."""
    plain = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|]+', "_", name.removesuffix(suffix)).strip(" ._")
    return plain.encode()[:_LONGEST_NAME].decode(errors="ignore")


def copy_of(run: RunRecord) -> str | None:
    """Where the result was copied to; None if that file is gone or holds something else by now."""
    path = run.metadata.get("copy")
    results = [artifact for artifact in run.artifacts if artifact.role == "result"]
    if not isinstance(path, str):
        return None
    try:
        size = Path(path).stat().st_size  # first, so that most of what is something else is not read
        alike = [artifact for artifact in results if artifact.bytes == size]
        return path if alike and _digest(Path(path)) in [artifact.sha256 for artifact in alike] else None
    except OSError:
        return None


def as_copied(run: RunRecord) -> RunRecord:
    """The run without a word of a copy that is not its result any more."""
    if "copy" not in run.metadata or copy_of(run):
        return run
    return evolve(run, metadata={key: value for key, value in run.metadata.items() if key != "copy"})


def lacks_its_copy(run: RunRecord) -> bool:
    """Whether a completed run was to copy its result and could not, as it then warns."""
    return "copy" not in run.metadata and any(warning.startswith(NOT_COPIED) for warning in run.warnings)


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
