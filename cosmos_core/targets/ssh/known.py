"""Host keys: what the known_hosts files hold, and what is said of a key that is not among them.

`ssh-keygen -F` reads the files, so that hashed names, patterns, ports and markers mean what they mean to ssh.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from attrs import frozen

from cosmos_core.errors import TargetUnusable
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
    authority: Known | None = None


def fingerprint(blob: bytes) -> str:
    """As OpenSSH prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def lines_of(hop: Hop, name: str | None = None) -> Sequence[Known]:
    """Everything that the user's and the machine's files hold for a host."""
    files = (*hop.user_known_hosts, *hop.global_known_hosts)
    return [line for file in files for line in lines_in(file, name or hop.known_as)]


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


def judge(hop: Hop, key_type: str, blob: bytes) -> Verdict:
    """Look a key up."""
    lines = lines_of(hop)
    revoked = next((line for line in lines if line.marker == "REVOKED" and line.blob == blob), None)
    plain = [line for line in lines if not line.marker]
    right = any(line.blob == blob for line in plain)
    if not plain and hop.known_as == f"[{hop.hostname.lower()}]:{hop.port}":
        # ssh, too, is content with the machine's key at another port.
        right = any(line.blob == blob and not line.marker for line in lines_of(hop, hop.hostname))
    old = next((line for line in plain if line.key_type == key_type), next(iter(plain), None))
    authority = next((line for line in lines if line.marker == "CA"), None)
    return Verdict(right=right and not revoked, revoked=revoked, old=None if right else old, authority=authority)


def check(hop: Hop, key_type: str, blob: bytes) -> None:
    """Raise TargetUnusable unless the host's key is known. No configuration makes this accept an unknown one."""
    verdict = judge(hop, key_type, blob)
    if verdict.right:
        return
    shown = f"{key_type} {fingerprint(blob)}"
    if line := verdict.revoked:
        raise TargetUnusable(
            f"the host key of {hop.label} is revoked by {line.file}, line {line.line}: {shown}",
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
    if line := verdict.authority:
        raise TargetUnusable(
            f"the host key of {hop.label} is vouched for by an authority only ({line.file}, line {line.line}), which"
            f" cosmos does not check: {shown}",
            hint=_TRUST,
        )
    raise TargetUnusable(f"the host key of {hop.label} is not known: {shown}", hint=_TRUST)


def types_known(hop: Hop) -> Sequence[str]:
    """The types of the host's known keys, which are asked for first: else a known host could look unknown."""
    return tuple(dict.fromkeys(line.key_type for line in lines_of(hop) if not line.marker))
