"""Logging in by keys, as ssh does it, and what is said where that does not work."""

from __future__ import annotations

import base64
import contextlib
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_parts import MakeSshd, SshHome
from real_processes import until
from real_session import locked
from ssh_hosts import MakeHost, configure, name_over

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.ssh import SshHost


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A real agent without keys; its socket."""
    place = tmp_path / "agent.sock"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(place)], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
    # its socket is there before it listens; 1: it answers, and has no keys
    until(lambda: subprocess.run(["ssh-add", "-l"], check=False, capture_output=True).returncode == 1)
    yield place
    process.terminate()
    process.wait()


def add(*keys: Path) -> None:
    for key in keys:
        subprocess.run(["ssh-add", "-q", str(key)], check=True, stderr=subprocess.DEVNULL)


def new_key(place: Path, *options: str) -> Path:
    command = ("ssh-keygen", "-q", "-N", "", "-C", place.name, "-f", str(place), *(options or ("-t", "ed25519")))
    subprocess.run(command, check=True)
    return place


def print_of(key: Path) -> str:
    said = subprocess.run(["ssh-keygen", "-lf", str(key)], check=True, capture_output=True, text=True).stdout
    return said.split()[1]


def any_agent(ssh_home: SshHome, more: str = "") -> None:
    """ada's key is in no file that ssh knows of."""
    configure(ssh_home, f"Host ada\n  IdentityAgent SSH_AUTH_SOCK\n  IdentitiesOnly no\n{more}")
    text = ssh_home.config.read_text(encoding="utf-8")
    ssh_home.config.write_text(text.replace(f"IdentityFile {ssh_home.accounts['ada'].key}", ""), encoding="utf-8")


