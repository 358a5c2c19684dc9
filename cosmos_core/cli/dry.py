"""What `--dry-run` shows."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cosmos_core.cli.complaints import problem_lines
from cosmos_core.cli.screen import print_facts, print_json, say, sequence_facts
from cosmos_core.documents import dry_run_document, items_document

if TYPE_CHECKING:
    from cosmos_core.app import Cosmos
    from cosmos_core.runs.dry import DryRun
    from cosmos_core.runs.wish import Wish


def dry_runs(cosmos: Cosmos, wishes: Sequence[Wish], out: Path | None) -> list[DryRun]:
    """What each wish would do. Of several, each has a folder of its own below `out`, named like it."""
    if out is None or len(wishes) == 1:
        return [cosmos.dry_run(wish, out) for wish in wishes]
    folders = [Path(wish.name or "").name or str(number) for number, wish in enumerate(wishes, 1)]
    return [cosmos.dry_run(wish, out / folder) for wish, folder in zip(wishes, folders, strict=True)]


def show_dry_runs(dry: Sequence[DryRun], *, as_json: bool) -> None:
    """One as its document or in words, several as a list or one after the other."""
    if as_json:
        documents = [dry_run_document(each) for each in dry]
        print_json(documents[0] if len(documents) == 1 else items_document(documents))
        return
    for number, each in enumerate(dry):
        if number:
            say("")
        _show(each)


def _show(dry: DryRun) -> None:
    """The command, its environment, its image and its files."""
    sys.stderr.write(problem_lines(dry.problems))
    environment = (f"{k}={shlex.quote(v)}" if v is not None else f"-u {k}" for k, v in dry.env.items())
    print_facts(
        [
            ("command", shlex.join(dry.toolkit_argv)),
            ("simulated by", shlex.join(dry.argv) if dry.argv != dry.toolkit_argv else ""),
            ("in", dry.cwd),
            ("image", dry.image or ""),
            ("environment", "  ".join(environment)),
            ("resources", "  ".join(f"{key}={value}" for key, value in dry.resources.items())),
            ("hash", dry.request_hash or "known once the image sequences are encoded"),
            *(("encodes", sequence_facts(item)) for item in dry.encodes),
        ]
    )
    for name, content in dry.contents.items():
        where = dry.files.get(name)
        say(f"\n{where}" if where else f"\n{name}")
        if not where and len(content) < 20_000:
            say("\n".join(f"  {line}" for line in content.decode("utf-8", "replace").splitlines()))
    for name, where in dry.inputs.items():
        say(f"\n{dry.files.get(name, name)}\n  {where}")
    if not dry.files:
        say("\nnothing was stored, started or written; --out DIR writes the files")
