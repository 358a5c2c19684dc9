"""The way to a host, machine by machine, and the channels on it."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterator, Sequence

import paramiko
from paramiko.packet import Packetizer
from paramiko.ssh_exception import IncompatiblePeer

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.ssh import known
from cosmos_core.targets.ssh.channels import BROKEN, close
from cosmos_core.targets.ssh.config import Hop
from cosmos_core.targets.ssh.login import log_in
from cosmos_core.targets.ssh.reach import Proxy, dial, left
from cosmos_core.targets.ssh.words import lost, unreachable, why

_WINDOW = 16 << 20  # twice the speed of 2 MiB at 50 ms
_PACKET = 252 << 10  # OpenSSH's are 256 KiB at most, all in all. Each costs the same, and 32 KiB is half as fast
_KEEPALIVE_S = 15
# At once. sshd's own limit is 10; one is the shell for small questions, and one may just be ending.
_COMMANDS = 5
_TRANSFERS = 3
_OPEN_S = 30.0
_END_S = 0.5  # how long a command that has ended may take to be gone
_FULL_S = 5.0  # how long a server that has no room for one more session is asked again
_FAST = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")

# What goes wrong is told by what is raised; its log would put tracebacks on people's screens.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class _Packets(Packetizer):
    """New keys as seldom as OpenSSH makes them with AES; at paramiko's own pace large downloads are cut off."""

    REKEY_BYTES = 1 << 36
    REKEY_PACKETS = 1 << 31
    REKEY_BYTES_OVERFLOW_MAX = 1 << 34
    REKEY_PACKETS_OVERFLOW_MAX = 1 << 30


class _Transport(paramiko.Transport):
    """One that asks for certificates of hosts only where we want them, and first; paramiko's asks for them last."""

    host_keys: Sequence[str] = ()

    @property
    def preferred_keys(self) -> Sequence[str]:
        return self.host_keys


class NotSent(TargetUnusable):
    """The connection was gone before anything was asked: to ask again is safe."""


class Way:
    """Connections through one another, the first from here."""

    def __init__(self, connect_timeout: float) -> None:
        self._deadline = time.monotonic() + connect_timeout
        self._links: list[paramiko.Transport] = []
        self._proxy: Proxy | None = None

    def greet(self, hop: Hop) -> paramiko.PKey:
        """Go on to the next machine, as far as its key. Nobody has logged in, and the key is unchecked."""
        sock: socket.socket | paramiko.Channel
        if self._links:
            sock = self._through(hop)
        elif hop.proxy_command:
            sock = self._by_command(hop, hop.proxy_command)
        else:
            sock = dial(hop, self._deadline)
        transport = _Transport(sock, default_window_size=_WINDOW, packetizer_class=_Packets)
        self._links.append(transport)
        transport.banner_timeout = transport.handshake_timeout = left(self._deadline)
        _prefer(transport, hop)
        try:
            transport.start_client(timeout=left(self._deadline))
            if not transport.initial_kex_done:
                raise TimeoutError
            return transport.get_remote_server_key()
        except IncompatiblePeer as error:
            raise TargetUnusable(
                f"{hop.label} speaks no SSH that is still safe: {error}", hint="its sshd should be OpenSSH 7.2 or later"
            ) from error
        except BROKEN as error:
            raise unreachable(hop.label, self._cause(error)) from error
        finally:
            transport.packetizer.complete_handshake()  # else its timer holds up the end of the program

    def log_in(self, hop: Hop) -> None:
        """Log in at the machine that was greeted last."""
        self._deadline = log_in(self._links[-1], hop, self._deadline)
        self._links[-1].set_keepalive(_KEEPALIVE_S)

    @property
    def left(self) -> float:
        """Seconds until who has not answered counts as unreachable, never quite none."""
        return left(self._deadline)

    @property
    def end(self) -> paramiko.Transport:
        """The connection to the machine at the end."""
        return self._links[-1]

    def close(self) -> None:
        """Hang up, the far end first."""
        for transport in reversed(self._links):
            if isinstance(transport.sock, socket.socket):
                with contextlib.suppress(OSError):
                    transport.sock.shutdown(socket.SHUT_RDWR)  # its thread looks up only ten times a second else
            transport.close()
            if transport.is_alive():
                transport.join(2)  # its socket is closed by its own thread
            transport.sock.close()
        if self._proxy:
            self._proxy.close()

    def _by_command(self, hop: Hop, command: str) -> socket.socket:
        try:
            self._proxy = Proxy(command)
        except OSError as error:
            raise unreachable(hop.label, f"its ProxyCommand cannot be started: {why(error)}") from error
        return self._proxy.sock

    def _through(self, hop: Hop) -> paramiko.Channel:
        try:
            return self._links[-1].open_channel(
                "direct-tcpip", (hop.hostname, hop.port), ("127.0.0.1", 0), timeout=left(self._deadline)
            )
        except paramiko.ChannelException as error:
            raise unreachable(hop.label, f"the jump host cannot reach it: {error.text.lower()}") from error
        except BROKEN as error:
            raise unreachable(hop.label, why(error)) from error

    def _cause(self, error: Exception) -> str:
        if self._proxy and (words := self._proxy.words):
            return f"its ProxyCommand says: {words}"
        if isinstance(error, TimeoutError) or time.monotonic() > self._deadline - 0.1:
            return "it took the connection and did not finish the SSH handshake"
        if "banner" in str(error):
            return "it hung up at once (too many logins at a time, or no sshd)"
        return why(error)