class StubbornAgent(threading.Thread):
    """Lists keys and signs with none, as when a card was pulled out or nobody touches the key."""

    def __init__(self, place: Path, *blobs: bytes) -> None:
        super().__init__(daemon=True)
        self.blobs, self.asked = blobs, 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(place))
        self.listener.listen()
        self.start()

    def run(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                while head := client.recv(4):
                    kind = client.recv(int.from_bytes(head, "big"))[0]
                    self.asked += kind == 13
                    keys = b"".join(ssh_string(blob) + ssh_string(b"card") for blob in self.blobs)
                    listed = b"\x0c" + len(self.blobs).to_bytes(4, "big") + keys
                    client.sendall(ssh_string(listed if kind == 11 else b"\x05"))

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.join()
        self.listener.close()


def ssh_string(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def blob_of(key: Path) -> bytes:
    return base64.b64decode(Path(f"{key}.pub").read_text(encoding="ascii").split()[1])


@contextlib.contextmanager
def let_in(ssh_home: SshHome, name: str, *keys: Path) -> Iterator[None]:
    """These keys open an account, too. The accounts are all workers': one at a time changes their keys."""
    file = ssh_home.accounts.authorized_keys / ssh_home.accounts[name].user
    more = "".join(Path(f"{key}.pub").read_text(encoding="utf-8") for key in keys)
    with locked(file.with_name(f"{file.name}.lock")):
        before = file.read_text(encoding="utf-8")
        file.write_text(before + more, encoding="utf-8")
        try:
            yield
        finally:
            file.write_text(before, encoding="utf-8")


def refusal(host: SshHost) -> TargetUnusable:
    with pytest.raises(TargetUnusable) as caught:
        host.run(["true"])
    assert not caught.value.transient
    return caught.value


def test_the_agents_keys(host: MakeHost, ssh_home: SshHome, agent: Path, tmp_path: Path) -> None:
    any_agent(ssh_home)
    add(new_key(tmp_path / "other"), ssh_home.accounts["ada"].key)
    assert name_over(host()) == ssh_home.accounts["ada"].user


def test_an_agent_of_the_configuration(
    host: MakeHost, ssh_home: SshHome, agent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(ssh_home.accounts["ada"].key)
    monkeypatch.delenv("SSH_AUTH_SOCK")
    any_agent(ssh_home)
    assert "no key" in refusal(host()).message
    configure(ssh_home, f"Host ada\n  IdentityAgent {agent}")
    assert name_over(host()) == ssh_home.accounts["ada"].user


@pytest.mark.parametrize("public_half", ["beside", "alone", "inside"])
def test_identities_only(host: MakeHost, ssh_home: SshHome, agent: Path, tmp_path: Path, public_half: str) -> None:
    """Of the agent's keys only that whose public half is configured; the file itself is locked."""
    ada = ssh_home.accounts["ada"]
    copy = tmp_path / "id"
    shutil.copy(ada.key, copy)
    shutil.copy(ada.key.with_suffix(".pub"), tmp_path / "id.pub")
    add(*(new_key(tmp_path / f"k{number}") for number in range(7)), ada.key)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(copy)], check=True)
    if public_half == "alone":
        copy.unlink()
    if public_half == "inside":
        (tmp_path / "id.pub").unlink()
    any_agent(ssh_home)
    said = refusal(host())
    assert "hung up" in said.message  # eight keys are too many for sshd
    assert "IdentitiesOnly" in said.hint
    configure(ssh_home, f"Host ada\n  IdentitiesOnly yes\n  IdentityFile {copy}")
    assert name_over(host()) == ada.user


@pytest.mark.parametrize("kind", [("-t", "rsa", "-b", "2048"), ("-t", "rsa", "-m", "PEM"), ("-t", "ecdsa")])
def test_other_kinds_of_keys(host: MakeHost, ssh_home: SshHome, tmp_path: Path, kind: tuple[str, ...]) -> None:
    eve = ssh_home.accounts["eve"]
    key = new_key(tmp_path / "id", *kind)
    with let_in(ssh_home, "eve", key):
        text = ssh_home.config.read_text(encoding="utf-8")
        ssh_home.config.write_text(text.replace(str(eve.key), str(key)), encoding="utf-8")
        assert name_over(host("eve")) == eve.user


def test_an_agent_that_does_not_sign(host: MakeHost, ssh_home: SshHome, tmp_path: Path) -> None:
    """As with ssh the next key is tried, and it is said where no other is right."""
    card = new_key(tmp_path / "card")
    of_nobody = ssh_string(b"sk-ssh-ed25519@openssh.com") + ssh_string(bytes(32)) + ssh_string(b"ssh:")
    agent = StubbornAgent(tmp_path / "agent.sock", of_nobody, blob_of(card))
    try:
        configure(ssh_home, f"Host ada\n  IdentityAgent {tmp_path / 'agent.sock'}\n  IdentitiesOnly no")
        with let_in(ssh_home, "ada", card):
            assert name_over(host()) == ssh_home.accounts["ada"].user
            assert agent.asked == 1  # nobody has to touch a key that the server would not take
            any_agent(ssh_home)
            configure(ssh_home, f"Host ada\n  IdentityAgent {tmp_path / 'agent.sock'}")
            said = refusal(host()).message
            assert f"the agent would not sign with ssh-ed25519 {print_of(card)} (agent: card)" in said
            assert ssh_home.ssh("ada", "true").returncode != 0
    finally:
        agent.close()


def test_a_certificate(host: MakeHost, ssh_home: SshHome, sshd: MakeSshd, tmp_path: Path) -> None:
    authority, key = new_key(tmp_path / "ca"), new_key(tmp_path / "id")
    eve = ssh_home.accounts["eve"]
    sign = ("ssh-keygen", "-q", "-s", str(authority), "-I", "eve", "-n", eve.user, f"{key}.pub")
    subprocess.run(sign, check=True)
    public = ssh_home.accounts.session.folder / f"{tmp_path.name}-ca.pub"
    shutil.copy(f"{authority}.pub", public)
    ssh_home.lead_to(sshd(f"TrustedUserCAKeys {public}"))
    configure(ssh_home, f"Host eve\n  IdentityFile {key}")
    assert name_over(host("eve")) == eve.user
    Path(f"{key}-cert.pub").rename(tmp_path / "elsewhere.pub")
    text = ssh_home.config.read_text(encoding="utf-8").replace(f"IdentityFile {eve.key}", "")
    ssh_home.config.write_text(text, encoding="utf-8")
    assert key.name in refusal(host("eve")).message
    configure(ssh_home, f"Host eve\n  CertificateFile {tmp_path / 'elsewhere.pub'}")
    assert name_over(host("eve")) == eve.user


def test_a_key_that_is_locked(host: MakeHost, ssh_home: SshHome, agent: Path, tmp_path: Path) -> None:
    locked = new_key(tmp_path / "id")
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(locked)], check=True)
    any_agent(ssh_home, f"  IdentityFile {locked}")
    said = refusal(host())
    assert f"ssh-add {locked}" in said.message
    assert "ssh-add" in said.hint


