"""What the toolkit prints: log lines on stdout and in two files, progress bars on stderr."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TextIO

INFERENCE = "cosmos_transfer2/inference.py"
EIGHTHS = " ▏▎▍▌▋▊▉█"


class Log:
    """Writes `[MM-DD HH:MM:SS|LEVEL|path:line:function] message`, on the first rank only.

    Lines from modules under `_src` go to debug.log alone, unless `verbose` (the toolkit's COSMOS_VERBOSE).
    """

    def __init__(self, folder: Path, *, speaks: bool, verbose: bool) -> None:
        self._speaks = speaks
        self._verbose = verbose
        self._console: TextIO | None = None
        self._debug: TextIO | None = None
        if speaks:
            self._console = (folder / "console.log").open("w", encoding="utf-8")
            self._debug = (folder / "debug.log").open("w", encoding="utf-8")

    def line(self, where: str, message: str, level: str = "INFO") -> None:
        """Log one message from `where`, given as path:line:function."""
        if not self._speaks or self._console is None or self._debug is None:
            return
        text = f"[{time.strftime('%m-%d %H:%M:%S')}|{level}|{where}] {message}\n"
        self._write(self._debug, text)
        if self._verbose or "/_src/" not in where or "checkpoint_db" in where:
            self._write(self._console, text)
            self._write(sys.stdout, text)

    @staticmethod
    def _write(stream: TextIO, text: str) -> None:
        stream.write(text)
        stream.flush()

    def close(self) -> None:
        """Close both files."""
        for file in (self._console, self._debug):
            if file is not None:
                file.close()


class Bar:
    """A progress bar as tqdm draws it where stderr is no terminal: redrawn after `\\r`, ten characters wide."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._started = self._drawn = time.monotonic()
        self._draw()

    def step(self) -> None:
        """One step more; drawn ten times a second at most, and at the last step."""
        self._done += 1
        now = time.monotonic()
        if self._done == self._total or now - self._drawn >= 0.1:
            self._drawn = now
            self._draw()

    def close(self) -> None:
        """End the bar's line."""
        sys.stderr.write("\n")
        sys.stderr.flush()

    def _draw(self) -> None:
        spent = time.monotonic() - self._started
        share = self._done / self._total
        whole, part = divmod(int(share * 80), 8)
        bar = (EIGHTHS[8] * whole + (EIGHTHS[part] if whole < 10 else "")).ljust(10)
        left, rate = "?", "?it/s"
        if self._done:
            speed = self._done / spent if spent else float(self._done)
            left = _clock((self._total - self._done) / speed)
            rate = f"{speed:5.2f}it/s" if speed >= 1 else f"{1 / speed:5.2f}s/it"
        counts = f"{self._done}/{self._total} [{_clock(spent)}<{left}, {rate}]"
        sys.stderr.write(f"\rGenerating samples: {share * 100:3.0f}%|{bar}| {counts}")
        sys.stderr.flush()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def box(title: str, paragraphs: list[str], footer: str = "") -> str:
    """Text in a frame of at most 80 columns, as tyro frames its errors and its help."""
    import textwrap

    rows: list[str] = []
    for paragraph in paragraphs:
        rows += textwrap.wrap(paragraph, 76, drop_whitespace=True, replace_whitespace=False) or [""]
    width = max([len(row) for row in rows] + [len(title) + 3, len(footer)])
    if footer:
        rows += ["─" * width, footer]
    top = f"╭─ {title} ".ljust(width + 3, "─") + "╮"
    return "\n".join([top, *(f"│ {row.ljust(width)} │" for row in rows), "╰" + "─" * (width + 2) + "╯", ""])