def _prefer(transport: _Transport, hop: Hop) -> None:
    options = transport.get_security_options()
    options.ciphers = (*_FAST, *(name for name in options.ciphers if name not in _FAST))
    transport.host_keys = known.algorithms(hop, options.key_types)


class Connection:
    """Logged in at a host, with a number of channels at a time."""

    def __init__(self, hops: Sequence[Hop], connect_timeout: float) -> None:
        self.hop = hops[-1]
        self.label = self.hop.label
        self._commands = threading.BoundedSemaphore(_COMMANDS)
        self._transfers = threading.BoundedSemaphore(_TRANSFERS)
        self._way = Way(connect_timeout)
        try:
            for hop in hops:
                key = self._way.greet(hop)
                known.check(hop, key)
                self._way.log_in(hop)
        except BaseException:
            self._way.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether it is there, as far as this end knows."""
        return self._way.end.is_active()

    def close(self) -> None:
        """Hang up."""
        self._way.close()

    @contextlib.contextmanager
    def channel(self, command: str, *, transfer: bool) -> Iterator[paramiko.Channel]:
        """A channel of its own in which a command runs, once there is room for one more of its kind."""
        with self._transfers if transfer else self._commands:
            channel = self.open(command)
            try:
                yield channel
                until = time.monotonic() + _END_S
                while not channel.closed and time.monotonic() < until:
                    time.sleep(0.001)  # the server counts it as a session until it is closed on both sides
            finally:
                close(channel)

    @property
    def left(self) -> float:
        """Seconds that its first answer may still take."""
        return self._way.left

    def open(self, command: str, *, within: float = _OPEN_S) -> paramiko.Channel:
        """Start a command that waits for its input. Raises TargetUnusable, transient."""
        channel = self._session(within)
        # paramiko waits for the answer to this without end.
        watch = threading.Timer(within, close, (channel,))
        watch.daemon = True
        watch.start()
        try:
            channel.exec_command(command)
        except BROKEN as error:
            close(channel)
            raise self._not_sent("it would not start a command") from error
        finally:
            watch.cancel()
        return channel

    def _session(self, within: float) -> paramiko.Channel:
        until = time.monotonic() + _FULL_S
        while True:
            try:
                return self._way.end.open_session(max_packet_size=_PACKET, timeout=within)
            except BROKEN as error:
                # With several threads paramiko tells only one of them the reason.
                if not self.alive or "Timeout" in str(error):
                    raise self._not_sent("the connection was lost") from error
                if time.monotonic() > until:
                    raise TargetUnusable(
                        f"{self.label} has no room for one more session",
                        hint="its sshd_config should allow a few: `MaxSessions 10` is the default",
                        transient=True,
                    ) from error
            time.sleep(0.02)

    def _not_sent(self, cause: str) -> NotSent:
        error = lost(self.label, cause)
        return NotSent(error.message, hint=error.hint, transient=True)
