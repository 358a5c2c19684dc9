"""A socket to the first machine on the way: TCP, or what a ProxyCommand makes."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from cosmos_core.targets.ssh.config import Hop
from cosmos_core.targets.ssh.words import unreachable, why

_T = TypeVar("_T")
_GONE_AFTER_S = 60  # without an acknowledgement from the other kernel


def left(deadline: float) -> float:
    """Seconds until then, never quite none."""
    return max(deadline - time.monotonic(), 0.05)


def dial(hop: Hop, deadline: float) -> socket.socket:
    """A TCP connection to one of the host's addresses. Raises TargetUnusable, transient, if none answers."""
    try:
        addresses = _in_time(
            lambda: socket.getaddrinfo(hop.hostname, hop.port, hop.family, socket.SOCK_STREAM), left(deadline)
        )
    except OSError as error:
        raise unreachable(hop.label, why(error)) from error
    failure: OSError = OSError("it has no address")
    for index, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = socket.socket(family, kind, protocol)
        try:
            # A dead address leaves time for the others.
            sock.settimeout(left(deadline) / (len(addresses) - index))
            sock.connect(address)
            _tune(sock)
        except OSError as error:
            sock.close()
            failure = error
            continue
        return _ReadAhead.of(sock)
    raise unreachable(hop.label, why(failure)) from failure


class _ReadAhead(socket.socket):
    """Takes what has come, not only what it is asked for: paramiko asks twice for each packet, and lets go of the
    interpreter each time.
    """

    _MOST = 1 << 18
    _got: bytes
    _at: int

    @classmethod
    def of(cls, sock: socket.socket) -> _ReadAhead:
        """The same connection; `sock` is of no use any more."""
        timeout = sock.gettimeout()
        ahead = cls(fileno=sock.detach())
        ahead.settimeout(timeout)
        ahead._got, ahead._at = b"", 0
        return ahead

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        if self._at >= len(self._got):
            if bufsize >= self._MOST:
                return super().recv(bufsize, flags)
            self._got, self._at = super().recv(self._MOST, flags), 0
        taken = self._got[self._at : self._at + bufsize]
        self._at += len(taken)
        return taken


def _tune(sock: socket.socket) -> None:
    options: list[tuple[int, str, int]] = [
        (socket.IPPROTO_TCP, "TCP_NODELAY", 1),  # paramiko does not set it: a hundred times slower without
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", _GONE_AFTER_S * 1000),  # else a dead peer is noticed after 15 minutes
        (socket.IPPROTO_TCP, "TCP_NOTSENT_LOWAT", 1 << 18),  # small questions do not queue behind an upload
    ]
    for level, name, value in options:
        if number := getattr(socket, name, None):
            with contextlib.suppress(OSError):
                sock.setsockopt(level, number, value)


def _in_time(work: Callable[[], _T], seconds: float) -> _T:
    """What `work` returns; TimeoutError if it takes longer. The resolver has no timeout of its own."""
    outcome: list[Any] = []

    def body() -> None:
        try:
            outcome.extend((work(), None))
        except OSError as error:
            outcome.extend((None, error))

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError
    value, error = outcome
    if error is not None:
        raise error
    result: _T = value
    return result


class Proxy:
    """A ProxyCommand at work: its standard input and output are one end of a pair of sockets."""

    def __init__(self, command: str) -> None:
        self.sock, theirs = socket.socketpair()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the process
        try:
            with theirs:
                self._process = subprocess.Popen(
                    (os.environ.get("SHELL") or "/bin/sh", "-c", f"exec {command}"),
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=self._said.fileno(),
                    start_new_session=True,  # a Ctrl-C is for us, who may need the connection to act on it
                )
        except OSError:
            self.sock.close()
            self._said.close()
            raise

    @property
    def words(self) -> str:
        """The last line it complained with."""
        if self._said.closed:
            return ""
        self._said.seek(0)
        return self._said.read().decode("utf-8", "replace").strip().rpartition("\n")[2]

    def close(self) -> None:
        """End it."""
        self.sock.close()
        self._process.terminate()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()
