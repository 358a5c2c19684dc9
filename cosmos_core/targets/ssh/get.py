"""Bringing files from the host, all in one stream.

The host prints the sizes, then the files one after the other, and meanwhile their digests on standard error. No name
that it prints is ever used, so none can lead out of where the files are to be.
"""

from __future__ import annotations

import re
import secrets
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import OnBytes
from cosmos_core.targets.ssh.digests import Digests
from cosmos_core.targets.ssh.files import Seen, records, stat_script
from cosmos_core.targets.ssh.frames import chunks, quote, quoted
from cosmos_core.targets.ssh.words import complaint, here, refusal

if TYPE_CHECKING:
    from cosmos_core.targets.ssh.line import Line

_DIGEST = re.compile(rb"\\?([0-9a-f]{64}) [ *]")


def get(line: Line, files: Mapping[str, Path], *, on_bytes: OnBytes | None) -> Mapping[str, str]:
    """Fetch them beside their places, compare with what the host says of each, and then give them their names."""
    if not files:
        return {}
    end = secrets.token_hex(16)
    with Digests() as digests, _Inbox(line.name, files, end, digests, on_bytes) as inbox:
        said = bytearray()
        with line.errand(_script(list(files), end), transfer=True) as errand:
            for out, err in errand.pieces():
                said += err
                inbox.take(out)
        there = [found[1].decode() for text in said.split(b"\n") if (found := _DIGEST.match(text))]
        if errand.exit_code or not inbox.complete:
            trouble = b"\n".join(text for text in said.split(b"\n") if not _DIGEST.match(text))
            words = complaint(trouble)
            if words is None:
                raise _changed(line.name, inbox.current)
            path = next((path for path in files if path in words), inbox.current)
            raise refusal(line.name, "read", path, words)
        for path, (ours, theirs) in zip(files, zip(inbox.digests, there, strict=False), strict=False):
            if ours != theirs:
                raise _changed(line.name, path)
        if len(there) != len(files):
            raise _changed(line.name, inbox.current)
        inbox.keep()
        return dict(zip(files, inbox.digests, strict=True))


def _changed(host: str, path: str) -> TargetUnusable:
    return TargetUnusable(
        f"{path} on {host} is not what arrived here: it changed meanwhile, or was damaged on the way",
        hint="`cosmos sync` fetches it again",
        transient=True,
    )


def _script(paths: Sequence[str], end: str) -> str:
    digests: list[str] = []
    plain: list[str] = []

    def flush() -> None:
        digests.extend(f"sha256sum -- {quoted(chunk)}" for chunk in chunks(plain))
        plain.clear()

    for path in paths:
        if "\n" in path or "\\" in path:
            # sha256sum would print such a name over several lines, or not, by its version.
            flush()
            digests.append(f"sha256sum <{quote(path)}")
        else:
            plain.append(path)
    flush()
    contents = " && ".join(f"cat -- {quoted(chunk)}" for chunk in chunks(paths))
    sizes = stat_script(paths, end, then=" && ")
    sums = f"{{ {'; '.join(digests)}; }} >&2"
    return f"{sizes} || exit 1; printf '%s\\0' {end}; {sums} & {contents}; code=$?; wait; exit $code"


class _Inbox:
    """The files on this side, as they come in."""

    def __init__(
        self, host: str, files: Mapping[str, Path], end: str, digests: Digests, on_bytes: OnBytes | None
    ) -> None:
        self._host = host
        self._files = list(files.items())
        self._end = end
        self._hash = digests
        self._on_bytes = on_bytes
        self._head = bytearray()
        self._sizes: list[int] | None = None
        self._left = 0
        self._file: BinaryIO | None = None
        self._parts: list[Path] = []
        self.digests: list[str] = []

    def __enter__(self) -> _Inbox:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()
        for part in self._parts:
            part.unlink(missing_ok=True)

    @property
    def complete(self) -> bool:
        """Whether every byte that was announced is here."""
        return self._sizes is not None and len(self.digests) == len(self._files)

    @property
    def current(self) -> str:
        """The file that is coming in."""
        return self._files[min(len(self.digests), len(self._files) - 1)][0]

    def keep(self) -> None:
        """Give all files their names."""
        for part, (_, to) in zip(self._parts, self._files, strict=True):
            with here(str(to)):
                part.replace(to)
        self._parts = []

    def take(self, data: bytes) -> None:
        """The next bytes of the stream."""
        if self._sizes is None:
            self._head += data
            head, found, rest = bytes(self._head).partition(self._end.encode() + b"\0")
            if not found:
                return
            self._announce(head)
            data = rest
            self._open_next()
        view = memoryview(data)
        while len(view) and self._file:
            piece = bytes(view[: self._left])
            view = view[len(piece) :]
            self._write(piece)

    def _announce(self, head: bytes) -> None:
        seen = {one.path: one for one in records(head, self._end)}
        self._sizes = [self._size(path, seen.get(path)) for path, _ in self._files]

    def _size(self, path: str, seen: Seen | None) -> int:
        if seen is None:
            raise refusal(self._host, "read", path, "it is not there")
        if not stat.S_ISREG(seen.mode):
            words = "Is a directory" if stat.S_ISDIR(seen.mode) else "it is no plain file"
            raise refusal(self._host, "read", path, words)
        return seen.size

    def _open_next(self) -> None:
        """Begin the next file; an empty one is all there already."""
        assert self._sizes is not None
        while len(self._parts) < len(self._files):
            to = self._files[len(self._parts)][1]
            part = to.with_name(f".{to.name}.part")
            with here(str(to)):
                to.parent.mkdir(parents=True, exist_ok=True)
                part.unlink(missing_ok=True)
                self._file = part.open("xb")
            self._left = self._sizes[len(self._parts)]
            self._parts.append(part)
            if self._left:
                return
            self._close()

    def _write(self, piece: bytes) -> None:
        assert self._file is not None
        with here(str(self._files[len(self._parts) - 1][1])):
            self._file.write(piece)
        self._hash.add(piece)
        self._left -= len(piece)
        if self._on_bytes:
            self._on_bytes(len(piece))
        if not self._left:
            self._close()
            self._open_next()

    def _close(self) -> None:
        assert self._file is not None
        with here(str(self._files[len(self._parts) - 1][1])):
            self._file.close()
        self._file = None
        self.digests.append(self._hash.end())
