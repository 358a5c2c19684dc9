"""Host keys: nothing is accepted unasked, and the way out is said."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from real_parts import MakeSshd, Sshd, SshHome
from ssh_hosts import MakeHost, configure, name_over

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.ssh import trust


def refused(host: MakeHost, name: str = "ada") -> TargetUnusable:
    with pytest.raises(TargetUnusable) as caught:
        host(name).stat(["/"])
    assert not caught.value.transient
    assert "cosmos targets trust" in caught.value.hint or "revoked" in caught.value.message
    return caught.value


def print_of(server: Sshd) -> str:
    words = ("ssh-keygen", "-lf", str(server.folder / "host_key.pub"))
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()[1]


def new_key(place: Path, kind: str = "ed25519") -> str:
    """The public half, as it stands in a known_hosts file."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(place)], check=True)
    return " ".join(place.with_suffix(".pub").read_text(encoding="ascii").split()[:2])


@pytest.mark.parametrize("checking", ["ask", "accept-new", "no"])
def test_an_unknown_key_is_refused_whatever_the_configuration_says(
    host: MakeHost, ssh_home: SshHome, checking: str
) -> None:
    configure(ssh_home, f"StrictHostKeyChecking {checking}")
    ssh_home.known_hosts.write_text("", encoding="utf-8")
    said = refused(host).message
    assert "is not known" in said
    assert f"ssh-ed25519 {print_of(ssh_home.sshd)}" in said
    assert f"ada (127.0.0.1:{ssh_home.sshd.port})" in said
    assert ssh_home.known_hosts.read_text(encoding="utf-8") == ""


def test_a_changed_key_is_refused(host: MakeHost, ssh_home: SshHome, sshd: MakeSshd) -> None:
    mine = sshd()
    ssh_home.lead_to(mine)
    assert name_over(host())
    old = print_of(mine)
    mine.change_host_key()
    said = refused(host)
    assert "has changed" in said.message
    assert f"{ssh_home.known_hosts}, line 2," in said.message
    assert old in said.message
    assert print_of(mine) in said.message
    assert f"ssh-keygen -R '[127.0.0.1]:{mine.port}'" in said.hint


def test_a_key_of_another_kind_than_the_known_one_counts_as_changed(
    host: MakeHost, ssh_home: SshHome, tmp_path: Path
) -> None:
    line = f"[127.0.0.1]:{ssh_home.sshd.port} {new_key(tmp_path / 'rsa', 'rsa')}\n"
    ssh_home.known_hosts.write_text(line, encoding="utf-8")
    assert "has changed" in refused(host).message


def test_the_known_kind_of_key_is_asked_for(host: MakeHost, ssh_home: SshHome, sshd: MakeSshd, tmp_path: Path) -> None:
    """A server with several keys is known by one that would not be its first choice."""
    place = ssh_home.accounts.session.folder / tmp_path.name
    rsa = new_key(place, "rsa")
    mine = sshd(f"HostKey {place}")
    ssh_home.lead_to(mine, known=False)
    ssh_home.known_hosts.write_text(f"[127.0.0.1]:{mine.port} {rsa}\n", encoding="utf-8")
    assert name_over(host())


@pytest.mark.parametrize("form", ["hashed", "pattern", "alias", "second file", "global file", "without port", "list"])
def test_ways_to_know_a_host(host: MakeHost, ssh_home: SshHome, tmp_path: Path, form: str) -> None:
    port, key = ssh_home.sshd.port, ssh_home.sshd.host_key
    other = tmp_path / "known"
    text = {
        "pattern": f"*,!example.org {key}\n",
        "alias": f"Lab {key} comment\n",
        "without port": f"127.0.0.1 {key}\n",
        "list": f"# a comment\nother,[127.0.0.1]:{port} {key}\nbroken line\n",
    }.get(form, f"[127.0.0.1]:{port} {key}\n")
    if form in ("second file", "global file"):
        ssh_home.known_hosts.unlink()
        other.write_text(text, encoding="utf-8")
    else:
        ssh_home.known_hosts.write_text(text, encoding="utf-8")
    if form == "hashed":
        words = ["ssh-keygen", "-q", "-H", "-f", str(ssh_home.known_hosts)]
        subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
        assert "127.0.0.1" not in ssh_home.known_hosts.read_text(encoding="utf-8")
    if form == "alias":
        refused(host)
        configure(ssh_home, "HostKeyAlias lab")
    if form == "second file":
        configure(ssh_home, f"UserKnownHostsFile {ssh_home.known_hosts} {other}")
    if form == "global file":
        configure(ssh_home, f"GlobalKnownHostsFile {other}")
    assert name_over(host())


