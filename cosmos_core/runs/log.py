"""Following a job's log by byte offset: nothing twice, nothing missed."""

from __future__ import annotations

import codecs
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cosmos_core.errors import TargetUnusable
from cosmos_core.private import make_file, make_folder
from cosmos_core.store.records import RunRecord
from cosmos_core.targets.host import Host, Span

_ENDS = re.compile(r"\r\n|\n|\r")
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CHUNK = 1 << 20
_POLL_S = 0.25
LONGEST = 1 << 14
"""Characters of a line that are looked at. A log may be gigabytes without an end of a line."""


class Lines:
    """Bytes in, whole lines out; a line ends at `\\n` or `\\r`, colour codes and what is too long are removed."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that `data` completes."""
        if len(self._rest) == LONGEST and b"\n" not in data and b"\r" not in data:
            self._decoder.reset()
            return iter(())  # more of what is too long
        *whole, rest = _ENDS.split(self._rest + self._decoder.decode(data))
        self._rest = rest[:LONGEST]
        return (_COLOUR.sub("", line[:LONGEST]) for line in whole if line)

    def rest(self) -> Iterator[str]:
        """What was never ended."""
        last, self._rest = self._rest, ""
        return iter([_COLOUR.sub("", last)] if last else [])


class LogCopy:
    """The copy of run.log on this machine. Its own size is the offset, so that a crash loses or doubles nothing."""

    def __init__(self, copy: Path) -> None:
        self.path = copy
        try:
            make_folder(copy.parent)
            self.offset = copy.stat().st_size if copy.exists() else 0
        except OSError as error:
            raise _not_kept(copy, error) from error

    def kept(self) -> Iterator[bytes]:
        """What is here already."""
        if self.path.exists():
            with self.path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk

    def keep(self, chunk: bytes) -> None:
        """Keep what comes next."""
        if not chunk:
            return
        try:
            make_file(self.path)
            with self.path.open("r+b") as file:
                file.seek(self.offset)
                file.write(chunk)
        except OSError as error:
            raise _not_kept(self.path, error) from error
        self.offset += len(chunk)


def read_log(
    run: RunRecord, host: Host, *, remote: str, copy: Path, now: Callable[[], RunRecord] | None, pause: float
) -> Iterator[bytes]:
    """A run's log from its beginning: what the host has while it works, and of what ended the copy.

    With `now`, which tells the run as it is, it goes on until that has ended or stands still.
    """
    offset = 0
    while True:
        run = now() if now else run
        done = now is None or run.ended or run.paused is not None
        chunk = b"..."
        while chunk:
            (chunk,) = host.read([Span(remote, offset)]) if not run.ended else (b"",)
            if not chunk and copy.exists():
                with copy.open("rb") as file:
                    file.seek(offset)
                    chunk = file.read(CHUNK)
            offset += len(chunk)
            yield chunk
        if done:
            return
        time.sleep(max(_POLL_S, pause))


def _not_kept(path: Path, error: OSError) -> TargetUnusable:
    return TargetUnusable(
        f"cannot keep the log at {path}: {error.strerror}",
        hint="make room or correct the permissions, then `cosmos sync`",
    )
