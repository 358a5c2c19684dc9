"""Bringing a file to the host, by a part file there that is named by the content: a link that breaks costs nothing
that has arrived, and whoever comes next, from whatever machine, goes on with it.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import threading
import time
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import OnBytes, OnWait
from cosmos_core.targets.room import check_room
from cosmos_core.targets.ssh.claim import Turns
from cosmos_core.targets.ssh.frames import quote
from cosmos_core.targets.ssh.receive import OTHER, SHORT, Delivery, verification
from cosmos_core.targets.ssh.words import complaint, here, lost, refusal
from cosmos_core.targets.told import Told

if TYPE_CHECKING:
    from cosmos_core.targets.ssh.errand import Errand
    from cosmos_core.targets.ssh.line import Line

_CHUNK = 1 << 20
_DIGEST = re.compile(rb"([0-9a-f]{64})\b")
_STALLED_S = 60.0  # how long the bytes of somebody else may stand still
_PAUSES_S = (0.2, 0.5, 1.0)  # between looks at how far they are; the last one again and again


class Senders:
    """What the uploads over one connection have in common."""

    def __init__(self) -> None:
        self.mark = secrets.token_hex(8)
        self.turns = Turns()


def put(
    line: Line,
    senders: Senders,
    source: Path,
    to: str,
    *,
    mode: int,
    sha256: str | None,
    mtime: int | None,
    more: int,
    on_bytes: OnBytes | None,
    on_wait: OnWait | None,
) -> str:
    """Send what the host has not got of it, look at what is there then, and only then give it its name."""
    with here(str(source), "read"):
        file = source.open("rb")
    with file:
        delivery = Delivery(
            source=source,
            to=to,
            size=os.fstat(file.fileno()).st_size,
            sha256=sha256 or _digest_of(file, source),
            mode=mode,
            mtime=mtime,
            more=more,
            mark=senders.mark,
            told=Told(on_bytes),
            on_wait=on_wait,
        )
        with senders.turns.take(delivery.part, on_wait):
            for _ in range(2):  # what an earlier try left there may be wrong: it is thrown away then
                if _bring(line, delivery, file) == delivery.sha256:
                    return delivery.sha256
                if (ours := _digest_of(file, source)) != delivery.sha256:
                    return ours
    raise lost(line.name, f"what arrived as {to} is not what was sent")


def verify(line: Line, path: str, sha256: str, *, mtime: int) -> bool:
    """Whether a file there has that content; it is given that time then."""
    with line.errand(verification(path, sha256, mtime), transfer=True) as errand:
        done = errand.finish(ends_input=False)
    if done.exit_code not in (0, OTHER):
        raise refusal(line.name, "read", path, complaint(done.err) or "")
    return done.exit_code == 0


def _digest_of(file: BufferedReader, source: Path) -> str:
    with here(str(source), "read"):
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _bring(line: Line, delivery: Delivery, file: BufferedReader) -> str:
    """The digest of what is there in the end, whoever sent it."""
    stuck = ""
    while True:
        with line.errand(delivery.receive(stuck), transfer=True) as errand:
            (word, *words), complaints = _opening(errand)
            if word == "have":
                have = int(words[0])
                _check_room(line, delivery, have, words[1:])
                return _send(line, delivery, errand, file, have)
            done = errand.finish()
        if word == "there":
            delivery.told(delivery.size)
            return delivery.sha256
        if word != "held":
            raise refusal(line.name, "write", delivery.to, complaint(complaints + done.err) or "")
        stuck = _wait(line, delivery)


def _opening(errand: Errand) -> tuple[list[str], bytes]:
    """The words of the first line that the host says, and what it complained of so far."""
    said, complaints = b"", b""
    for out, err in errand.pieces():
        said += out
        complaints += err
        if b"\n" in said:
            break
    return said.partition(b"\n")[0].decode("utf-8", "replace").split() or [""], complaints


def _check_room(line: Line, delivery: Delivery, have: int, df: list[str]) -> None:
    """By what `df -P -k` says: the disk, its size, used, free, %, where it is mounted. Not where it says nothing."""
    if len(df) >= 6 and df[3].isdecimal():
        needed = delivery.size - have + delivery.more
        place = " ".join(df[5:])
        check_room(f"on {line.name}", delivery.to, needed=needed, free=int(df[3]) * 1024, disk=place)


def _send(line: Line, delivery: Delivery, errand: Errand, file: BufferedReader, have: int) -> str:
    """Send the rest; the digest of all that is there then."""
    delivery.told(have)
    file.seek(have)
    there = have
    while there < delivery.size:
        with here(str(delivery.source), "read"):
            chunk = file.read(min(_CHUNK, delivery.size - there))
        if not chunk or not errand.send(chunk):
            break
        there += len(chunk)
        delivery.told(there)
    done = errand.finish()
    said = complaint(done.err) or ""
    if said == SHORT:
        line.ask(f"rm -f -- {quote(delivery.part)}")
        raise TargetUnusable(f"{delivery.source} changed while it was sent", hint="`cosmos sync` sends it again")
    if done.exit_code:
        raise refusal(line.name, "write", delivery.to, said)
    digest = _DIGEST.search(done.out)
    if digest is None:
        raise lost(line.name, f"nothing was said of what arrived as {delivery.to}")
    return digest[1].decode()


def _wait(line: Line, delivery: Delivery) -> str:
    """Until nobody else sends it any more; who still claims to, where nothing has come from them for a while."""
    pauses = iter(_PAUSES_S)
    pause, seen, since = 0.0, "", time.monotonic()
    while True:
        if delivery.on_wait:
            delivery.on_wait()
        pause = next(pauses, pause)
        threading.Event().wait(pause)
        said = line.ask(delivery.look).text
        if said.startswith("free"):
            return ""
        if said != seen:
            seen, since = said, time.monotonic()
        elif time.monotonic() - since > _STALLED_S:
            return said.partition("\n")[0]
