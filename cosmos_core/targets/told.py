"""Telling how many bytes are where they should be."""

from __future__ import annotations

from cosmos_core.targets.host import OnBytes


class Told:
    """Hears how many there are, and says how many more; what comes a second time is not told twice."""

    def __init__(self, on_bytes: OnBytes | None) -> None:
        self._on_bytes = on_bytes
        self._told = 0

    def __call__(self, there: int) -> None:
        if self._on_bytes and there > self._told:
            self._on_bytes(there - self._told)
        self._told = max(there, self._told)
