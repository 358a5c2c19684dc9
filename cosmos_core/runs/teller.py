"""What is told of a run's progress: what is news, and how much of it is written down."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from attrs import evolve

from cosmos_core.store import Store
from cosmos_core.store.records import ProgressRecord, RunRecord

_TICK_S = 10.0  # one step of many, within the same percent, is written down as often


class Teller:
    """Tells the progress of one run."""

    def __init__(self, store: Store, run: RunRecord) -> None:
        self._store = store
        self._shown = None if run.progress is None else _shown(run.progress)
        self._fraction: float | None = None
        self._remembered = float("-inf")  # when progress was last written down

    def tell(self, run: RunRecord, stage: str, fraction: float | None, message: str) -> RunRecord | None:
        """The run with that progress, written down now and then; None where it is no news."""
        percentage = None if fraction is None else round(min(max(fraction, 0.0), 1.0) * 100, 1)
        row = ProgressRecord(timestamp=datetime.now(UTC), stage=stage, percentage=percentage, message=message)
        shown, before = _shown(row), self._shown
        if shown == before:
            return None
        self._shown = shown
        first = row if stage == "inference" and percentage and run.first_step is None else None
        ticks = before is not None and shown[:2] == before[:2] and fraction != self._fraction
        self._fraction = fraction
        if first or not ticks or time.monotonic() - self._remembered > _TICK_S:
            self._store.add_progress(run.id, row)
            self._remembered = time.monotonic()
        return evolve(run, progress=row, first_step=first or run.first_step)


def _shown(row: ProgressRecord) -> tuple[str, int | None, str]:
    """What of a row a reader can tell from the next."""
    return row.stage, None if row.percentage is None else int(row.percentage), row.message
