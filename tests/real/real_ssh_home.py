"""A home of a client's own: ~/.ssh/config and known_hosts as people have them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from attrs import define
from real_accounts import Accounts
from real_session import environ
from real_sshd import Sshd

# Absolute paths all through: OpenSSH takes ~ from the password file, whatever HOME says.
_CONFIG = """\
Include {ssh}/config.d/*.conf

Host jump
    HostName 127.0.0.1
    Port {jump_port}
    User {eve}
    IdentityFile {keys}/eve

Host ada ada-*
    User {ada}
    IdentityFile {keys}/ada

Host bob
    User {bob}
    IdentityFile {keys}/bob

Host eve
    User {eve}
    IdentityFile {keys}/eve

Host sue
    User {sue}
    IdentityFile {keys}/sue

Host ada-by-jump
    ProxyJump jump

Host ada bob eve sue ada-by-jump
    HostName 127.0.0.1
    Port {port}

Host *
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile {ssh}/known_hosts
    GlobalKnownHostsFile /dev/null
"""
_INCLUDED = """\
Host ada-by-include
    HostName 127.0.0.1
    Port {port}
"""


@define
class SshHome:
    """The names `ada bob eve sue`, `ada-by-jump` (through the host `jump`), `ada-by-include` (in another file)."""

    folder: Path
    accounts: Accounts
    sshd: Sshd
    """Where all names lead; `lead_to` changes it."""
    jump: Sshd

    @classmethod
    def make(cls, folder: Path, accounts: Accounts, sshd: Sshd, jump: Sshd) -> SshHome:
        """Write the files; the host keys are known."""
        (folder / ".ssh" / "config.d").mkdir(mode=0o700, parents=True)
        home = cls(folder, accounts, sshd, jump)
        home.lead_to(sshd)
        return home

    @property
    def config(self) -> Path:
        """~/.ssh/config."""
        return self.folder / ".ssh" / "config"

    @property
    def known_hosts(self) -> Path:
        """~/.ssh/known_hosts."""
        return self.folder / ".ssh" / "known_hosts"

    def lead_to(self, sshd: Sshd, *, known: bool = True) -> None:
        """All names lead to this server from now on; its key is known unless said otherwise."""
        self.sshd = sshd
        users = {account.name: account.user for account in self.accounts}
        ssh, keys = self.folder / ".ssh", self.accounts.session.folder / "keys"
        ports = {"port": sshd.port, "jump_port": self.jump.port}
        self.config.write_text(_CONFIG.format(ssh=ssh, keys=keys, **ports, **users), encoding="utf-8")
        (ssh / "config.d" / "lab.conf").write_text(_INCLUDED.format(**ports), encoding="utf-8")
        lines = [self.jump.known_hosts, *([sshd.known_hosts] if known else [])]
        self.known_hosts.write_text("".join(lines), encoding="utf-8")

    def ssh(self, name: str, command: str, *, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """What OpenSSH's own client says, however it ends."""
        process = self.popen(name, command)
        out, err = process.communicate(stdin)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def popen(self, name: str, command: str) -> subprocess.Popen[str]:
        """OpenSSH's own client while it runs; its three streams are pipes."""
        return subprocess.Popen(
            ["ssh", "-F", str(self.config), "-o", "BatchMode=yes", name, command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environ(HOME=str(self.folder)),
        )
