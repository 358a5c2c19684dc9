"""What tests of hosts over SSH are handed: a maker of hosts, a host with a folder on it, small helpers."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from attrs import frozen
from real_parts import SshHome

from cosmos_core.targets.host import Host
from cosmos_core.targets.ssh import SshHost


class MakeHost(Protocol):
    """Opens hosts that are let go of in the end."""

    def __call__(self, name: str = "ada", *, connect_timeout: float = 10.0) -> SshHost: ...


@frozen
class Place:
    """A host, and a folder on it that nobody has made yet."""

    host: Host
    path: Path

    def at(self, rel: str) -> str:
        """A path below the folder."""
        return f"{self.path}/{rel}"


def configure(ssh_home: SshHome, text: str) -> None:
    """Put something before all else in ~/.ssh/config: ssh takes the first of several values."""
    ssh_home.config.write_text(text + "\n" + ssh_home.config.read_text(encoding="utf-8"), encoding="utf-8")


def name_over(host: SshHost) -> str:
    """As whom a host lets us in."""
    done = host.run(["id", "-un"])
    assert done.exit_code == 0
    return done.text
