"""Following a job's log by byte offset: nothing twice, nothing missed."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from cosmos_core.errors import TargetUnusable

_ENDS = re.compile(r"\r\n|\n|\r")
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CHUNK = 1 << 20


class Lines:
    """Bytes in, whole lines out; a line ends at `\\n` or `\\r`, colour codes are removed."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that `data` completes."""
        *whole, self._rest = _ENDS.split(self._rest + self._decoder.decode(data))
        return (_COLOUR.sub("", line) for line in whole if line)

    def rest(self) -> Iterator[str]:
        """What was never ended."""
        last, self._rest = self._rest, ""
        return iter([_COLOUR.sub("", last)] if last else [])


class LogCopy:
    """The copy of run.log on this machine. Its own size is the offset, so that a crash loses or doubles nothing."""

    def __init__(self, copy: Path) -> None:
        self.path = copy
        try:
            copy.parent.mkdir(parents=True, exist_ok=True)
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
            with self.path.open("r+b" if self.path.exists() else "wb") as file:
                file.seek(self.offset)
                file.write(chunk)
        except OSError as error:
            raise _not_kept(self.path, error) from error
        self.offset += len(chunk)


def _not_kept(path: Path, error: OSError) -> TargetUnusable:
    return TargetUnusable(
        f"cannot keep the log at {path}: {error.strerror}",
        hint="make room or correct the permissions, then `cosmos sync`",
    )
