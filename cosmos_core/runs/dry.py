"""What a wish would do, without doing it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import asdict, evolve, frozen

from cosmos_core.errors import UsageError
from cosmos_core.runs.plan import Planner, request_hash
from cosmos_core.runs.wish import Wish
from cosmos_core.runs.work import work_of
from cosmos_core.store.records import InputRecord
from cosmos_core.values import Problem


@frozen(kw_only=True)
class DryRun:
    """What would be done: the files as they would lie on disk, and the command that would run."""

    problems: tuple[Problem, ...]  # warnings: errors refuse
    files: Mapping[str, str]  # name in the job's folder -> path of the written file; empty without a folder
    contents: Mapping[str, bytes]
    argv: tuple[str, ...]
    env: Mapping[str, str | None]
    cwd: str
    image: str | None
    resources: Mapping[str, Any]
    request_hash: str | None  # None while an image sequence is not encoded
    encodes: tuple[InputRecord, ...] = ()  # image sequences that a real run would encode first


def dry_run(planner: Planner, wish: Wish, out: Path | None) -> DryRun:
    """Check a wish, convert it, and write its files to `out`. Raises Refused with all problems."""
    plan = planner.plan(wish, with_run=True)
    if plan.run is None:
        raise AssertionError("a plan with a run has one")
    # A name that says what it is, and the same each time, so that two dry runs can be compared.
    run = evolve(plan.run, id=re.sub(r"[^a-z0-9_]+", "_", (wish.name or "dry_run").lower()))
    work = work_of(run, plan.prompt, planner.models, "/job")
    encodes = tuple(item for item in plan.prompt.inputs if item.frames and item.sha256 is None)
    contents = {file.path: file.content for file in work.bundle.files}
    return DryRun(
        problems=plan.warnings,
        files={} if out is None else _write(contents, out),
        contents=contents,
        argv=work.argv,
        env=dict(work.env),
        cwd=work.cwd,
        image=work.config.toolkit.image,
        resources={k: v for k, v in asdict(work.command.resources).items() if v is not None},
        request_hash=None if encodes else request_hash(work.model, plan.request),
        encodes=encodes,
    )


def _write(contents: Mapping[str, bytes], out: Path) -> dict[str, str]:
    written = {}
    for name, content in contents.items():
        file = out / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        except OSError as error:
            raise UsageError(
                f"cannot write {file}: {error.strerror}", hint="choose another folder with --out"
            ) from error
        written[name] = str(file)
    return written
