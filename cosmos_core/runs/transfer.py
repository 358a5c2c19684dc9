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
        self._began = time.monotonic()
        self._told = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done < total and now - self._told < _EVERY_S:
            return
        self._told = now
        rate = round(done / max(now - self._began, 0.001))
        self._tell(done / total if total else None, f"{size(done)} of {size(total)}, {size(rate)}/s")
