"""The keys a login can be tried with, in ssh's order: the agent's, then those in files."""

from __future__ import annotations

import base64
import binascii
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import paramiko
from attrs import frozen
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.agent import AgentSSH
from paramiko.pkey import UnknownKeyType

from cosmos_core.targets.ssh.config import Hop
from cosmos_core.targets.ssh.known import fingerprint

_AGENT_TIMEOUT_S = 30.0  # a person may have to touch the key
_MAGIC = b"openssh-key-v1\0"
_UNWANTED = ("ssh-dss",)
_PUBLIC = (b"ssh-", b"ecdsa-", b"sk-")


@frozen(kw_only=True)
class Candidate:
    """A key, and what to call it."""

    key: paramiko.PKey
    words: str
    of_agent: bool = False  # who may want a person's touch for each signature


class Keys:
    """What there is for a host; `notes` say why some of it cannot be used."""

    def __init__(self, hop: Hop) -> None:
        self._hop = hop
        self._agent: _Agent | None = None
        self.notes: list[str] = []

    def close(self) -> None:
        """Let go of the agent."""
        if self._agent:
            self._agent.close()

    def candidates(self) -> Iterator[Candidate]:
        """Each key once. A file is only read when everything before it was refused."""
        configured = {blob: path for path in self._hop.identity_files if (blob := _public_half(path))}
        in_agent = [key for key in self._agent_keys() if key.get_name() not in _UNWANTED]
        # Those that wait for a person's touch last.
        in_agent.sort(key=lambda key: (key.blob not in configured, key.get_name().startswith("sk-")))
        if self._hop.identities_only:
            in_agent = [key for key in in_agent if key.blob in configured]
        for key in in_agent:
            words = f"{key.get_name()} {fingerprint(key.blob)} (agent: {key.comment})"
            yield Candidate(key=key, words=words, of_agent=True)
        offered = {key.blob for key in in_agent}
        for path in self._hop.identity_files:
            if _public_half(path) not in offered and (found := self._from_file(path)):
                yield from found

    def _agent_keys(self) -> Sequence[paramiko.AgentKey]:
        if self._hop.agent is None:
            return ()
        try:
            self._agent = _Agent(self._hop.agent)
        except (OSError, paramiko.SSHException) as error:
            self.notes.append(f"the agent at {self._hop.agent} does not answer ({error})")
            return ()
        return self._agent.get_keys()

    def _from_file(self, path: Path) -> Sequence[Candidate]:
        """The key in a file, first with each certificate that fits."""
        kind = _kind(_public_half(path))
        if kind in _UNWANTED or kind.startswith("sk-"):
            self.notes.append(f"{path} is a {kind} key: {'too weak' if kind in _UNWANTED else 'for an agent only'}")
            return ()
        try:
            if not path.is_file() or path.read_bytes().lstrip().startswith(_PUBLIC):
                return ()  # most of ssh's default names are not there; a public half is for the agent
            key = paramiko.PKey.from_path(path)
        except (TypeError, paramiko.PasswordRequiredException):
            self.notes.append(f"{path} is locked by a passphrase: `ssh-add {path}` hands it to the agent")
            return ()
        except OSError as error:
            self.notes.append(f"{path} cannot be read: {error.strerror}")
            return ()
        except (ValueError, UnsupportedAlgorithm, paramiko.SSHException, UnknownKeyType):
            self.notes.append(f"{path} is no key that can be used here")
            return ()
        words = f"{key.get_name()} {fingerprint(key.asbytes())} ({path})"
        beside = Path(f"{path}-cert.pub")
        found = []
        for certificate in dict.fromkeys((*self._hop.certificates, beside)):
            try:
                certified = paramiko.PKey.from_path(path)
                certified.load_certificate(str(certificate))
            except (ValueError, OSError, paramiko.SSHException):
                continue
            found.append(Candidate(key=certified, words=f"{words} with {certificate}"))
        key.public_blob = None  # paramiko has taken the certificate beside it by itself
        return (*found, Candidate(key=key, words=words))


class _Agent(AgentSSH):
    """The agent at a socket of our choice; paramiko's own knows SSH_AUTH_SOCK only."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.settimeout(_AGENT_TIMEOUT_S)
        try:
            self._sock.connect(path)
            self._connect(self._sock)  # type: ignore[attr-defined]
        except (OSError, paramiko.SSHException):
            self._sock.close()
            raise

    def close(self) -> None:
        self._sock.close()


def _public_half(path: Path) -> bytes | None:
    """The public key beside a private one, or the one in its own head, which no passphrase hides."""
    try:
        for file in (Path(f"{path}.pub"), path):
            if not file.is_file():
                continue
            text = file.read_bytes()
            if text.startswith(_PUBLIC):
                return base64.b64decode(text.split()[1])
            body = base64.b64decode(b"".join(line for line in text.splitlines() if not line.startswith(b"-")))
            if body.startswith(_MAGIC):
                return _first_public(body[len(_MAGIC) :])
    except (OSError, ValueError, IndexError, binascii.Error):
        return None
    return None


def _kind(blob: bytes | None) -> str:
    return paramiko.Message(blob).get_text() if blob else ""


def _first_public(body: bytes) -> bytes:
    message = paramiko.Message(body)
    for _ in range(3):  # the cipher, what makes its key from a passphrase, and the settings of that
        message.get_binary()
    message.get_int()
    return message.get_binary()
