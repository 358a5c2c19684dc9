"""Targets on a terminal of 80 columns: what they do, what is wrong with them, and whether a host key is right."""

from __future__ import annotations

import pytest
from terminal import Terminal


@pytest.fixture
def lab(cosmos, gpu_host):
    """A `cosmos` with this machine as a GPU host, by way of an ssh that does not know it."""
    hosts = [gpu_host("eve", "process", name="lab"), gpu_host(None, "process", name="here")]
    (cosmos.cwd / "cosmos.toml").write_text("\n".join(host.table for host in hosts))
    return cosmos


def on_a_terminal(shell, *args, answer=None):
    """What a command shows, its exit code, and nothing wider than the terminal."""
    with Terminal(shell.argv(*args), env=shell.environ, cwd=shell.cwd) as terminal:
        if answer is not None:
            terminal.until(answer[0])
            terminal.press(answer[1])
        code = terminal.end()
    lines = [line for line in terminal.text.splitlines() if " " in line.strip()]  # a long path is one word
    assert max(map(len, lines)) <= 80, terminal.text
    return code, terminal.text


def test_status_and_check_fit(lab):
    code, text = on_a_terminal(lab, "status")
    assert code == 0
    assert text.count("\n  GPU 3    H100 80GB HBM3   0.0/79.6 GiB    0%  free\n") == 2
    code, text = on_a_terminal(lab, "targets", "check", "lab")
    assert code == 0
    assert "\nok  login " in text
    assert "\nusable, 1 warning; `cosmos targets check lab --smoke`" in text


@pytest.mark.parametrize(("keys", "code"), [("\r", 1), ("n\r", 1), ("y\r", 0)])
def test_a_new_host_key_is_asked_about(lab, ssh_home, keys, code):
    ssh_home.lead_to(ssh_home.sshd, known=False)
    before = ssh_home.known_hosts.read_text()
    ended, text = on_a_terminal(lab, "targets", "trust", "lab", answer=("[y/N]", keys))
    assert ended == code, text
    assert (ssh_home.known_hosts.read_text() != before) is (code == 0)
    assert ("nothing was stored" in text) is (code == 1)


@pytest.mark.parametrize(("keys", "code"), [("\r", 1), ("y\r", 1), ("yes\r", 0)])
def test_a_changed_host_key_wants_the_whole_word(lab, ssh_home, keys, code):
    ssh_home.known_hosts.write_text(f"[127.0.0.1]:{ssh_home.sshd.port} {ssh_home.jump.host_key}\n")
    ended, text = on_a_terminal(lab, "targets", "trust", "lab", answer=("Type yes", keys))
    assert ended == code, text
    assert "CHANGED" in text
    assert (ssh_home.sshd.known_hosts in ssh_home.known_hosts.read_text()) is (code == 0)


def test_names_are_completed(lab):
    words = {"_COSMOS_COMPLETE": "fish_complete", "COMP_WORDS": "cosmos targets check l", "COMP_CWORD": "l"}
    assert lab(**words).out.strip().split(",")[1] == "lab"
