"""A terminal for tests: a pty with a size, what appeared on it, and a keyboard."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from real_processes import until

_ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|\(B|[=>])")


class Terminal:
    """One command in a terminal of its own. A context manager; the command is gone at its end."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: dict[str, str],
        cwd: Path,
        columns: int = 80,
        rows: int = 40,
        inherits: tuple[int, ...] = (),
    ) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._process = subprocess.Popen(
            argv,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={"TERM": "xterm-256color", **env},
            cwd=cwd,
            pass_fds=inherits,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C becomes SIGINT
        )
        os.close(theirs)
        self.raw = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    @property
    def text(self) -> str:
        """Everything that appeared, without colours and movements."""
        return _ESCAPES.sub("", self.raw).replace("\r\n", "\n").replace("\r", "\n")

    def press(self, keys: str) -> None:
        """Type something; `\\x03` is Ctrl-C."""
        os.write(self._ours, keys.encode())

    def until(self, there: str | Callable[[str], object], seconds: float = 30) -> str:
        """Wait until a text (or what a function looks for) has appeared."""

        def appeared() -> bool:
            if there in self.text if isinstance(there, str) else there(self.text):
                return True
            if not self._read(0.2) and self._process.poll() is not None:
                assert there in self.text if isinstance(there, str) else there(self.text), self.text
            return False

        self._wait(appeared, seconds, f"{there!r} did not appear in")
        return self.text

    def end(self, seconds: float = 30) -> int:
        """Wait for the command's end; its exit code."""

        def ended() -> bool:
            self._read(0.1)
            return self._process.poll() is not None

        self._wait(ended, seconds, "did not end")
        while self._read(0):
            pass
        return self._process.returncode

    def _wait(self, condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
        try:
            until(condition, seconds)
        except TimeoutError:
            pytest.fail(f"{otherwise}:\n{self.text}")

    def _read(self, seconds: float) -> bool:
        if not select.select([self._ours], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # the other side is closed
            return False
        self.raw += data.decode("utf-8", "replace")
        return bool(data)
