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


def test_a_long_check_is_told_in_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    told = io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    times = iter([0.0, 1.0, 3.5, 4.0, 7.0, 7.5])
    monkeypatch.setattr("cosmos_core.cli.encoding.time.monotonic", lambda: next(times))
    tell = telling("plain")
    assert tell is not None
    for done in (1, 100, 101, 200, 300):
        tell(Encoding(pattern="/f/d.####.png", stage="checking", done=done, count=300))
    assert told.getvalue().splitlines() == [
        "checking /f/d.####.png: 100 of 300 pictures",
        "checking /f/d.####.png: 200 of 300 pictures",
    ]
