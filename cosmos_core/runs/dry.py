"""What a wish would do, without doing it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import asdict, evolve, frozen

from cosmos_core.errors import UsageError
from cosmos_core.runs.plan import Planner, request_hash
from cosmos_core.runs.wish import Wish
from cosmos_core.runs.work import toolkit_argv, work_of
from cosmos_core.store.records import InputRecord
from cosmos_core.values import Problem

_WRITTEN = ".cosmos-dry-run.json"
"""Digests of what dry runs wrote into a folder, by name: those files are ours and may be replaced."""


@frozen(kw_only=True)
class DryRun:
    """What would be done: the files as they would lie on disk, and the command that would run."""

    problems: tuple[Problem, ...]  # warnings: errors refuse
    files: Mapping[str, str]  # name in the job's folder -> path of the written file; empty without a folder
    contents: Mapping[str, bytes]
    inputs: Mapping[str, str]  # name in the job's folder -> the file that lies there: a path, or its REF
    argv: tuple[str, ...]
    toolkit_argv: tuple[str, ...]  # as the toolkit itself is given it; on the simulator, `argv` calls its stand-in
    env: Mapping[str, str | None]
    cwd: str
    image: str | None
    resources: Mapping[str, Any]
    request_hash: str | None  # None while an image sequence is not encoded
    encodes: tuple[InputRecord, ...] = ()  # image sequences that a real run would encode first


def dry_run(planner: Planner, wish: Wish, out: Path | None) -> DryRun:
    """Check a wish, convert it, and write what would be sent to `out`. Raises Refused with all problems.

    Raises UsageError where a file in `out` is not from a dry run, unless the wish says `overwrite`.
    """
    plan = planner.plan(wish, with_run=True)
    if plan.run is None:
        raise AssertionError("a plan with a run has one")
    # A name that says what it is, and the same each time, so that two dry runs can be compared.
    run = evolve(plan.run, id=re.sub(r"[^a-z0-9_]+", "_", (wish.name or "dry_run").lower()))
    work = work_of(run, plan.prompt, planner.models, "/job")
    encodes = tuple(item for item in plan.prompt.inputs if item.frames and item.sha256 is None)
    contents = {file.path: file.content for file in work.bundle.files}
    inputs = {place.to: work.record_of(place.input) for place in work.bundle.places}
    return DryRun(
        problems=plan.warnings,
        files={} if out is None else _write(contents, inputs, out, overwrite=wish.overwrite),
        contents=contents,
        inputs={to: record.path or record.ref for to, record in inputs.items()},
        argv=work.argv,
        toolkit_argv=toolkit_argv(work),
        env=dict(work.env),
        cwd=work.cwd,
        image=work.config.toolkit.image,
        resources={k: v for k, v in asdict(work.command.resources).items() if v is not None},
        request_hash=None if encodes else request_hash(work.model, plan.request),
        encodes=encodes,
    )


def _write(
    contents: Mapping[str, bytes], inputs: Mapping[str, InputRecord], out: Path, *, overwrite: bool
) -> dict[str, str]:
    """Write the files, and links to inputs that are on this machine, so that `--spec` reads the folder back."""
    links = {to: record.path for to, record in inputs.items() if record.path}
    try:
        ours = _written_before(out)
        for name in (*contents, *links):
            if not overwrite and not _may_go(out / name, ours.get(name)):
                raise UsageError(
                    f"{out / name} exists already, and no dry run wrote it",
                    hint="choose another folder with --out; --force replaces it",
                )
        for name in (*contents, *links):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).unlink(missing_ok=True)  # a link there leads to somebody's file
        for name, content in contents.items():
            (out / name).write_bytes(content)
        for name, path in links.items():
            (out / name).symlink_to(path)
        told = {**ours, **{name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}}
        (out / _WRITTEN).write_text(json.dumps(told, indent=2), encoding="utf-8")
    except OSError as error:
        where = error.filename or out
        raise UsageError(f"cannot write {where}: {error.strerror}", hint="choose another folder with --out") from error
    return {name: str(out / name) for name in (*contents, *links)}


def _written_before(out: Path) -> dict[str, str]:
    try:
        told = json.loads((out / _WRITTEN).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _may_go(file: Path, digest: str | None) -> bool:
    """Whether nothing is there, or what a dry run left: a file that is as it was then, or a link."""
    if file.is_symlink() or not file.exists():
        return True
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == digest
