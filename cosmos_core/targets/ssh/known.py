"""Host keys: what the known_hosts files hold, and what is said of a key that is not among them.

`ssh-keygen -F` reads the files, so that hashed names, patterns, ports and markers mean what they mean to ssh.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import paramiko
from attrs import frozen

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.ssh.certificate import SUFFIX, Certificate, certificate_of
from cosmos_core.targets.ssh.config import Hop

_FOUND = re.compile(r"# Host .* found: line (\d+) ?(REVOKED|CA)?\s*")
_TRUST = "`cosmos targets trust NAME` shows and stores it"


@frozen(kw_only=True)
class Known:
    """One line of a known_hosts file."""

    file: Path
    line: int
    marker: Literal["", "REVOKED", "CA"]
    key_type: str
    blob: bytes


@frozen(kw_only=True)
class Verdict:
    """What the known_hosts files say of a key. `old` is another key that they hold for the host."""

    right: bool
    revoked: Known | None = None
    old: Known | None = None
    authority: Known | None = None  # who vouches for it, or should
    not_vouched: str = ""  # why that is not enough

    @property
    def words(self) -> str:
        """How it is known, or what is wrong with its certificate."""
        where = f"the authority in {self.authority.file}, line {self.authority.line}" if self.authority else ""
        if self.right:
            return f"vouched for by {where}" if where else "known"
        return f"{where}, does not vouch for it: {self.not_vouched}" if where else ""


def fingerprint(blob: bytes) -> str:
    """As OpenSSH prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def lines_of(hop: Hop, name: str | None = None) -> Sequence[Known]:
    """Everything that the user's and the machine's files hold for a host."""
    files = (*hop.user_known_hosts, *hop.global_known_hosts)
    return [line for file in files for line in lines_in(file, name or hop.known_as)]


def _all_lines_of(hop: Hop) -> Sequence[Known]:
    """Those, and where they hold no key for the port, what is known of the machine without one; ssh is content, too."""
    lines = lines_of(hop)
    if all(line.marker for line in lines) and hop.known_as == f"[{hop.hostname.lower()}]:{hop.port}":
        return (*lines, *lines_of(hop, hop.hostname))
    return lines


def lines_in(file: Path, name: str) -> Sequence[Known]:
    """What one file holds for a host."""
    if not file.is_file():
        return ()
    argv = ("ssh-keygen", "-F", name, "-f", str(file))
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise TargetUnusable(
            "there is no `ssh-keygen` on this machine", hint="install it (Debian, Ubuntu: `apt install openssh-client`)"
        ) from error
    found: list[Known] = []
    place: re.Match[str] | None = None
    for text in done.stdout.decode("utf-8", "replace").split("\n"):
        if match := _FOUND.fullmatch(text):
            place = match
        elif place:
            fields = text.split()
            fields = fields[1:] if fields and fields[0].startswith("@") else fields
            try:
                blob = base64.b64decode(fields[2], validate=True)
            except (IndexError, binascii.Error):
                continue
            marker: Literal["", "REVOKED", "CA"] = {"REVOKED": "REVOKED", "CA": "CA"}.get(place[2] or "", "")  # type: ignore[assignment]
            found.append(Known(file=file, line=int(place[1]), marker=marker, key_type=fields[1], blob=blob))
    return found


def judge(hop: Hop, key: paramiko.PKey) -> Verdict:
    """Look a key up, and its certificate if it has one."""
    blob, certificate = key.asbytes(), certificate_of(key)
    lines = _all_lines_of(hop)
    blobs = (blob, certificate.authority) if certificate else (blob,)
    revoked = next((line for line in lines if line.marker == "REVOKED" and line.blob in blobs), None)
    right = any(line.blob == blob and not line.marker for line in lines)
    plain = [line for line in lines_of(hop) if not line.marker]
    old = next((line for line in plain if line.key_type == key.get_name()), next(iter(plain), None))
    authorities = [line for line in lines if line.marker == "CA"]
    authority, why = (None, "") if right or not authorities else _vouches(hop, certificate, authorities)
    right = not revoked and (right or (authority is not None and not why))
    return Verdict(right=right, revoked=revoked, old=None if right else old, authority=authority, not_vouched=why)


def _vouches(hop: Hop, certificate: Certificate | None, authorities: Sequence[Known]) -> tuple[Known, str]:
    """The authority, and why it does not vouch for the host; empty if it does."""
    if certificate is None:
        return authorities[0], "the host shows no certificate"
    signer = next((line for line in authorities if line.blob == certificate.authority), None)
    if signer is None:
        return authorities[0], f"the host's certificate is by another, {fingerprint(certificate.authority)}"
    trouble = certificate.trouble(hop.principal, time.time())
    return signer, f"the host's certificate is not valid, {trouble}" if trouble else ""


def check(hop: Hop, key: paramiko.PKey) -> None:
    """Raise TargetUnusable unless the host's key is known. No configuration makes this accept an unknown one."""
    verdict = judge(hop, key)
    if verdict.right:
        return
    shown = f"{key.get_name()} {fingerprint(key.asbytes())}"
    if line := verdict.revoked:
        whose = "host key" if line.blob == key.asbytes() else "authority behind the host key"
        raise TargetUnusable(
            f"the {whose} of {hop.label} is revoked by {line.file}, line {line.line}: {shown}",
            hint="do not connect; ask the machine's administrator for its new key",
        )
    if line := verdict.old:
        raise TargetUnusable(
            f"the host key of {hop.label} has changed: it is now {shown}, but {line.file}, line {line.line},"
            f" holds {line.key_type} {fingerprint(line.blob)}. The machine may have been installed anew,"
            " or somebody may be listening in between",
            hint="ask its administrator for the fingerprint; if it is the new one, `cosmos targets trust NAME`"
            f" takes it in place of the old (or `ssh-keygen -R '{hop.known_as}'`)",
        )
    more = f"; {verdict.words}" if verdict.authority else ""
    raise TargetUnusable(f"the host key of {hop.label} is not known: {shown}{more}", hint=_TRUST)


def algorithms(hop: Hop, offered: Sequence[str]) -> Sequence[str]:
    """The kinds of host keys to ask for, of those `offered`, the best first.

    Those that are known come first, else a known host could look unknown; before them certificates, where an authority
    is known.
    """
    lines = _all_lines_of(hop)
    certified = [f"{name}{SUFFIX}" for name in offered] if any(line.marker == "CA" for line in lines) else []
    first: list[str] = []
    for key_type in dict.fromkeys(line.key_type for line in lines if not line.marker):
        names = ("rsa-sha2-512", "rsa-sha2-256") if key_type == "ssh-rsa" else (key_type,)
        first += [name for name in names if name in offered]
    return (*certified, *first, *(name for name in offered if name not in first))
