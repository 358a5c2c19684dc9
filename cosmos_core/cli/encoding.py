"""Telling of image sequences that are made into videos, on stderr: in place on a terminal, else a line each."""

from __future__ import annotations

import json
import sys
import time
from pathlib import PurePath
from typing import TYPE_CHECKING

from cosmos_core.cli.neutral import neutral, painted
from cosmos_core.cli.screen import say, width_of

if TYPE_CHECKING:
    from cosmos_core.runs.frames import Encoding, OnEncoding

_PATIENCE_S = 3.0  # between lines
_EVERY_S = 0.1


def telling(how: str | None) -> OnEncoding | None:
    """What tells of it the way `--progress` says; None for not at all."""
    if how == "none":
        return None
    if how == "jsonl":
        return _tell_json
    return _InPlace() if sys.stderr.isatty() and how != "plain" else _InLines()


def _tell_json(at: Encoding) -> None:
    if at.done in (1, at.count):
        line = {"stage": at.stage, "pattern": at.pattern, "done": at.done, "count": at.count}
        say(json.dumps(line), sys.stderr)
        sys.stderr.flush()


class _InLines:
    """A line for each video that was made, and now and then one while that or a check of pictures lasts."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _PATIENCE_S

    def __call__(self, at: Encoding) -> None:
        now = time.monotonic()
        if at.done == at.count:
            if at.stage != "encoding":
                return
            words = _whole(at)
        elif now < self._next:
            return
        else:
            words = f"{at.stage} {at.pattern}: {at.done} of {at.count} pictures"
        self._next = now + _PATIENCE_S
        say(words, sys.stderr)
        sys.stderr.flush()


class _InPlace:
    """One line that counts, and stays where a video was made."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, at: Encoding) -> None:
        now = time.monotonic()
        if at.done < at.count and now - self._last < _EVERY_S:
            return
        self._last = now
        width = (width_of(sys.stderr) or 80) - 1
        words = f"{at.stage} {PurePath(at.pattern).name}  {at.done}/{at.count}"[:width]
        if at.done == at.count:
            words = f"{_whole(at)}\n" if at.stage == "encoding" else ""
        screen = painted(sys.stderr)
        screen.write("\r\x1b[K" + neutral(words))  # ours to steer with, unlike what is told of
        screen.flush()


def _whole(at: Encoding) -> str:
    return f"encoded {at.pattern}: {at.count} frames at {at.fps:.5g} a second"
