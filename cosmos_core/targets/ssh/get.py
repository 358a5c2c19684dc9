"""Bringing files from the host, all in one stream.

The host prints the sizes, then the files one after the other, each from where on it is wanted, and meanwhile their
digests on standard error. No name that it prints is ever used, so none can lead out of where the files are to be.
"""

from __future__ import annotations

import itertools
import re
import secrets
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import OnBytes
from cosmos_core.targets.ssh.digests import Digests
from cosmos_core.targets.ssh.files import Seen, records, stat_script
from cosmos_core.targets.ssh.frames import chunks, quote, quoted
from cosmos_core.targets.ssh.inbox import Inbox
from cosmos_core.targets.ssh.sums import ASKED, FAST
from cosmos_core.targets.ssh.words import complaint, refusal
from cosmos_core.targets.told import Told

if TYPE_CHECKING:
    from cosmos_core.targets.ssh.line import Line

# To take each packet as it comes costs more in switching between threads than in moving bytes.
_HANDFUL = 1 << 20
_MORE_S = 0.002
_DIGEST = re.compile(rb"\\?([0-9a-f]{64}) [ *]")


def get(line: Line, files: Mapping[str, Path], *, on_bytes: OnBytes | None) -> Mapping[str, str]:
    """Fetch them beside their places, compare with what the host says of each, and then give them their names."""
    if not files:
        return {}
    told = Told(on_bytes)
    for _ in range(2):
        with Digests() as digests, Inbox(files, digests, told) as inbox:
            wrong = _fetch(line, list(files), inbox)
            if not wrong:
                inbox.keep()
                return inbox.digests
            if not inbox.throw_away(wrong):
                break  # what is wrong is all new: something changes there, or on the way
    raise _changed(line.name, wrong[0])


def digest(line: Line, path: str) -> str:
    """The SHA-256 of a file there."""
    with line.errand(f"{FAST}{ASKED}asked sum_of {quote(path)}") as errand:
        done = errand.finish(ends_input=False)
    found = _DIGEST.match(done.out)
    if done.exit_code or not found:
        raise refusal(line.name, "read", path, complaint(done.err) or "")
    return found[1].decode()


def _fetch(line: Line, paths: Sequence[str], inbox: Inbox) -> list[str]:
    """Fill the inbox; the files that are not what the host says they are."""
    end = secrets.token_hex(16)
    said = bytearray()
    head: bytearray | None = bytearray()
    with line.errand(_script(paths, inbox.offsets, end), transfer=True) as errand:
        for out, err in errand.pieces():
            said += err
            if head is None:
                inbox.take(out)
                if len(out) < _HANDFUL:
                    time.sleep(_MORE_S)
                continue
            head += out
            sizes, mark, rest = bytes(head).partition(end.encode() + b"\0")
            if mark:
                if shorter := inbox.announce(_sizes(line.name, paths, sizes, end)):
                    return shorter
                head = None
                inbox.take(rest)
    there = [found[1].decode() for text in said.split(b"\n") if (found := _DIGEST.match(text))]
    if errand.exit_code or not inbox.complete:
        trouble = b"\n".join(text for text in said.split(b"\n") if not _DIGEST.match(text))
        words = complaint(trouble)
        if words is None:
            return [inbox.current]
        path = next((path for path in paths if path in words), inbox.current)
        raise refusal(line.name, "read", path, words)
    return [path for path, theirs in itertools.zip_longest(paths, there) if inbox.digests.get(path) != theirs]


def _changed(host: str, path: str) -> TargetUnusable:
    return TargetUnusable(
        f"{path} on {host} is not what arrived here: it changed meanwhile, or was damaged on the way",
        hint="`cosmos sync` fetches it again",
        transient=True,
    )


def _sizes(host: str, paths: Sequence[str], head: bytes, end: str) -> Mapping[str, int]:
    seen = {one.path: one for one in records(head, end)}
    return {path: _size(host, path, seen.get(path)) for path in paths}


def _size(host: str, path: str, seen: Seen | None) -> int:
    if seen is None:
        raise refusal(host, "read", path, "it is not there")
    if not stat.S_ISREG(seen.mode):
        words = "Is a directory" if stat.S_ISDIR(seen.mode) else "it is no plain file"
        raise refusal(host, "read", path, words)
    return seen.size


def _script(paths: Sequence[str], offsets: Mapping[str, int], end: str) -> str:
    sums = " && ".join(_sums(paths))
    sizes = stat_script(paths, end, then=" && ")
    contents = " && ".join(_contents(paths, offsets))
    # Where not all could be read nobody waits for the digests: we hang up, and that ends them.
    return (
        f"{sizes} || exit 1; printf '%s\\0' {end}; "
        f"{FAST}{ASKED}{{ {sums}; }} >&2 & digests=$!; {{ {contents}; }} || exit; wait $digests; exit 0"
    )


def _sums(paths: Sequence[str]) -> Iterator[str]:
    """A digest of each. Of a name that would be printed over several lines, or not, by the program's version, none."""
    for odd, run in itertools.groupby(paths, lambda path: "\n" in path or "\\" in path):
        if odd:
            yield from (f"asked sum_of {quote(path)}" for path in run)
        else:
            yield from (f"asked sums {quoted(chunk)}" for chunk in chunks(list(run)))


def _contents(paths: Sequence[str], offsets: Mapping[str, int]) -> Iterator[str]:
    """The bytes of each from where on they are wanted."""
    for new, run in itertools.groupby(paths, lambda path: not offsets[path]):
        if new:
            yield from (f"cat -- {quoted(chunk)}" for chunk in chunks(list(run)))
        else:
            yield from (f"tail -c +{offsets[path] + 1} -- {quote(path)}" for path in run)
