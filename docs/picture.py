"""Draws docs/terminal.svg from a real session: `python docs/picture.py` where `cosmos` is installed."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from cosmos_core.demo import make_clip

COLUMNS = 100
COMMANDS = (
    "cosmos run --model transfer 'heavy rain' --video stret.mp4 --set num_steps=0",
    "cosmos run --model transfer 'heavy rain at night' --video street.mp4 --weights.edge 0.8",
    "cosmos list runs",
)


def session(command: str, cwd: Path, env: dict[str, str]) -> str:
    """What a terminal shows of a command, the last state of each redrawn line only."""
    ours, theirs = pty.openpty()
    argv = ["/bin/sh", "-c", command]
    with subprocess.Popen(argv, cwd=cwd, env=env, stdin=theirs, stdout=theirs, stderr=theirs) as child:
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 65536)
            except OSError:
                break
        child.wait()
    return shown.decode()


def main() -> None:
    """Run the commands and write the picture."""
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115, PTH123
    with tempfile.TemporaryDirectory() as folder:
        make_clip(Path(folder) / "street.mp4")
        env = os.environ | {
            "COSMOS_HOME": f"{folder}/home",
            "COLUMNS": str(COLUMNS),
            "LINES": "40",
            "TERM": "xterm-256color",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        for command in COMMANDS:
            console.print(Text.assemble(("$ ", "bold green"), command))
            text = session(command, Path(folder), env).replace(folder, "~").replace("\r\n", "\n")
            lines = [line.rpartition("\r")[2] for line in text.split("\n")]
            console.print(Text.from_ansi("\n".join(lines).rstrip()), soft_wrap=False)
            console.print()
    console.save_svg(str(Path(__file__).parent / "terminal.svg"), title="cosmos")


if __name__ == "__main__":
    main()
