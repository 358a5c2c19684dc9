"""Connections that cannot be made, break, or fall silent; and many who share one."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from real_parts import HostFolder, MakeSshd, Sshd, SshHome
from real_processes import children_of, command_of, patient, program_of, until
from real_session import open_folder
from ssh_hosts import MakeHost, configure

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Span, Tree
from cosmos_core.targets.ssh import SshHost, errand, shell


@pytest.fixture
def mine(ssh_home: SshHome, sshd: MakeSshd) -> Sshd:
    """A server of the test's own, where all names lead."""
    server = sshd()
    ssh_home.lead_to(server)
    return server


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def transient(verb: Callable[[], object]) -> TargetUnusable:
    with pytest.raises(TargetUnusable) as caught:
        verb()
    assert caught.value.transient, caught.value.message
    return caught.value


def open_files() -> list[str]:
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(entry.readlink()))
        except OSError:
            continue
    return sorted(name for name in found if name.startswith(("socket:", "pipe:")))


def below(pid: int) -> Iterator[int]:
    for child in children_of(pid):
        yield child
        yield from below(child)


def remote_shells(server: Sshd) -> list[int]:
    """The shells that wait for our scripts."""
    listener = int((server.folder / "pid").read_text())
    return [pid for pid in below(listener) if program_of(pid) == "sh" and "read -r l" in command_of(pid)]


def sessions(server: Sshd) -> int:
    return len(re.findall("Starting session", server.log))


def connections(server: Sshd) -> int:
    return len(re.findall("Accepted publickey", server.log))


def test_nobody_listens(host: MakeHost, mine: Sshd) -> None:
    mine.stop()
    said = transient(lambda: host().stat(["/"]))
    assert said.message == f"ada (127.0.0.1:{mine.port}) cannot be reached: connection refused"


def test_a_name_that_is_not_known(host: MakeHost, ssh_home: SshHome) -> None:
    configure(ssh_home, "Host ada\n  HostName no-such-host.invalid")
    assert "its name is not known" in transient(lambda: host().stat(["/"])).message


@pytest.mark.parametrize("first_words", [b"", b"SSH-2.0-Silence\r\n"])
def test_a_host_that_takes_the_connection_and_says_nothing(
    host: MakeHost, ssh_home: SshHome, silent_port: int, first_words: bytes
) -> None:
    configure(ssh_home, f"Host ada\n  Port {silent_port}")
    began = time.monotonic()
    assert "did not finish the SSH handshake" in transient(lambda: host(connect_timeout=1).stat(["/"])).message
    assert time.monotonic() - began < patient(1.9)  # waited for once, not twice


def test_a_host_that_speaks_and_falls_silent(host: MakeHost, ssh_home: SshHome) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        configure(ssh_home, f"Host ada\n  Port {listener.getsockname()[1]}")
        kept: list[socket.socket] = []

        def greet() -> None:
            kept.append(listener.accept()[0])
            kept[0].sendall(b"SSH-2.0-OpenSSH_9.9\r\n")

        greeter = threading.Thread(target=greet)
        greeter.start()
        began = time.monotonic()
        assert "did not finish the SSH handshake" in transient(lambda: host(connect_timeout=1).stat(["/"])).message
        assert time.monotonic() - began < patient(1.9)  # waited for once, not twice
        greeter.join()
        kept[0].close()


def test_an_address_that_swallows_everything(host: MakeHost, ssh_home: SshHome) -> None:
    """A full queue of connections drops what comes, as a firewall does."""
    with socket.socket() as listener, socket.socket() as other:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        other.connect(listener.getsockname())
        configure(ssh_home, f"Host ada\n  Port {listener.getsockname()[1]}")
        began = time.monotonic()
        said = transient(lambda: host(connect_timeout=1).stat(["/"])).message
        assert "no answer in time" in said or "did not finish the SSH handshake" in said
        assert time.monotonic() - began < patient(1.9)  # waited for once, not twice


