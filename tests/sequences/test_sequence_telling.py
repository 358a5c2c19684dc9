"""What a terminal shows while an image sequence is encoded."""

from __future__ import annotations

import io
import sys

import pytest

from cosmos_core.cli.encoding import telling
from cosmos_core.cli.neutral import Screen
from cosmos_core.runs.frames import Encoding


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


def test_the_line_is_counted_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", Screen(terminal))
    tell = telling(None)
    assert tell is not None
    for done in (1, 2):
        tell(Encoding(pattern="/f/\x1b[31md.####.png", stage="encoding", done=done, count=2, fps=24))
    first, second = terminal.getvalue().decode().split("\r\x1b[K")[1:]
    assert first.startswith("encoding")
    assert second.endswith("d.####.png: 2 frames at 24 a second\n")
    assert "\x1b" not in first + second
