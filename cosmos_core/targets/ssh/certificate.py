"""Host certificates: a key that an authority vouches for, for some names and some time.

The layout is OpenSSH's PROTOCOL.certkeys; what counts is what its own client (9.2) was seen to take and to refuse.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import paramiko
from attrs import frozen
from paramiko.pkey import UnknownKeyType

SUFFIX = "-cert-v01@openssh.com"
_HOST = 2
_FIELDS = {"ssh-ed25519": 1, "ecdsa-sha2-nistp256": 2, "ecdsa-sha2-nistp384": 2, "ecdsa-sha2-nistp521": 2, "ssh-rsa": 2}
"""How many fields the key itself has, after its type and a nonce."""


@frozen(kw_only=True)
class Certificate:
    """What one says. Times are seconds since 1970."""

    kind: int
    principals: tuple[str, ...]
    valid_after: int
    valid_before: int
    critical: bytes
    authority: bytes  # the key that signed it
    signed: bool  # whether the signature is that key's

    def trouble(self, name: str, now: float) -> str:
        """Why it does not vouch for a host of that name at that moment; empty if it does."""
        return next(self._troubles(name, now), "")

    def _troubles(self, name: str, now: float) -> Iterator[str]:
        if not self.signed:
            yield "its signature is wrong, or of a kind that is not known"
        if self.kind != _HOST:
            yield "it is a user's and not a host's"
        if now < self.valid_after:
            yield f"it is valid from {_day(self.valid_after)} on"
        if now >= self.valid_before:
            yield f"it expired on {_day(self.valid_before)}"
        if self.principals and name.lower() not in self.principals:
            yield f"it is for {', '.join(self.principals)}, and not for {name}"
        if self.critical:
            yield "it sets conditions that are not known"


def certificate_of(key: paramiko.PKey) -> Certificate | None:
    """The certificate that a host showed with its key, if that was one."""
    blob = key.public_blob.key_blob if key.public_blob else b""
    message = paramiko.Message(blob)
    key_type = message.get_binary().decode("ascii", "replace") if blob else ""
    if key_type.removesuffix(SUFFIX) not in _FIELDS or not key_type.endswith(SUFFIX):
        return None
    for _ in range(1 + _FIELDS[key_type.removesuffix(SUFFIX)]):
        message.get_binary()
    message.get_int64()  # its serial number
    kind = message.get_int()
    message.get_binary()  # what the authority calls it
    principals = tuple(_strings(message.get_binary()))
    after, before = message.get_int64(), message.get_int64()
    critical = message.get_binary()
    for _ in range(2):  # extensions, which a client may leave aside, and a reserved field
        message.get_binary()
    authority = message.get_binary()
    signed, signature = blob[: len(blob) - len(message.get_remainder())], message.get_binary()
    return Certificate(
        kind=kind,
        principals=principals,
        valid_after=after,
        valid_before=before,
        critical=critical,
        authority=authority,
        signed=blob == signed + _packed(signature) and _is_signed(authority, signed, signature),
    )


def _strings(packed: bytes) -> Iterator[str]:
    message = paramiko.Message(packed)
    while message.get_remainder():
        yield message.get_binary().decode("utf-8", "replace")


def _packed(text: bytes) -> bytes:
    return len(text).to_bytes(4, "big") + text


def _is_signed(authority: bytes, signed: bytes, signature: bytes) -> bool:
    kind = paramiko.Message(authority).get_binary().decode("ascii", "replace")
    fields = paramiko.Message(signature)
    whole = signature == _packed(fields.get_binary()) + _packed(fields.get_binary())
    if kind not in _FIELDS or not whole:  # an authority is a plain key, and no certificate
        return False
    try:
        return paramiko.PKey.from_type_string(kind, authority).verify_ssh_sig(signed, paramiko.Message(signature))
    except (paramiko.SSHException, UnknownKeyType, ValueError):
        return False


def _day(seconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
    except (OverflowError, ValueError, OSError):
        return "a day that no calendar has"