def test_too_many_logins_at_a_time(host: MakeHost, ssh_home: SshHome) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        configure(ssh_home, f"Host ada\n  Port {listener.getsockname()[1]}")

        def refuse() -> None:
            connection, _ = listener.accept()
            connection.sendall(b"Exceeded MaxStartups\r\n")
            connection.close()

        refuser = threading.Thread(target=refuse)
        refuser.start()
        assert "hung up at once" in transient(lambda: host().stat(["/"])).message
        refuser.join()


def test_a_failed_attempt_leaves_nothing(host: MakeHost, ssh_home: SshHome, silent_port: int, mine: Sshd) -> None:
    before = open_files()
    ssh_home.known_hosts.write_text("", encoding="utf-8")
    for _ in range(3):
        with pytest.raises(TargetUnusable):
            host().stat(["/"])
    configure(ssh_home, f"Host ada\n  Port {silent_port}")
    with pytest.raises(TargetUnusable):
        host(connect_timeout=0.2).stat(["/"])
    assert open_files() == before


def test_close_leaves_nothing(ssh_home: SshHome, tmp_path: Path) -> None:
    before = open_files()
    threads = set(threading.enumerate())
    for name in ("ada", "ada-by-jump"):
        one = SshHost(name, connect_timeout=10)
        one.run(["true"])
        one.get({"/etc/passwd": tmp_path / "passwd"})
        one.close()
        one.close()
    until(lambda: set(threading.enumerate()) == threads)
    assert open_files() == before


def test_a_closed_host_opens_again(ada: SshHost) -> None:
    ada.run(["true"])
    ada.close()
    assert ada.run(["echo", "again"]).text == "again"


def test_a_link_that_broke_while_nothing_went_on_is_made_again(host: MakeHost, mine: Sshd) -> None:
    ada = host()
    ada.run(["true"])
    mine.drop_connections()
    until(lambda: not ada._line.alive)
    assert ada.stat(["/"])
    mine.stop()
    transient(lambda: ada.stat(["/"]))
    mine.start()
    assert ada.run(["echo", "again"]).text == "again"


def test_a_link_that_breaks_during_a_command(host: MakeHost, mine: Sshd, there: Path) -> None:
    """The command may have run, so nobody runs it a second time; the next one has a new link."""
    ada = host()
    ada.lay_out(str(there), Tree())
    mark = there / "mark"
    script = f"echo x >>{mark}; exec sleep 60"

    def cut() -> None:
        until(mark.exists)
        mine.drop_connections()

    cutter = threading.Thread(target=cut)
    cutter.start()
    said = transient(lambda: ada.run(["sh", "-c", script]))
    cutter.join()
    assert "does not answer" in said.message
    assert ada.read([Span(str(mark))]) == [b"x\n"]
    assert connections(mine) == 2


def test_a_shell_that_is_killed_is_started_again(host: MakeHost, mine: Sshd) -> None:
    ada = host()
    ada.stat(["/"])
    (pid,) = remote_shells(mine)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not remote_shells(mine))
    assert ada.stat(["/"])
    assert connections(mine) == 1


def test_a_command_whose_shell_is_killed(host: MakeHost, mine: Sshd, there: Path) -> None:
    ada = host()
    ada.lay_out(str(there), Tree())
    until(lambda: len(remote_shells(mine)) == 1)
    (quiet,) = remote_shells(mine)

    def kill() -> None:
        until((there / "begun").exists)
        (pid,) = [pid for pid in remote_shells(mine) if pid != quiet and children_of(pid)]
        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    pids = there / "begun"
    said = transient(lambda: ada.run(["sh", "-c", f"echo $$ >{pids}; exec sleep 60 >/dev/null 2>&1"]))
    killer.join()
    os.kill(int(pids.read_text()), signal.SIGKILL)
    assert "the shell there was ended" in said.message
    assert ada.stat(["/"])


def test_a_program_that_is_killed(ada: SshHost) -> None:
    assert ada.run(["sh", "-c", "kill -9 $$"]).exit_code == 128 + 9


