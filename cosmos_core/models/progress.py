"""Reading progress out of log lines: the core's own `@cosmos {json}` first, then the plugin's reader."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cosmos_core
from cosmos_core.errors import PluginError
from cosmos_core.models.bounds import Bound, within
from cosmos_core.models.fence import PASSES

if TYPE_CHECKING:
    from cosmos_core.values import LineReader, Progress

MARK = "@cosmos "


def read_marked(line: str) -> Progress | None:
    """The progress in a line `@cosmos {"fraction": 0.5, "message": "...", "stage": "...", "request": "..."}`.

    Every key may be left out; None for any other line.
    """
    if not line.startswith(MARK):
        return None
    try:
        said = json.loads(line[len(MARK) :])
    except (ValueError, RecursionError):  # the latter for what is nested a thousand deep
        return None
    if not isinstance(said, dict):
        return None
    words = {k: said[k] for k in ("message", "stage", "request") if isinstance(said.get(k), str)}
    return cosmos_core.Progress(fraction=_fraction(said.get("fraction")), **words)


def _fraction(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        return None
    return min(1.0, max(0.0, float(value)))


class FencedReader:
    """A line reader that cannot raise: a plugin's reader that fails is reported once, then left alone."""

    def __init__(self, reader: LineReader | None, bound: Bound, fault: Callable[[BaseException], PluginError]) -> None:
        self._reader = reader
        self._bound = bound
        self._fault = fault
        self.broken: PluginError | None = None

    def __call__(self, line: str) -> Progress | None:
        marked = read_marked(line)
        if marked is not None or self._reader is None or self.broken:
            return marked
        try:
            progress = within(self._bound, self._reader, line)
            if progress is not None and not isinstance(progress, cosmos_core.Progress):
                raise TypeError(f"a line reader answers Progress or None, not {type(progress).__name__}")
        except PASSES:
            raise
        except BaseException as error:  # noqa: BLE001  the job goes on without its progress
            self.broken = self._fault(error)
            import logging

            logging.getLogger(__name__).warning("%s; its progress is not shown", self.broken.message)
            return None
        return progress
