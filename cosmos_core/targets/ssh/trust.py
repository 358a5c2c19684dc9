"""Getting to know a host: the key it offers, shown to a person before anything is stored."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Collection
from pathlib import Path

import paramiko
from attrs import frozen

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.ssh import known
from cosmos_core.targets.ssh.config import Hop, way_to
from cosmos_core.targets.ssh.connection import Way
from cosmos_core.targets.ssh.words import here


@frozen(kw_only=True)
class OfferedKey:
    """The key of the first machine on the way that is not known, or of the host itself if all are."""

    host: str
    port: int
    known_as: str  # its name in known_hosts files
    key_type: str
    fingerprint: str  # SHA256:..., as OpenSSH prints it
    file: Path  # where it will be stored
    known: bool  # nothing needs to be stored
    words: str  # how it is known, or what is wrong with its certificate
    changed: bool  # another key is known for this machine
    old_fingerprint: str | None
    via: tuple[str, ...]  # the machines between here and there
    blob: bytes
    hashed: bool


def offered_key(host_name: str, timeout: float) -> OfferedKey:
    """Go as far as the key exchange, through jump hosts whose own keys are known, and see what is offered.

    Raises TargetUnusable where that is not possible, and for a key that is revoked.
    """
    hops = way_to(host_name)
    way = Way(timeout)
    try:
        for index, hop in enumerate(hops):
            key = way.greet(hop)
            verdict = known.judge(hop, key)
            if verdict.revoked:
                known.check(hop, key)
            if not verdict.right or hop is hops[-1]:
                return _offered(hop, key, verdict, tuple(before.label for before in hops[:index]))
            way.log_in(hop)
    finally:
        way.close()
    raise AssertionError("a way has an end")


def _offered(hop: Hop, key: paramiko.PKey, verdict: known.Verdict, via: tuple[str, ...]) -> OfferedKey:
    files = [file for file in hop.user_known_hosts if file != Path(os.devnull)]
    if not files and not verdict.right:
        raise TargetUnusable(
            f"there is nowhere to store the host key of {hop.label}: UserKnownHostsFile is not set to a file",
            hint="give it one in ~/.ssh/config, e.g. `UserKnownHostsFile ~/.ssh/known_hosts`",
        )
    return OfferedKey(
        host=hop.hostname,
        port=hop.port,
        known_as=hop.known_as,
        key_type=key.get_name(),
        fingerprint=known.fingerprint(key.asbytes()),
        file=files[0] if files else Path(os.devnull),
        known=verdict.right,
        words=verdict.words,
        changed=verdict.old is not None,
        old_fingerprint=known.fingerprint(verdict.old.blob) if verdict.old else None,
        via=via,
        blob=key.asbytes(),
        hashed=hop.hash_known_hosts,
    )


def store_key(offered: OfferedKey) -> None:
    """Write a key into the user's file, in place of what was known of that type. Every other line stays as it is."""
    name = paramiko.HostKeys.hash_host(offered.known_as) if offered.hashed else offered.known_as
    line = f"{name} {offered.key_type} {base64.b64encode(offered.blob).decode()}\n"
    with here(str(offered.file)):
        offered.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = offered.file.resolve()  # people keep it elsewhere and link to it
        old = file.read_text("utf-8", "surrogateescape") if file.exists() else ""
        if old and not old.endswith("\n"):
            old += "\n"
        stale = {
            one.line
            for one in known.lines_in(offered.file, offered.known_as)
            if one.key_type == offered.key_type and not one.marker
        }
        _replace(file, _without(old, stale, offered.known_as) + line)


def _without(text: str, stale: Collection[int], name: str) -> str:
    """The lines that stay; one that names other hosts, too, stays for those."""
    kept: list[str] = []
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if number in stale:
            names, *rest = line.split(maxsplit=1)
            others = [one for one in names.split(",") if one.lower() != name and not one.startswith("|")]
            if not others:
                continue
            line = " ".join((",".join(others), *rest))
        kept.append(line)
    return "".join(kept)


def _replace(file: Path, text: str) -> None:
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o600
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as part:
            part.write(text)
        Path(name).chmod(mode)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
