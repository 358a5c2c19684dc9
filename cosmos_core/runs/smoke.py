"""The smallest real job of a toolkit, run as any other run, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from attrs import field, frozen

from cosmos_core.config import Config
from cosmos_core.store import Store
from cosmos_core.store.records import ProgressRecord, RunRecord

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
_TAIL_LINES, _TAIL_BYTES = 40, 1 << 16


@frozen(kw_only=True)
class Smoke:
    """One toolkit's smallest job: its run, or why there was none."""

    toolkit: str
    run: RunRecord | None = None
    words: str = ""
    seconds: Mapping[str, float] = field(factory=dict)  # by stage
    exit_code: int | None = None
    log: tuple[str, ...] = ()  # its last lines

    @property
    def outcome(self) -> str:
        """In a word or two."""
        if self.run is None:
            return f"not run: {self.words}"
        return "paused" if self.run.paused is not None and not self.run.ended else self.run.status


def smoke_of(run: RunRecord, toolkit: str, config: Config, store: Store) -> Smoke:
    """What came of a run that was moved as far as it goes."""
    job = store.job(run.job_id) if run.job_id else None
    return Smoke(
        toolkit=toolkit,
        run=run,
        seconds=seconds_by_stage(store.progress(run.id), run.completed_at),
        exit_code=job.exit_code if job else None,
        log=tail(config.outputs_dir / run.id / "run.log"),
    )


def seconds_by_stage(rows: Sequence[ProgressRecord], end: datetime | None) -> dict[str, float]:
    """How long each stage took, by the moments when the next one was told of."""
    seconds: dict[str, float] = {}
    for row, after in zip(rows, [*(row.timestamp for row in rows[1:]), end], strict=True):
        if after is not None:
            seconds[row.stage] = seconds.get(row.stage, 0.0) + max(0.0, (after - row.timestamp).total_seconds())
    return seconds


def tail(log: Path) -> tuple[str, ...]:
    """The last lines of a log as a reader would see them: no colours, and of a bar only its last state."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ()
    plain = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in plain.split("\n"))
    readable = ["".join(c for c in line if c.isprintable() or c == "\t").rstrip() for line in lines]
    while readable and not readable[-1]:
        readable.pop()
    return tuple(readable[-_TAIL_LINES:])
