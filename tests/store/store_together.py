"""Real processes at one store that begin in the same moment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from real_processes import HANG_S

PROCESS = Path(__file__).with_name("store_process.py")


def together(acts: Iterable[tuple[str, ...]]) -> list[str]:
    """What processes print that begin their acts in the same moment; all of them have to succeed."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, PROCESS, *act],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for act in acts
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = []
        for process in processes:
            out, err = process.communicate(timeout=HANG_S)
            assert (process.returncode, err) == (0, ""), err
            said.append(out.strip())
        return said
