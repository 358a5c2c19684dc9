"""Watching a running job: its log line by line, and the evidence of its end."""

from __future__ import annotations

import time
from collections.abc import Iterator

from cosmos_core.media import warm_up
from cosmos_core.runs.lease import Lease, LeaseLost
from cosmos_core.runs.log import Lines, LogCopy
from cosmos_core.runs.work import Work
from cosmos_core.targets.jobdir import Evidence, JobDir
from cosmos_core.values import Progress

_SHORTEST_S = 0.01
_LONGEST_S = 0.03
_LOOK_EVERY_S = 2.0


class Watch:
    """Follows one job. After `follow`, `evidence` says how it ended; None if it goes on."""

    def __init__(self, *, work: Work, jobdir: JobDir, log: LogCopy, lease: Lease) -> None:
        self.evidence: Evidence | None = None
        self.fraction: float | None = None
        self._jobdir = jobdir
        self._log = log
        self._lease = lease
        self._lines = Lines()
        self._read = work.model.follow_progress(work.job)

    def follow(self, *, once: bool = False) -> Iterator[Progress]:
        """Progress as the log tells it, until the job ends; with `once`, only what is known now."""
        yield from self._remembered()
        if not once:
            warm_up()  # the job is busy now, and its outputs will be looked into
        pause, looked = _SHORTEST_S, time.monotonic()
        while True:
            code = self._jobdir.ended()  # asked before the log is read, so that its last lines are not missed
            quiet = True
            for chunk in self._log.pull():
                quiet = False
                yield from self._told(chunk)
            if code is not None:
                yield from self._of_lines(self._lines.rest())
                self.evidence = Evidence(state="ended", exit_code=code)
                return
            if once or time.monotonic() - looked > _LOOK_EVERY_S:
                looked = time.monotonic()
                evidence = self._jobdir.look()
                if evidence.state not in ("alive", "ended"):
                    for chunk in self._log.pull():  # its last words
                        yield from self._told(chunk)
                    self.evidence = evidence
                    return
                if once and evidence.state == "alive":
                    return
            if self._lease.lost:
                raise LeaseLost
            pause = min(pause * 1.3, _LONGEST_S) if quiet else _SHORTEST_S
            time.sleep(pause)

    def _remembered(self) -> Iterator[Progress]:
        """What the part of the log that is here already comes to: the reader needs all of it, nobody else does."""
        last = None
        for chunk in self._log.kept():
            for progress in self._told(chunk):
                if last is None or last.doomed is None:
                    last = progress
        if last is not None:
            yield last

    def _told(self, chunk: bytes) -> Iterator[Progress]:
        return self._of_lines(self._lines.feed(chunk))

    def _of_lines(self, lines: Iterator[str]) -> Iterator[Progress]:
        for line in lines:
            progress = self._read(line)
            if progress is None:
                continue
            if progress.fraction is not None:
                self.fraction = max(self.fraction or 0.0, progress.fraction)
            yield progress
