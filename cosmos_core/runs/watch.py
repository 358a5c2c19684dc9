"""Watching a running job: its log line by line, and the evidence of its end."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from cosmos_core.errors import TargetUnusable
from cosmos_core.media import warm_up
from cosmos_core.runs.lease import Lease, LeaseLost
from cosmos_core.runs.log import CHUNK, Lines, LogCopy
from cosmos_core.runs.work import Work
from cosmos_core.targets.host import Span
from cosmos_core.targets.jobdir import Evidence, JobDir
from cosmos_core.targets.rounds import Rounds
from cosmos_core.values import Progress

_CODE = re.compile(rb"[0-9]{1,3}")


class Watch:
    """Follows one job. After `follow`, `evidence` says how it ended or stands; None if it goes on."""

    def __init__(self, *, work: Work, jobdir: JobDir, rounds: Rounds, log: LogCopy, lease: Lease) -> None:
        self.evidence: Evidence | None = None
        self.fraction: float | None = None
        self._jobdir = jobdir
        self._rounds = rounds
        self._log = log
        self._lease = lease
        self._lines = Lines()
        self._read = work.model.follow_progress(work.job)

    def follow(self, *, once: bool = False) -> Iterator[Progress]:
        """Progress as the log tells it, until the job ends; with `once`, only what is known now.

        What one look brings is told by its last word: nobody saw when the rest of it was written.
        """
        yield from self._remembered()
        if not once:
            warm_up()  # the job is busy now, and its outputs will be looked into
        began = looked = time.monotonic()
        pause = 0.0
        while True:
            code, chunk = self._look(0.0 if once else pause)
            yield from self._told(chunk)
            if len(chunk) == CHUNK:
                pause = 0.0  # there is more of it
                continue
            if code is not None:
                yield from self._last(self._lines.rest())
                self.evidence = Evidence(state="ended", exit_code=code)
                return
            if once or time.monotonic() - looked > self._rounds.closely:
                # those who watch other jobs there are due soon as well: from then on all look at once
                evidence = self._rounds.look(self._jobdir, pause=0.0 if once else self._rounds.longest)
                looked = time.monotonic()
                if evidence.state not in ("alive", "ended"):
                    _, chunk = self._look(0.0)  # its last words
                    yield from self._told(chunk)
                    self.evidence = evidence
                    return
                if once and evidence.state == "alive":
                    return
            if self._lease.lost:
                raise LeaseLost
            pause = self._rounds.pause(time.monotonic() - began)

    def _look(self, pause: float) -> tuple[int | None, bytes]:
        """The exit code if there is one, and what is new in the log; in this order, so that nothing is missed."""
        spans = (
            Span(self._jobdir.at("exit_code"), 0, 16),
            Span(self._jobdir.at("run.log"), self._log.offset, CHUNK),
        )
        code, chunk = self._rounds.read(spans, pause=pause)
        self._log.keep(chunk)
        told = code.strip()
        if told and not _CODE.fullmatch(told):
            raise TargetUnusable(
                f"{self._jobdir.at('exit_code')} on {self._jobdir.host.name} holds no exit code: {told!r}",
                hint="look into that folder there; `cosmos sync` looks again",
            )
        return (int(told) if told else None), chunk

    def _remembered(self) -> Iterator[Progress]:
        """What the part of the log that is here already comes to: the reader needs all of it, nobody else does."""
        return self._last(line for chunk in self._log.kept() for line in self._lines.feed(chunk))

    def _told(self, chunk: bytes) -> Iterator[Progress]:
        return self._last(self._lines.feed(chunk))

    def _last(self, lines: Iterator[str]) -> Iterator[Progress]:
        """The last progress in some lines, or that which dooms the job."""
        last = None
        for progress in self._of_lines(lines):
            if last is None or last.doomed is None:
                last = progress
        if last is not None:
            yield last

    def _of_lines(self, lines: Iterator[str]) -> Iterator[Progress]:
        for line in lines:
            progress = self._read(line)
            if progress is None:
                continue
            if progress.fraction is not None:
                self.fraction = max(self.fraction or 0.0, progress.fraction)
            yield progress
