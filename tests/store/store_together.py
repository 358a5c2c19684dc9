"""Real processes at one store that begin in the same moment."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from real_processes import HANG_S

PROCESS = Path(__file__).with_name("store_process.py")


def together(acts: Iterable[tuple[str, ...]]) -> list[str]:
    """What processes answer that begin their acts in the same moment; all of them have to succeed."""
    ended = subprocess.run(
        [sys.executable, PROCESS],
        input=json.dumps(list(acts)),
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    answers: list[str] = json.loads(ended.stdout)
    return answers
