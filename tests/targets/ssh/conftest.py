"""Hosts over a real sshd, and a place for the test's files on each."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_parts import HostFolder, SshHome, real
from real_session import open_folder, program
from ssh_hosts import MakeHost, Place

from cosmos_core.targets.local import LocalHost
from cosmos_core.targets.ssh import SshHost, frames


@pytest.fixture
def host(ssh_home: SshHome) -> Iterator[MakeHost]:
    """`host("bob")` is the machine as bob reaches it. No thread of a connection outlives the test."""
    before = set(threading.enumerate())
    made: list[SshHost] = []

    def make(name: str = "ada", *, connect_timeout: float = 10.0) -> SshHost:
        made.append(SshHost(name, connect_timeout=connect_timeout))
        return made[-1]

    yield make
    for one in made:
        one.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive(), f"{thread} goes on"


@pytest.fixture
def ada(host: MakeHost) -> SshHost:
    """As ada: bash, whose start-up files print."""
    return host("ada")


@pytest.fixture
def there(host_folder: HostFolder) -> Path:
    """The test's own folder in ada's home; nobody has made it yet."""
    return host_folder.of(host_folder.accounts["ada"])


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    """Asked for indirectly, by the kind of the host."""
    kind: str = request.param
    if kind == "here":
        return Place(LocalHost(), request.getfixturevalue("tmp_path") / "work")
    make: MakeHost = request.getfixturevalue("host")
    folder: HostFolder = request.getfixturevalue("host_folder")
    name = kind if kind in ("ada", "bob") else "eve"
    shell = {"busybox": lambda: _busybox(folder), "bash": lambda: f"{program('bash', 'bash')} --posix"}.get(kind)
    if shell:
        monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
        other = frames.BOOTSTRAP.replace("/bin/sh", real(shell))
        for module in ("shell", "line"):
            monkeypatch.setattr(f"cosmos_core.targets.ssh.{module}.BOOTSTRAP", other)
    return Place(make(name), folder.of(folder.accounts[name]))


def _busybox(folder: HostFolder) -> str:
    """A host where not only the shell but every program is busybox's."""
    busybox = program("busybox", "busybox")
    programs = open_folder(folder.path / "busybox")
    subprocess.run([busybox, "--install", "-s", str(programs)], check=True)
    (programs / "find").unlink()
    (programs / "find").symlink_to(shutil.which("find") or "")
    return f"env PATH={programs} {busybox} sh"
