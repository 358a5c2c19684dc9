"""What people wrote for ssh holds for cosmos, too."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from real_parts import MakeSshd, Sshd, SshHome
from ssh_hosts import MakeHost, configure, name_over

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.ssh.config import way_to


def test_a_pattern_gives_user_port_key_and_known_hosts(host: MakeHost, ssh_home: SshHome) -> None:
    for name in ("ada", "bob"):
        assert name_over(host(name)) == ssh_home.accounts[name].user


def test_a_file_that_is_included(host: MakeHost, ssh_home: SshHome) -> None:
    assert name_over(host("ada-by-include")) == ssh_home.accounts["ada"].user


def test_a_user_before_the_name(host: MakeHost, ssh_home: SshHome) -> None:
    eve = ssh_home.accounts["eve"]
    configure(ssh_home, f"Match user {eve.user}\n  IdentityFile {eve.key}")
    assert name_over(host(f"{eve.user}@ada")) == eve.user


@pytest.mark.parametrize("form", ["{user}@127.0.0.1:{port}", "ssh://{user}@127.0.0.1:{port}"])
def test_a_port_behind_the_name(host: MakeHost, ssh_home: SshHome, form: str) -> None:
    eve, port = ssh_home.accounts["eve"], ssh_home.sshd.port
    configure(ssh_home, f"Host 127.0.0.1\n  IdentityFile {eve.key}")
    name = form.format(user=eve.user, port=port)
    (hop,) = way_to(name)
    assert (hop.hostname, hop.port, hop.user, hop.label) == ("127.0.0.1", port, eve.user, f"127.0.0.1:{port}")
    assert hop.name == f"ssh://{eve.user}@127.0.0.1:{port}"  # which `ssh` itself takes
    assert name_over(host(name)) == eve.user


def test_a_port_behind_a_name_of_ssh(ssh_home: SshHome) -> None:
    (plain,), (moved,) = way_to("ada"), way_to("ada:2222")
    assert (moved.hostname, moved.user, moved.identity_files) == (plain.hostname, plain.user, plain.identity_files)
    assert (moved.port, moved.label) == (2222, "ssh://ada:2222 (127.0.0.1:2222)")


def test_through_a_jump_host(host: MakeHost, ssh_home: SshHome, jump_sshd: Sshd) -> None:
    far = host("ada-by-jump")
    assert name_over(far) == ssh_home.accounts["ada"].user
    far.close()
    assert ssh_home.accounts["eve"].user in jump_sshd.log


def test_through_several_jump_hosts(host: MakeHost, ssh_home: SshHome) -> None:
    eve = ssh_home.accounts["eve"]
    configure(ssh_home, f"Host far\n  ProxyJump jump,{eve.user}@127.0.0.1:{ssh_home.jump.port}\n  User {eve.user}")
    configure(ssh_home, f"Host far 127.0.0.1\n  IdentityFile {eve.key}\nHost far\n  HostName 127.0.0.1")
    configure(ssh_home, f"Host far\n  Port {ssh_home.sshd.port}")
    assert [hop.port for hop in way_to("far")] == [ssh_home.jump.port, ssh_home.jump.port, ssh_home.sshd.port]
    assert name_over(host("far")) == eve.user


def test_a_jump_host_behind_a_jump_host(host: MakeHost, ssh_home: SshHome) -> None:
    port = ssh_home.sshd.port
    configure(ssh_home, f"Host ada-far\n  ProxyJump ada-by-jump\n  HostName 127.0.0.1\n  Port {port}")
    assert [hop.name for hop in way_to("ada-far")] == ["jump", "ada-by-jump", "ada-far"]
    assert name_over(host("ada-far")) == ssh_home.accounts["ada"].user


def test_a_circle_of_jump_hosts_is_refused(host: MakeHost, ssh_home: SshHome) -> None:
    configure(ssh_home, "Host one\n  ProxyJump two\nHost two\n  ProxyJump one")
    with pytest.raises(TargetUnusable, match="circle") as caught:
        host("one").stat(["/"])
    assert not caught.value.transient


def test_a_jump_host_that_cannot_reach_the_host(host: MakeHost, ssh_home: SshHome, sshd: MakeSshd) -> None:
    gone = sshd()
    ssh_home.lead_to(gone)
    gone.stop()
    with pytest.raises(TargetUnusable, match="jump host cannot reach it") as caught:
        host("ada-by-jump").stat(["/"])
    assert caught.value.transient


def test_a_proxy_command(host: MakeHost, ssh_home: SshHome) -> None:
    relay = (
        "import socket,sys,threading,os;s=socket.create_connection((sys.argv[1],int(sys.argv[2])));"
        "threading.Thread(target=lambda:[os.write(1,d) for d in iter(lambda:s.recv(65536),b'')],daemon=True).start();"
        "[s.sendall(d) for d in iter(lambda:os.read(0,65536),b'')]"
    )
    script = ssh_home.folder / "a relay.py"
    script.write_text(relay, encoding="utf-8")
    configure(ssh_home, f"Host ada\n  ProxyCommand python3 '{script}' %h %p")
    far = host("ada")
    assert name_over(far) == ssh_home.accounts["ada"].user
    assert far.run(["cat"], stdin=b"x" * (3 << 20)).out == b"x" * (3 << 20)


def test_a_proxy_command_that_fails_is_quoted(host: MakeHost, ssh_home: SshHome) -> None:
    configure(ssh_home, "Host ada\n  ProxyCommand sh -c 'echo no way through >&2; exit 1'")
    with pytest.raises(TargetUnusable, match="ProxyCommand says: no way through") as caught:
        host("ada").stat(["/"])
    assert caught.value.transient


def test_what_is_no_host_name(host: MakeHost) -> None:
    for name in ("-oProxyCommand=touch x", "-G"):
        with pytest.raises(TargetUnusable, match="is no host name"):
            host(name).stat(["/"])
    with pytest.raises(TargetUnusable, match="ssh cannot read"):
        host("two words").stat(["/"])


def test_a_configuration_with_a_mistake(host: MakeHost, ssh_home: SshHome) -> None:
    configure(ssh_home, "Prot 22")
    with pytest.raises(TargetUnusable, match=r"(?i)bad configuration option: prot") as caught:
        host("ada").stat(["/"])
    assert "ssh -G ada" in caught.value.hint


def test_no_ssh_on_this_machine(
    host: MakeHost, ssh_home: SshHome, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TargetUnusable, match="no `ssh`") as caught:
        host("ada").stat(["/"])
    assert "openssh-client" in caught.value.hint


def test_values_that_ssh_leaves_to_be_read(ssh_home: SshHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYS", "/some/keys")
    configure(
        ssh_home,
        "Host odd\n  HostName gpu.%h\n  Port 2200\n  User u\n  IdentityFile ~/.ssh/%r@%n-%p%%\n"
        "  IdentityFile ${KEYS}/id\n  ProxyCommand nc %h %p\n  HostKeyAlias Lab\n  AddressFamily inet6\n"
        '  HashKnownHosts yes\n  IdentityAgent /run/agent\n  UserKnownHostsFile ~/.ssh/one "~/.ssh/the other"',
    )
    (hop,) = way_to("odd")
    ssh = ssh_home.folder / ".ssh"
    assert (hop.hostname, hop.port, hop.user, hop.known_as) == ("gpu.odd", 2200, "u", "lab")
    assert hop.identity_files[:2] == (ssh / "u@odd-2200%", Path("/some/keys/id"))
    assert hop.proxy_command == "nc gpu.odd 2200"
    assert hop.family == socket.AF_INET6
    assert hop.hash_known_hosts
    assert hop.agent == "/run/agent"
    assert hop.user_known_hosts == (ssh / "one", ssh / "the other")
    assert hop.label == "odd (gpu.odd:2200)"


def test_without_a_configuration(ssh_home: SshHome) -> None:
    ssh_home.config.unlink()
    (hop,) = way_to("gpu.example.org")
    assert (hop.hostname, hop.port, hop.label) == ("gpu.example.org", 22, "gpu.example.org")
    assert ssh_home.folder / ".ssh" / "id_ed25519" in hop.identity_files
    assert hop.user_known_hosts[0] == ssh_home.known_hosts
    assert hop.agent is None


def test_paramiko_is_left_alone_until_it_is_needed() -> None:
    import subprocess
    import sys

    code = (
        "import sys, cosmos_core.targets, cosmos_core.targets.ssh as ssh\n"
        "ssh.SshHost('somewhere', connect_timeout=1).close()\n"
        "assert 'paramiko' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ})