def test_a_refused_login_says_what_was_tried(host: MakeHost, ssh_home: SshHome, tmp_path: Path) -> None:
    wrong = new_key(tmp_path / "id")
    (tmp_path / "junk").write_text("junk")
    old = new_key(tmp_path / "old", "-t", "dsa")
    any_agent(ssh_home, "\n".join(f"  IdentityFile {key}" for key in (wrong, tmp_path / "junk", old)))
    said = refusal(host())
    user = ssh_home.accounts["ada"].user
    for words in (
        f"{user}@ada",
        print_of(wrong),
        str(wrong),
        "it takes publickey",
        f"{tmp_path / 'junk'} is no key",
        f"{old} is a ssh-dss key",
    ):
        assert words in said.message
    assert f"ssh-copy-id {user}@ada" in said.hint
    assert "ssh -v ada" in said.hint


def test_who_has_no_key_is_told_to_make_one(host: MakeHost, ssh_home: SshHome, tmp_path: Path) -> None:
    any_agent(ssh_home, f"  IdentityFile {tmp_path / 'none'}")
    said = refusal(host())
    assert "no key was offered" in said.message
    assert said.hint.index("ssh-keygen") < said.hint.index("ssh-copy-id")


def test_a_refused_login_is_not_tried_again(host: MakeHost, ssh_home: SshHome, sshd: MakeSshd, tmp_path: Path) -> None:
    mine = sshd()
    ssh_home.lead_to(mine)
    any_agent(ssh_home, f"  IdentityFile {new_key(tmp_path / 'id')}")
    refusal(host())
    assert len(re.findall("Failed publickey", mine.log)) == 1
    assert len(re.findall("Connection from", mine.log)) == 1


def test_a_server_that_takes_passwords_only(host: MakeHost, ssh_home: SshHome, sshd: MakeSshd) -> None:
    user = ssh_home.accounts["ada"].user
    ssh_home.lead_to(sshd(f"Match user {user}", "PubkeyAuthentication no", "PasswordAuthentication yes"))
    assert "it takes no keys, but password" in refusal(host()).message


def test_a_server_that_wants_more_than_a_key(host: MakeHost, ssh_home: SshHome, sshd: MakeSshd) -> None:
    more = (
        f"Match user {ssh_home.accounts['ada'].user}",
        "PasswordAuthentication yes",
        "AuthenticationMethods publickey,password",
    )
    ssh_home.lead_to(sshd(*more))
    said = refusal(host())
    assert "wants more than a key: password" in said.message


def test_a_server_that_wants_two_keys(host: MakeHost, ssh_home: SshHome, sshd: MakeSshd, tmp_path: Path) -> None:
    ssh_home.lead_to(sshd("AuthenticationMethods publickey,publickey"))
    said = refusal(host())
    assert "wants one more key: it took ssh-ed25519" in said.message
    assert "IdentityFile" in said.hint
    wrong, second = new_key(tmp_path / "wrong"), new_key(tmp_path / "second")
    configure(ssh_home, f"Host ada\n  IdentityFile {wrong}\n  IdentityFile {second}")
    with let_in(ssh_home, "ada", second):
        assert name_over(host()) == ssh_home.accounts["ada"].user


def test_nothing_is_printed(
    host: MakeHost, ssh_home: SshHome, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not even where paramiko would log a traceback."""
    any_agent(ssh_home, f"  IdentityFile {new_key(tmp_path / 'id')}")
    refusal(host())
    ssh_home.known_hosts.write_text("")
    refusal(host())
    assert capfd.readouterr() == ("", "")
