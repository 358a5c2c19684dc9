"""What can go wrong with a host reached over SSH, in words."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
from collections.abc import Collection, Iterable, Iterator

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.ssh.config import Hop

ABSENT = (os.strerror(errno.ENOENT), os.strerror(errno.ENOTDIR))
_FULL = (errno.ENOSPC, errno.EDQUOT)
_MAKE_ROOM = "make room there, then `cosmos sync` goes on with the run"
_CHECK = "check that it is there, its owner and its permissions, then `cosmos sync`"
_REASONS = {os.strerror(number) for number in errno.errorcode}


def unreachable(label: str, cause: str, *, hint: str = "") -> TargetUnusable:
    """A host that no connection can be made to at this moment."""
    words = hint or "check the network and that the machine is up; `ssh` to it should work"
    return TargetUnusable(f"{label} cannot be reached: {cause}", hint=words, transient=True)


def slow(hop: Hop, cause: str) -> TargetUnusable:
    """A machine that keeps us waiting on our way in, until our connect_timeout is over."""
    hint = f"see how long `ssh {hop.name} true` takes; if it succeeds in the end, set a longer connect_timeout"
    return unreachable(hop.label, cause, hint=hint)


def lost(label: str, cause: str = "the connection was lost") -> TargetUnusable:
    """A host that was there and gives no answer any more."""
    return TargetUnusable(
        f"{label} does not answer: {cause}", hint="`cosmos sync` goes on once it is back", transient=True
    )


def why(error: Exception) -> str:
    """What the network had against it, as people say it."""
    if isinstance(error, socket.gaierror):
        return f"its name is not known ({(error.strerror or str(error)).lower()})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error).strip() or "the connection was closed"


def complaint(said: bytes, ignore: Collection[str] = (), names: Iterable[str] = ()) -> str | None:
    """The first line of a program's complaints whose reason is not to be ignored.

    `names` are what it may have complained of: some programs print them as they are, newlines and all.
    """
    for name in names:
        if "\n" in name:
            said = said.replace(os.fsencode(name), os.fsencode(name.replace("\n", "?")))
    for line in said.decode("utf-8", "replace").split("\n"):
        if line.strip() and _reason(line) not in ignore:
            return line.strip()
    return None


def _reason(line: str) -> str:
    """The operating system's words at the end of a complaint."""
    return line.rpartition(": ")[2].strip()


def refusal(host: str, verb: str, path: str, said: str) -> TargetUnusable:
    """A file that the host would not have read or written, from what its programs said of it."""
    reason = _reason(said)
    if reason in {os.strerror(number) for number in _FULL} or "Wrote only" in said:  # the latter is tar's
        return TargetUnusable(f"no space left on {host} for {path}", hint=_MAKE_ROOM)
    if "not found" in said and re.search(r"\b(stat|tar|sha256sum|find|tail|tee)\b", said):
        return TargetUnusable(
            f"{host} lacks a program that is needed there: {said}", hint="install coreutils, findutils and tar there"
        )
    words = reason if reason in _REASONS else said
    return TargetUnusable(f"cannot {verb} {path} on {host}: {words or 'no reason was given'}", hint=_CHECK)


@contextlib.contextmanager
def here(path: str, verb: str = "write") -> Iterator[None]:
    """What this machine's own operating system refuses, in words."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise TargetUnusable(f"no space left here for {path}", hint=_MAKE_ROOM.replace("there", "here")) from error
        raise TargetUnusable(f"cannot {verb} {error.filename or path}: {error.strerror}", hint=_CHECK) from error
