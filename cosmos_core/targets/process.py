"""The runtime of a plain process: the command runs as it is, under the user who asked."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from cosmos_core.targets.script import Runtime


def process(argv: Sequence[str], env: Mapping[str, str | None], cwd: str) -> Runtime:
    """The shell's part for a process; every word of it is quoted."""
    lines = [f"cd {shlex.quote(cwd)} || exit 125"]
    for name, value in env.items():
        lines.append(f"unset {name}" if value is None else f"{name}={shlex.quote(value)}; export {name}")
    lines.append("exec " + shlex.join(argv))
    return Runtime(kind="process", work="\n".join(f"    {line}" for line in lines))
