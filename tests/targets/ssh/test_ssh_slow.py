"""Machines that keep us waiting on our way in: connect_timeout counts until their first answer."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from real_parts import MakeSshd, SshHome
from real_processes import patient
from ssh_hosts import MakeHost, configure, name_over

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.ssh import errand

_ANSWERS = "exec /bin/sh -c 'IFS= read -r l && eval \"$l\"'"


def slow(host: MakeHost) -> TargetUnusable:
    """What is said within two seconds and a bit, where ten would be the default."""
    began = time.monotonic()
    with pytest.raises(TargetUnusable) as caught:
        host(connect_timeout=2).run(["true"])
    assert time.monotonic() - began < patient(7)
    assert caught.value.transient
    assert caught.value.message.startswith("ada (127.0.0.1:")
    assert "cannot be reached" in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("start_up", "says"),
    [
        ("while read line; do :; done", ""),  # a question to whoever logs in
        ("sleep 5", ""),  # a disk that is away
        ("while echo 'still loading modules'; do sleep 0.1; done", "it says: still loading modules"),
    ],
)
def test_a_login_shell_that_comes_to_no_command(
    host: MakeHost, ssh_home: SshHome, sshd: MakeSshd, start_up: str, says: str
) -> None:
    ssh_home.lead_to(sshd(f"ForceCommand {start_up}"))
    said = slow(host)
    assert "its login shell does not get as far as a command" in said.message
    assert said.message.endswith(says)
    assert "`ssh ada true` should end at once" in said.hint
    assert "connect_timeout" in said.hint


def test_a_start_up_file_that_takes_a_line_of_ours(host: MakeHost, ssh_home: SshHome, sshd: MakeSshd) -> None:
    ssh_home.lead_to(sshd(f"ForceCommand read line; {_ANSWERS}"))
    with pytest.raises(TargetUnusable, match="runs no commands: it ended at once"):
        host().run(["true"])


def test_a_login_shell_that_begins_to_wait_later(
    host: MakeHost, ssh_home: SshHome, sshd: MakeSshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shell for questions is there, and a command of its own never begins."""
    monkeypatch.setattr(errand, "_BEGIN_S", 0.5)
    folder = ssh_home.accounts["ada"].home
    mark = folder / "away"
    ssh_home.lead_to(sshd(f"ForceCommand [ ! -e {mark} ] || sleep 5; {_ANSWERS}"))
    ada = host()
    assert name_over(ada)
    mark.touch()
    try:
        with pytest.raises(TargetUnusable, match="does not get as far as a command") as caught:
            ada.run(["true"])
        assert caught.value.transient
        assert ada.stat(["/"])
    finally:
        mark.unlink()


def test_a_login_that_is_not_answered(host: MakeHost, ssh_home: SshHome, sshd: MakeSshd) -> None:
    """Whom it may let in it asks a directory that is away."""
    asks = ("AuthorizedKeysCommand /bin/sleep 5", "AuthorizedKeysCommandUser root")
    ssh_home.lead_to(sshd(*asks, "Match all", "AuthorizedKeysFile none"))
    said = slow(host)
    assert said.message.endswith("it does not answer the login")
    assert "connect_timeout" in said.hint


def test_a_greeting_without_an_end(host: MakeHost, ssh_home: SshHome) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        configure(ssh_home, f"Host ada\n  Port {listener.getsockname()[1]}")

        def talk() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    while True:
                        connection.sendall(b"welcome\r\n")
                        time.sleep(0.1)
                except OSError:
                    return

        talker = threading.Thread(target=talk)
        talker.start()
        assert "did not finish the SSH handshake" in slow(host).message
        talker.join()
