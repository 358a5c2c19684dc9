"""sshd on loopback, for the accounts of the session. It can be stopped, cut off, and given another host key."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from attrs import frozen
from real_accounts import Accounts
from real_gpus import Stubs
from real_processes import Process, children_of, command_of, everything, kill_all, program_of, signal_all, until
from real_session import Missing, Session, call, open_folder, program

_PORTS = range(20000, 32000)
"""Below those that Linux gives to outgoing connections: a server that was stopped finds its port free again."""


def _of_this_worker() -> range:
    """Each worker has ports of its own: the one of a server that was stopped is not another worker's next."""
    return _PORTS[int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 16 :: 16]


# MaxSessions stays at OpenSSH's 10 a connection, and MaxStartups only makes room for tests beside each other.
# StrictModes asks who owns the folders above the keys, and /tmp is everybody's.
_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile {folder}/pid
AuthorizedKeysFile {authorized_keys}/%u
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
UseDNS no
PrintMotd no
PrintLastLog no
Banner {folder}/banner
MaxStartups 1000
LogLevel VERBOSE
Subsystem sftp internal-sftp
SetEnv {environment}
{more}
"""
_BANNER = "This machine belongs to the lab. All access is logged.\n"


@frozen
class Sshd:
    """A server, by its folder: every worker that knows the folder can steer it."""

    folder: Path
    port: int

    @classmethod
    def make(cls, session: Session, stubs: Stubs, *options: str) -> Sshd:
        """A new one, started: `stubs` come first on the PATH of commands, `options` are lines of sshd_config."""
        program("sshd", "openssh-server")
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        folder = session.folder / "sshd" / uuid4().hex[:8]
        open_folder(folder)
        (folder / "banner").write_text(_BANNER, encoding="utf-8")
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "host", "-f", folder / "host_key")
        for port in random.sample(_of_this_worker(), 20):
            if _is_free(port):
                server = cls(folder, port)
                server._configure(Accounts(session), stubs, options)
                with contextlib.suppress(_PortTaken):
                    server.start()
                    return server
        raise Missing("20 ports in a row were taken")

    def _configure(self, accounts: Accounts, stubs: Stubs, options: tuple[str, ...]) -> None:
        more = [*options, *(["PerSourcePenalties no"] if _openssh() >= (9, 8) else [])]
        text = _CONFIG.format(
            port=self.port,
            folder=self.folder,
            authorized_keys=accounts.authorized_keys,
            environment=" ".join(f'"{name}={value}"' for name, value in stubs.environment.items()),
            more="\n".join(more),
        )
        (self.folder / "config").write_text(text, encoding="utf-8")

    @property
    def host_key(self) -> str:
        """The public host key: type and key."""
        return " ".join((self.folder / "host_key.pub").read_text(encoding="ascii").split()[:2])

    @property
    def known_hosts(self) -> str:
        """Its line for a known_hosts file."""
        return f"[127.0.0.1]:{self.port} {self.host_key}\n"

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start it, and wait until it can be reached."""
        log = self.folder / "log"
        before = log.stat().st_size if log.exists() else 0
        call(program("sshd", "openssh-server"), "-f", self.folder / "config", "-E", log)

        def answers() -> bool:
            said = log.read_bytes()[before:] if log.exists() else b""
            if b"Cannot bind any address" in said:
                raise _PortTaken(self.port)
            return b"Server listening on" in said and (self.folder / "pid").exists()

        try:
            until(answers, 10)
        except TimeoutError as late:
            raise Missing(f"sshd does not start: {self.log}") from late

    def stop(self) -> None:
        """Stop it and cut all connections: the host cannot be reached."""
        if (listener := self._listener()) is None:
            return
        process = Process.of(listener)
        connections = list(self._connections())
        signal_all([listener], signal.SIGTERM)
        until(lambda: not process.alive)
        signal_all(connections, signal.SIGKILL)

    def drop_connections(self) -> int:
        """Cut all connections, as a dead link does; what they started goes on. How many processes that ended."""
        connections = list(self._connections())
        signal_all(connections, signal.SIGKILL)
        return len(connections)

    def change_host_key(self) -> None:
        """Come back with another host key, as a machine that was set up anew."""
        self.stop()
        for file in (self.folder / "host_key", self.folder / "host_key.pub"):
            file.unlink()
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "host", "-f", self.folder / "host_key")
        self.start()

    def remove(self) -> None:
        """Stop it and forget it."""
        self.stop()
        shutil.rmtree(self.folder)

    def _listener(self) -> int | None:
        try:
            pid = int((self.folder / "pid").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None
        return pid if str(self.folder) in command_of(pid) else None

    def _connections(self) -> Iterator[int]:
        """The processes of sshd below the listener; the shells that they started are not among them."""
        listener = self._listener()
        waiting = [listener] if listener else []
        while waiting:
            for child in children_of(waiting.pop()):
                if program_of(child).startswith("sshd"):
                    waiting.append(child)
                    yield child


class _PortTaken(Exception):  # noqa: N818
    """Somebody was quicker."""


def shared(session: Session, name: str, stubs: Stubs) -> Sshd:
    """The server of this name that all tests of the session share."""

    def start() -> dict[str, str]:
        server = Sshd.make(session, stubs)
        return {"folder": str(server.folder), "port": str(server.port)}

    told = session.once(name, start)
    return Sshd(Path(told["folder"]), int(told["port"]))


def kill_servers(session: Session) -> None:
    """Kill all servers of a session and their connections."""

    def ours() -> Iterator[int]:
        # a connection names the user in its title, the listener its configuration
        return (
            pid
            for pid in everything()
            if program_of(pid).startswith("sshd") and re.search(rf"\b{session.name}\b", command_of(pid))
        )

    servers = session.folder / "sshd"
    for folder in servers.iterdir() if servers.exists() else ():
        Sshd(folder, 0).stop()
    kill_all(ours)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _openssh() -> tuple[int, ...]:
    """Its version."""
    said = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr
    found = re.search(r"OpenSSH_(\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else (0, 0)
