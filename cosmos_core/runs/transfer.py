"""Telling of bytes on their way: how much of it is done, and how fast."""

from __future__ import annotations

import time
from collections.abc import Callable

from cosmos_core.amounts import size

_EVERY_S = 0.5


class Transfer:
    """Called with the bytes that are done and all there are; `tell` hears of it now and then, as share and words."""

    def __init__(self, tell: Callable[[float | None, str], None]) -> None:
        self._tell = tell
        self._since = (time.monotonic(), 0)
        self._told = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done < total and now - self._told < _EVERY_S:
            return
        words = f"{size(done)} of {size(total)}"
        began, before = self._since
        if self._told or done == total:
            words += f", {size(round((done - before) / max(now - began, 0.001)))}/s"
        else:
            self._since = (now, done)  # an earlier try may have left much of it
        self._told = now
        self._tell(done / total if total else None, words)

    def wait(self) -> None:
        """Tell that somebody else's bytes are on their way."""
        self._tell(None, "waiting for the same file, sent by another run")