def test_a_question_without_an_answer(host: MakeHost, there: Path, mine: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that hangs: what reads from it never ends."""
    monkeypatch.setattr(shell, "ANSWER_S", 0.5)
    ada = host()
    ada.lay_out(str(there), Tree())
    assert ada.run(["mkfifo", str(there / "hangs")]).exit_code == 0
    said = transient(lambda: ada._line.ask(f"cat {there / 'hangs'}"))
    assert "no answer within" in said.message
    assert ada.stat([str(there)])
    assert connections(mine) == 1


def test_a_host_that_stops_is_noticed_while_a_command_is_waited_for(
    host: MakeHost, mine: Sshd, monkeypatch: pytest.MonkeyPatch, there: Path
) -> None:
    monkeypatch.setattr(shell, "ANSWER_S", 0.5)
    monkeypatch.setattr(errand, "_SILENCE_S", 0.3)
    ada = host()
    ada.lay_out(str(there), Tree())
    assert ada.run(["sleep", "1"]).exit_code == 0  # silence alone is no reason
    listener = int((mine.folder / "pid").read_text())
    frozen: list[int] = []

    def freeze() -> None:
        until((there / "begun").exists)
        frozen.extend(pid for pid in below(listener) if program_of(pid).startswith("sshd"))
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)

    freezer = threading.Thread(target=freeze)
    freezer.start()
    began = time.monotonic()
    transient(lambda: ada.run(["sh", "-c", f"touch {there / 'begun'}; exec sleep 60"]))
    freezer.join()
    assert time.monotonic() - began < patient(10)
    assert ada.stat(["/"])  # over a new connection
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)


def test_a_host_that_stops_is_noticed_while_a_file_is_sent(
    host: MakeHost, mine: Sshd, monkeypatch: pytest.MonkeyPatch, there: Path, tmp_path: Path
) -> None:
    """Its kernel still takes a few MiB, and then nothing goes."""
    monkeypatch.setattr(shell, "ANSWER_S", 0.5)
    monkeypatch.setattr(errand, "_SILENCE_S", 0.5)
    monkeypatch.setattr(errand, "_STUCK_S", 0.5)
    ada = host()
    ada.lay_out(str(there), Tree())
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(256 << 20)
    frozen: list[int] = []

    def freeze(_: int) -> None:
        if not frozen:
            listener = int((mine.folder / "pid").read_text())
            frozen.extend(pid for pid in below(listener) if program_of(pid).startswith("sshd"))
            for pid in frozen:
                os.kill(pid, signal.SIGSTOP)

    began = time.monotonic()
    transient(lambda: ada.put(source, str(there / "big"), on_bytes=freeze))
    assert time.monotonic() - began < patient(10)
    assert ada.stat(["/"])
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)


def test_twenty_threads_share_one_connection(host: MakeHost, mine: Sshd, there: Path) -> None:
    ada = host()
    ada.lay_out(str(there), Tree(files=[(f"f{number}", str(number).encode(), 0o600) for number in range(20)]))
    together = threading.Barrier(20)

    def work(number: int) -> bytes:
        together.wait()
        path = f"{there}/f{number}"
        assert ada.run(["sh", "-c", f"sleep 0.2; exit {number}"]).exit_code == number
        assert ada.stat([path])[path].bytes == len(str(number))
        assert ada.run(["cat"], stdin=b"%d" % number * 1000).out == b"%d" % number * 1000
        return ada.read([Span(path)])[0]

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(work, range(20))) == [str(number).encode() for number in range(20)]
    assert connections(mine) == 1


def test_twenty_threads_wait_once_for_a_host_that_does_not_answer(
    host: MakeHost, ssh_home: SshHome, silent_port: int
) -> None:
    configure(ssh_home, f"Host ada\n  Port {silent_port}")
    ada = host(connect_timeout=0.5)
    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        for error in pool.map(lambda _: transient(lambda: ada.stat(["/"])), range(20)):
            assert "did not finish the SSH handshake" in error.message
    assert time.monotonic() - began < patient(1.5)


def test_transfers_do_not_hold_up_questions_and_commands(ada: SshHost, there: Path, tmp_path: Path) -> None:
    ada.lay_out(str(there), Tree())
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(8 << 20)
    moved, go_on = threading.Semaphore(0), threading.Event()

    def on_bytes(_: int) -> None:
        moved.release()
        assert go_on.wait(60)

    with ThreadPoolExecutor(12) as pool:
        sending = [pool.submit(ada.put, source, f"{there}/big{number}", on_bytes=on_bytes) for number in range(12)]
        assert moved.acquire(timeout=10)
        for _ in range(20):
            assert ada.stat([str(there)])
            assert ada.run(["true"]).exit_code == 0
        assert not any(one.done() for one in sending)
        go_on.set()
        assert len({one.result() for one in sending}) == 1
    assert set(ada.list(str(there)).values()) == {8 << 20}


def test_a_long_listing_does_not_hold_up_questions(
    host: MakeHost, ssh_home: SshHome, sshd: MakeSshd, host_folder: HostFolder
) -> None:
    programs = open_folder(host_folder.path / "bin")
    begun, go_on = (programs / name for name in ("begun", "go-on"))
    for pipe in (begun, go_on):
        os.mkfifo(pipe)
        pipe.chmod(0o666)
    find = programs / "find"
    find.write_text(f'#!/bin/sh\necho > {begun}\nread line < {go_on}\nexec /usr/bin/find "$@"\n', encoding="utf-8")
    find.chmod(0o755)
    eve = ssh_home.accounts["eve"]
    ssh_home.lead_to(sshd(f"Match user {eve.user}", f"SetEnv PATH={programs}:/usr/bin:/bin"))
    far = host("eve")
    mine = host_folder.of(eve)
    far.lay_out(str(mine), Tree(files=[("a", b"1", 0o600)]))
    with ThreadPoolExecutor(1) as pool:
        listing = pool.submit(far.list, str(mine))
        begun.read_text(encoding="utf-8")
        assert far.stat([str(mine)])
        assert not listing.done()
        go_on.write_text("\n", encoding="utf-8")
        assert listing.result() == {"a": 1}


def test_more_commands_at_once_than_the_server_has_sessions(host: MakeHost, ssh_home: SshHome, sshd: MakeSshd) -> None:
    ssh_home.lead_to(sshd("MaxSessions 3"))
    ada = host()
    with ThreadPoolExecutor(8) as pool:
        assert all(done.exit_code == 0 for done in pool.map(lambda _: ada.run(["sleep", "0.2"]), range(8)))


def test_a_server_with_one_session_only(
    host: MakeHost, ssh_home: SshHome, sshd: MakeSshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cosmos_core.targets.ssh.connection._FULL_S", 0.2)
    ssh_home.lead_to(sshd("MaxSessions 1"))
    assert "MaxSessions" in transient(lambda: host().run(["true"])).hint


def test_a_login_shell_that_runs_nothing(host: MakeHost, ssh_home: SshHome, sshd: MakeSshd) -> None:
    ssh_home.lead_to(sshd("ForceCommand echo This account is not available.; exit 1"))
    with pytest.raises(TargetUnusable, match=r"runs no commands: .*not available") as caught:
        host("eve").run(["true"])
    assert not caught.value.transient
    assert "ssh eve true" in caught.value.hint


def test_a_start_up_file_that_prints_for_ages(host: MakeHost, host_folder: HostFolder, ssh_home: SshHome) -> None:
    bob = ssh_home.accounts["bob"]
    file = bob.home / ".cshrc"
    before = file.read_text(encoding="utf-8")
    file.write_text(before + '\nsh -c "seq 300000; seq 300000 >&2"\n', encoding="utf-8")
    try:
        far = host("bob")
        assert far.run(["echo", "mine"]).out == b"mine\n"
        assert far.stat(["/"])
    finally:
        file.write_text(before, encoding="utf-8")
