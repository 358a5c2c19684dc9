"""`cosmos targets trust`: a host key is shown, and stored only when that was wanted."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from lab import Laptop
from real_parts import GpuHosts, MakeSshd, Sshd, SshHome

MakeLaptop = Callable[..., Laptop]


def fingerprint(sshd: Sshd) -> str:
    """As ssh-keygen prints it."""
    said = subprocess.run(
        ["ssh-keygen", "-l", "-f", sshd.folder / "host_key.pub"], capture_output=True, text=True, check=True
    )
    return said.stdout.split()[1]


@pytest.fixture
def lab(gpu_host: GpuHosts, laptop: MakeLaptop, ssh_home: SshHome) -> Laptop:
    """A laptop that does not know the key of its target's host."""
    mine = laptop(gpu_host("eve", "process", name="lab"))
    ssh_home.lead_to(ssh_home.sshd, known=False)
    return mine


def test_a_new_key_is_shown_and_stored_with_yes(lab: Laptop, ssh_home: SshHome) -> None:
    before = ssh_home.known_hosts.read_text()

    done = lab("targets", "trust", "lab", "--yes")

    assert done.code == 0, done.err
    assert fingerprint(ssh_home.sshd) in done.out
    assert "which is  new" in done.out
    assert f"port {ssh_home.sshd.port}" in done.out
    assert f"stored in {ssh_home.known_hosts}" in done.out
    assert ssh_home.known_hosts.read_text() == before + ssh_home.sshd.known_hosts
    assert ssh_home.ssh("eve", "true").returncode == 0
    assert lab("targets", "check", "lab").code == 0
    again = lab("targets", "trust", "lab", "--json")
    assert (again.code, again.document["known"], again.document["stored"]) == (0, True, False)


def test_without_a_terminal_nothing_is_stored_unasked(lab: Laptop, ssh_home: SshHome) -> None:
    before = ssh_home.known_hosts.read_text()
    for words in ((), ("--json",)):
        done = lab("targets", "trust", "lab", *words)
        assert done.code == 2
        assert "cosmos targets trust lab --yes" in done.out + done.err
        assert fingerprint(ssh_home.sshd) in done.out + done.err
    assert ssh_home.known_hosts.read_text() == before


def test_a_changed_key_needs_more_than_yes(
    gpu_host: GpuHosts, laptop: MakeLaptop, ssh_home: SshHome, sshd: MakeSshd
) -> None:
    mine = laptop(gpu_host("eve", "process", name="lab"))
    own = sshd()
    ssh_home.lead_to(own)
    old = fingerprint(own)
    own.change_host_key()
    before = ssh_home.known_hosts.read_text()

    done = mine("targets", "trust", "lab", "--yes")

    assert done.code == 2
    assert "which is  CHANGED" in done.out
    assert f"before    {old}" in done.out
    assert "Ask its owner" in done.out
    assert "--yes --changed" in done.err
    assert ssh_home.known_hosts.read_text() == before

    done = mine("targets", "trust", "lab", "--yes", "--changed", "--json")

    assert done.code == 0
    assert (done.document["changed"], done.document["stored"]) == (True, True)
    assert (done.document["fingerprint"], done.document["old_fingerprint"]) == (fingerprint(own), old)
    assert own.known_hosts in ssh_home.known_hosts.read_text()
    assert mine("targets", "check", "lab").code == 0


def test_the_jump_host_comes_first(gpu_host: GpuHosts, laptop: MakeLaptop, ssh_home: SshHome) -> None:
    mine = laptop(gpu_host("ada", "docker", name="lab", alias="ada-by-jump"))
    ssh_home.known_hosts.write_text("")
    first = mine("targets", "trust", "lab", "--yes", "--json").document
    assert (first["port"], first["via"], first["stored"]) == (ssh_home.jump.port, [], True)
    second = mine("targets", "trust", "lab", "--yes", "--json").document
    assert (second["port"], second["stored"]) == (ssh_home.sshd.port, True)
    assert "jump" in second["via"][0]
    assert mine("targets", "check", "lab").code == 0


def test_what_has_no_host_key(laptop: MakeLaptop, gpu_host: GpuHosts) -> None:
    mine = laptop(gpu_host(None, "process", name="here"))
    for name in ("here", "simulator"):
        done = mine("targets", "trust", name)
        assert done.code == 2
        assert "has no host key" in done.err
    done = mine("targets", "trust", "hre")
    assert done.code == 2
    assert "did you mean 'here'?" in done.err
    assert mine("targets", "trust", "here", "--changed").code == 2


def test_a_host_that_is_away(laptop: MakeLaptop, gpu_host: GpuHosts, ssh_home: SshHome, sshd: MakeSshd) -> None:
    mine = laptop(gpu_host("eve", "process", name="lab"))
    own = sshd()
    ssh_home.lead_to(own, known=False)
    own.stop()
    done = mine("targets", "trust", "lab", "--yes")
    assert done.code == 4
    assert "cannot be reached" in done.err
