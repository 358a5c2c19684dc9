"""What `--dry-run` shows."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from cosmos_core.cli.complaints import problem_lines
from cosmos_core.cli.screen import print_facts, print_json, say
from cosmos_core.documents import dry_run_document

if TYPE_CHECKING:
    from cosmos_core.app import DryRun


def show_dry_run(dry: DryRun, *, as_json: bool) -> None:
    """The command, its environment, its image and its files."""
    if as_json:
        print_json(dry_run_document(dry))
        return
    sys.stderr.write(problem_lines(dry.problems))
    environment = (f"{k}={shlex.quote(v)}" if v is not None else f"-u {k}" for k, v in dry.env.items())
    print_facts(
        [
            ("command", shlex.join(dry.argv)),
            ("in", dry.cwd),
            ("image", dry.image or ""),
            ("environment", "  ".join(environment)),
            ("resources", "  ".join(f"{key}={value}" for key, value in dry.resources.items())),
            ("hash", dry.request_hash),
        ]
    )
    for name, content in dry.contents.items():
        where = dry.files.get(name)
        say(f"\n{where}" if where else f"\n{name}")
        if not where and len(content) < 20_000:
            say("\n".join(f"  {line}" for line in content.decode("utf-8", "replace").splitlines()))
    if not dry.files:
        say("\nnothing was stored, started or written; --out DIR writes the files")
