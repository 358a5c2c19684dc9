"""Bringing a file to the host."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import OnBytes
from cosmos_core.targets.ssh.digests import Digests
from cosmos_core.targets.ssh.frames import quote
from cosmos_core.targets.ssh.words import complaint, here, lost, refusal

if TYPE_CHECKING:
    from cosmos_core.targets.ssh.errand import Errand
    from cosmos_core.targets.ssh.line import Line

_CHUNK = 1 << 20
_SHORT = "not all of it arrived"
_DIGEST = re.compile(rb"([0-9a-f]{64})\b")


def put(line: Line, source: Path, to: str, *, mode: int, sha256: str | None, on_bytes: OnBytes | None) -> str:
    """Send it beside its place, look at what arrived there, and only then give it its name."""
    with here(str(source), "read"):
        file = source.open("rb")
    with file, Digests() as digests:
        size = os.fstat(file.fileno()).st_size
        with line.errand(_script(to, size, mode, sha256), transfer=True) as errand:
            sent = _send(errand, file, source, size, digests, on_bytes)
            done = errand.finish()
        digest = digests.end()
    if done.exit_code:
        said = complaint(done.err) or ""
        if said == _SHORT:
            raise TargetUnusable(f"{source} changed while it was sent", hint="`cosmos sync` sends it again")
        raise refusal(line.name, "write", to, said)
    arrived = _DIGEST.match(done.out)
    if sent < size or arrived is None or arrived[1].decode() != digest:
        raise lost(line.name, f"what arrived as {to} is not what was sent")
    return digest


def _send(errand: Errand, file: BinaryIO, source: Path, size: int, digests: Digests, on_bytes: OnBytes | None) -> int:
    """Send that much of the file, or as much as the host takes; how much it was."""
    sent = 0
    while sent < size:
        with here(str(source), "read"):
            chunk = file.read(min(_CHUNK, size - sent))
        if not chunk:
            break
        digests.add(chunk)
        if not errand.send(chunk):
            break
        sent += len(chunk)
        if on_bytes:
            on_bytes(len(chunk))
    return sent


def _script(to: str, size: int, mode: int, sha256: str | None) -> str:
    """What the host does with the file on its standard input; prints the digest of what arrived.

    A connection that breaks looks like the end of the file there, hence the size.
    """
    place = PurePosixPath(to)
    partial = place.with_name(f".{place.name[:100]}.{secrets.token_hex(4)}.part")
    return "; ".join(
        (
            f"umask 077; part={quote(str(partial))}; to={quote(to)}",
            f"mkdir -p -- {quote(str(place.parent))} || exit 1",
            '[ ! -d "$to" ] || { echo "$to: Is a directory" >&2; exit 1; }',
            "trap 'rm -f -- \"$part\"' EXIT; trap 'exit 1' HUP INT TERM PIPE",
            # On a full disk stop at once, where tee can do that.
            "stop=--output-error=exit; tee $stop </dev/null >/dev/null 2>&1 || stop=",
            'digest=$(tee $stop -- "$part" | sha256sum) && [ -e "$part" ] || exit 1',
            f'[ "$(wc -c <"$part")" -eq {size} ] || {{ echo {quote(_SHORT)} >&2; exit 1; }}',
            f'chmod {mode:o} -- "$part" && echo "$digest"',
            f'case "$digest" in {quote(sha256) if sha256 else ""}*) mv -f -- "$part" "$to" || exit 1;; esac',
        )
    )