def test_a_revoked_key_is_refused(host: MakeHost, ssh_home: SshHome) -> None:
    with ssh_home.known_hosts.open("a", encoding="utf-8") as file:
        file.write(f"@revoked * {ssh_home.sshd.host_key}\n")
    said = refused(host)
    assert f"revoked by {ssh_home.known_hosts}, line 3" in said.message
    with pytest.raises(TargetUnusable, match="revoked"):
        trust.offered_key("ada", 5)


def test_a_jump_hosts_key_is_checked_too(host: MakeHost, ssh_home: SshHome) -> None:
    ssh_home.known_hosts.write_text(ssh_home.sshd.known_hosts, encoding="utf-8")
    assert f"the host key of jump (127.0.0.1:{ssh_home.jump.port}) is not known" in refused(host, "ada-by-jump").message


@pytest.mark.parametrize("hashed", [False, True])
def test_trust(host: MakeHost, ssh_home: SshHome, hashed: bool) -> None:
    ssh_home.known_hosts.unlink()
    ssh_home.known_hosts.parent.chmod(0o755)
    configure(ssh_home, f"HashKnownHosts {'yes' if hashed else 'no'}")
    offered = trust.offered_key("ada", 5)
    assert offered.key_type == "ssh-ed25519"
    assert offered.fingerprint == print_of(ssh_home.sshd)
    assert (offered.host, offered.port) == ("127.0.0.1", ssh_home.sshd.port)
    assert offered.file == ssh_home.known_hosts
    assert (offered.known, offered.changed, offered.old_fingerprint, offered.via) == (False, False, None, ())
    assert not ssh_home.known_hosts.exists()
    trust.store_key(offered)
    assert ssh_home.known_hosts.stat().st_mode & 0o777 == 0o600
    assert ("127.0.0.1" in ssh_home.known_hosts.read_text(encoding="utf-8")) is not hashed
    assert name_over(host())
    assert ssh_home.ssh("ada", "true").returncode == 0  # and ssh itself agrees
    assert trust.offered_key("ada", 5).known


def test_trust_through_a_jump_host_begins_with_that(host: MakeHost, ssh_home: SshHome) -> None:
    ssh_home.known_hosts.write_text("", encoding="utf-8")
    first = trust.offered_key("ada-by-jump", 5)
    assert (first.port, first.via) == (ssh_home.jump.port, ())
    trust.store_key(first)
    second = trust.offered_key("ada-by-jump", 5)
    assert (second.port, second.via) == (ssh_home.sshd.port, (f"jump (127.0.0.1:{ssh_home.jump.port})",))
    trust.store_key(second)
    assert name_over(host("ada-by-jump"))


def test_trust_of_a_changed_key_leaves_all_other_lines(
    host: MakeHost, ssh_home: SshHome, sshd: MakeSshd, tmp_path: Path
) -> None:
    mine = sshd()
    ssh_home.lead_to(mine)
    name, old = f"[127.0.0.1]:{mine.port}", mine.host_key
    others = [
        "# mine, by hand",
        f"@cert-authority *.example.org {new_key(tmp_path / 'ca')}",
        f"{name} {new_key(tmp_path / 'rsa', 'rsa')}",
        "",
        "junk",
    ]
    text = "\n".join([others[0], f"{name} {old}", *others[1:], f"friend,{name} {old} of both"])
    real = tmp_path / "dotfiles"
    real.write_text(text, encoding="utf-8")  # without a newline at its end
    real.chmod(0o640)
    ssh_home.known_hosts.unlink()
    ssh_home.known_hosts.symlink_to(real)
    before = print_of(mine)
    mine.change_host_key()
    offered = trust.offered_key("ada", 5)
    assert (offered.changed, offered.old_fingerprint, offered.fingerprint) == (True, before, print_of(mine))
    trust.store_key(offered)
    assert ssh_home.known_hosts.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert real.read_text(encoding="utf-8").splitlines() == [
        *others,
        f"friend {old} of both",
        f"{name} {mine.host_key}",
    ]
    assert name_over(host())
    assert [file.name for file in tmp_path.iterdir() if "dotfiles" in file.name] == ["dotfiles"]


def test_trust_needs_a_file(ssh_home: SshHome) -> None:
    configure(ssh_home, "UserKnownHostsFile /dev/null")
    with pytest.raises(TargetUnusable, match="nowhere to store") as caught:
        trust.offered_key("ada", 5)
    assert "UserKnownHostsFile" in caught.value.hint


def test_trust_of_what_cannot_be_reached(ssh_home: SshHome) -> None:
    port = re.compile(r"^(\s*Port) \d+", re.MULTILINE)
    ssh_home.config.write_text(port.sub(r"\1 9", ssh_home.config.read_text()))  # nobody else's server comes up there
    with pytest.raises(TargetUnusable, match="connection refused") as caught:
        trust.offered_key("ada", 5)
    assert caught.value.transient
