"""Transfers that are broken off: what has arrived stays, and whoever comes next goes on with it."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from attrs import evolve
from real_link import Link
from real_parts import Account, MakeSshd, Sshd, SshHome
from real_processes import children_of, program_of, until
from ssh_hosts import MakeHost

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Tree
from cosmos_core.targets.ssh import SshHost, errand, put, shell

MIB = 1 << 20
BIG = 48 * MIB


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """48 MiB that do not repeat."""
    file = tmp_path / "big"
    file.write_bytes(os.urandom(BIG))
    return file


@pytest.fixture
def link(ssh_home: SshHome, shared_sshd: Sshd) -> Iterator[Link]:
    """The way that all names lead."""
    way = Link(shared_sshd.port)
    ssh_home.lead_to(evolve(shared_sshd, port=way.port))
    yield way
    way.close()


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def part_of(folder: Path, source: Path) -> Path:
    return folder / f".{digest(source)}.part"


def broken(verb: Callable[[], object]) -> None:
    with pytest.raises(TargetUnusable) as caught:
        verb()
    assert caught.value.transient, caught.value.message


def after(count: int, then: Callable[[], object]) -> Callable[[int], None]:
    """Does something once that many bytes are told of."""
    told = [0, 0]

    def on_bytes(more: int) -> None:
        told[0] += more
        if told[0] >= count and not told[1]:
            told[1] = 1
            then()

    return on_bytes


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_an_upload_goes_on_where_the_link_broke(host: MakeHost, link: Link, there: Path, big: Path) -> None:
    ada = host()
    link.breaks_at = 32 * MIB
    broken(lambda: ada.put(big, f"{there}/to"))
    until(lambda: link.idle)
    assert not (there / "to").exists()
    had = part_of(there, big).stat().st_size
    assert had > 16 * MIB
    link.sent = 0
    told: list[int] = []
    assert ada.put(big, f"{there}/to", on_bytes=told.append) == digest(big)
    assert told[0] >= had
    assert sum(told) == BIG
    assert link.sent < BIG - had + MIB
    assert digest(there / "to") == digest(big)
    assert names(there) == ["to"]


def test_a_download_goes_on_where_the_link_broke(
    host: MakeHost, link: Link, there: Path, big: Path, tmp_path: Path
) -> None:
    ada = host()
    ada.put(big, f"{there}/big")
    small = tmp_path / "small"
    small.write_text("all of it")
    ada.put(small, f"{there}/small")
    folder = tmp_path / "in"
    wanted = {f"{there}/small": folder / "first", f"{there}/big": folder / "big"}
    link.sent = link.fetched = 0
    link.breaks_at = 32 * MIB
    broken(lambda: ada.get(wanted))
    until(lambda: link.idle)
    assert names(folder) == [".big.part", ".first.part"]
    had = (folder / ".big.part").stat().st_size
    assert had >= 16 * MIB
    link.fetched = 0
    told: list[int] = []
    assert ada.get(wanted, on_bytes=told.append) == {f"{there}/small": digest(small), f"{there}/big": digest(big)}
    assert sum(told) == BIG + small.stat().st_size
    assert link.fetched < BIG - had + MIB
    assert digest(folder / "big") == digest(big)
    assert (folder / "first").read_text() == "all of it"
    assert names(folder) == ["big", "first"]


def test_what_is_left_of_an_upload_and_wrong_is_thrown_away(host: MakeHost, link: Link, there: Path, big: Path) -> None:
    ada = host()
    ada.lay_out(str(there), Tree(files=[(part_of(there, big).name, b"wrong" * MIB, 0o600)]))
    told: list[int] = []
    assert ada.put(big, f"{there}/to", on_bytes=told.append) == digest(big)
    assert sum(told) == BIG
    assert digest(there / "to") == digest(big)
    ada.lay_out(str(there), Tree(files=[(part_of(there, big).name, bytes(BIG + 1), 0o600)]))  # more than there is
    assert ada.put(big, f"{there}/to") == digest(big)
    assert names(there) == ["to"]


@pytest.mark.parametrize("left", [b"wrong" * MIB, bytes(BIG), bytes(BIG + 1)])
def test_what_is_left_of_a_download_and_wrong_is_thrown_away(
    ada: SshHost, there: Path, big: Path, tmp_path: Path, left: bytes
) -> None:
    ada.put(big, f"{there}/big")
    (tmp_path / ".back.part").write_bytes(left)
    told: list[int] = []
    assert ada.get({f"{there}/big": tmp_path / "back"}, on_bytes=told.append) == {f"{there}/big": digest(big)}
    assert sum(told) == BIG
    assert digest(tmp_path / "back") == digest(big)
    assert not (tmp_path / ".back.part").exists()


def test_two_fetch_the_same_at_once(host: MakeHost, there: Path, big: Path, tmp_path: Path) -> None:
    host().put(big, f"{there}/big")
    with ThreadPoolExecutor(2) as pool:
        got = [pool.submit(host().get, {f"{there}/big": tmp_path / "in" / "big"}) for _ in range(2)]
        assert [one.result() for one in got] == 2 * [{f"{there}/big": digest(big)}]
    assert digest(tmp_path / "in" / "big") == digest(big)
    assert names(tmp_path / "in") == ["big"]


class CalledOff(Exception):  # noqa: N818  no fault
    """Somebody else does it now."""


@pytest.mark.parametrize(("interrupt", "left"), [(CalledOff, []), (KeyboardInterrupt, [".big.part"])])
def test_a_download_that_is_called_off_leaves_nothing_and_one_that_is_interrupted_what_came(
    ada: SshHost, there: Path, big: Path, tmp_path: Path, interrupt: type[BaseException], left: list[str]
) -> None:
    ada.put(big, f"{there}/big")
    told = 0

    def on_bytes(count: int) -> None:
        nonlocal told
        told += count
        if told > 8 * MIB:
            raise interrupt

    with pytest.raises(interrupt):
        ada.get({f"{there}/big": tmp_path / "in" / "big"}, on_bytes=on_bytes)
    assert names(tmp_path / "in") == left
    assert ada.get({f"{there}/big": tmp_path / "in" / "big"}) == {f"{there}/big": digest(big)}
    assert names(tmp_path / "in") == ["big"]


CLIENT = """
import sys
from pathlib import Path
from cosmos_core.targets.ssh import SshHost
SshHost("ada", connect_timeout=10).put(Path(sys.argv[1]), sys.argv[2])
"""


def test_a_client_that_is_killed_leaves_its_part_to_the_next(
    host: MakeHost, link: Link, there: Path, big: Path
) -> None:
    link.rate = 30e6
    with subprocess.Popen([sys.executable, "-c", CLIENT, big, f"{there}/to"]) as client:
        until(lambda: part_of(there, big).exists() and part_of(there, big).stat().st_size > 8 * MIB)
        client.kill()
    until(lambda: link.idle)
    link.rate, link.sent = None, 0
    waits: list[float] = []
    assert host().put(big, f"{there}/to", on_wait=lambda: waits.append(time.monotonic())) == digest(big)
    assert link.sent < BIG - 8 * MIB + MIB
    assert len(waits) < 5  # its shell there ended with its connection
    assert names(there) == ["to"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "ANSWER_S", 0.5)
    monkeypatch.setattr(errand, "_SILENCE_S", 0.5)
    monkeypatch.setattr(errand, "_STUCK_S", 0.5)


def freezer(server: Sshd, frozen: list[int]) -> Callable[[], None]:
    """Stops a server's connections where they are."""

    def freeze() -> None:
        waiting = [int((server.folder / "pid").read_text())]
        while waiting:
            below = [pid for pid in children_of(waiting.pop()) if program_of(pid).startswith("sshd")]
            waiting += below
            frozen.extend(below)
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)

    return freeze


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("who", ["the same", "another"])
def test_what_a_frozen_link_has_left_is_taken_over(
    host: MakeHost,
    ssh_home: SshHome,
    sshd: MakeSshd,
    there: Path,
    big: Path,
    monkeypatch: pytest.MonkeyPatch,
    who: str,
) -> None:
    """Its shell there waits for bytes without end: nobody waits for it, or not for long."""
    monkeypatch.setattr(put, "_STALLED_S", 0.5)
    mine = sshd()
    ssh_home.lead_to(mine)
    ada = host()
    frozen: list[int] = []
    broken(lambda: ada.put(big, f"{there}/to", on_bytes=after(16 * MIB, freezer(mine, frozen))))
    assert part_of(there, big).exists()
    waits: list[float] = []
    next_one = ada if who == "the same" else host()
    assert next_one.put(big, f"{there}/to", on_wait=lambda: waits.append(time.monotonic())) == digest(big)
    assert (who == "the same") == (waits == [])
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)
    assert digest(there / "to") == digest(big)
    assert names(there) == ["to"]


@pytest.mark.parametrize("count", [2, 5])
def test_one_of_several_who_want_the_same_file_there_sends_it(
    host: MakeHost, link: Link, there: Path, big: Path, count: int
) -> None:
    """As many processes of one person do, each with a database of its own."""
    waits: list[int] = []
    link.rate = 50e6
    began = threading.Barrier(count)

    def bring(number: int) -> str:
        far = host()
        far.stat(["/"])
        began.wait()
        return far.put(big, f"{there}/to", sha256=digest(big), mtime=10**9, on_wait=lambda: waits.append(number))

    with ThreadPoolExecutor(count) as pool:
        assert set(pool.map(bring, range(count))) == {digest(big)}
    assert link.sent < BIG + 2 * MIB
    assert len(set(waits)) == count - 1
    assert digest(there / "to") == digest(big)
    assert names(there) == ["to"]


def test_threads_of_one_process_send_it_once_and_others_pass(
    host: MakeHost, link: Link, there: Path, big: Path
) -> None:
    """Many more than there are channels; those that wait take none."""
    far = host()
    link.rate = 50e6
    other = big.with_name("other")
    other.write_bytes(b"another file")

    def bring(_: int) -> str:
        return far.put(big, f"{there}/to", sha256=digest(big), mtime=10**9)

    with ThreadPoolExecutor(20) as pool:
        sent = [pool.submit(bring, number) for number in range(19)]
        until(lambda: part_of(there, big).exists())
        far.put(other, f"{there}/other")
        assert not any(one.done() for one in sent)
        assert {one.result() for one in sent} == {digest(big)}
    assert link.sent < BIG + 2 * MIB


def test_the_next_goes_on_where_the_first_dies(
    host: MakeHost, ssh_home: SshHome, shared_sshd: Sshd, there: Path, big: Path
) -> None:
    mortal, lasting = Link(shared_sshd.port, rate=20e6), Link(shared_sshd.port)
    ssh_home.lead_to(evolve(shared_sshd, port=mortal.port))
    first = host()
    first.stat(["/"])
    ssh_home.lead_to(evolve(shared_sshd, port=lasting.port))
    second = host()
    second.stat(["/"])
    waited = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        dying = pool.submit(first.put, big, f"{there}/to")
        until(lambda: part_of(there, big).exists() and part_of(there, big).stat().st_size > 8 * MIB)
        going_on = pool.submit(second.put, big, f"{there}/to", on_wait=waited.set)
        assert waited.wait(10)
        mortal.cut()
        broken(dying.result)
        assert going_on.result() == digest(big)
    assert lasting.sent < BIG - 8 * MIB + MIB
    assert digest(there / "to") == digest(big)
    assert names(there) == ["to"]
    mortal.close()
    lasting.close()


def test_room_is_looked_for_before_anything_is_sent(
    host: MakeHost, link: Link, small_disk: Callable[[int, Account], Path], ssh_home: SshHome, big: Path, tmp_path: Path
) -> None:
    disk = small_disk(64, ssh_home.accounts["ada"])
    ada = host()
    words = rf"no space left on .* for {disk}/to: 90.3 MB are to come, 67.1 MB are free on {disk}"
    with pytest.raises(TargetUnusable, match=words) as caught:
        ada.put(big, f"{disk}/to", more=40_000_000)
    assert "make room there" in caught.value.hint
    assert link.sent < MIB
    until(lambda: names(disk) == [])
    link.breaks_at = 32 * MIB
    broken(lambda: ada.put(big, f"{disk}/to"))
    ada.put(big, f"{disk}/to", more=10_000_000)  # what is there already needs no room
    link.fetched = 0
    with pytest.raises(TargetUnusable, match=rf"no space left here for {disk}/back: 50.3 MB .* free on {disk}"):
        ada.get({f"{disk}/to": disk / "back"})
    assert link.fetched < 8 * MIB
    assert names(disk) == ["to"]


def test_questions_are_answered_while_a_file_is_sent(host: MakeHost, link: Link, there: Path, tmp_path: Path) -> None:
    """Over a narrow link that the transfer fills."""
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(200_000_000)
    ada = host()
    ada.lay_out(str(there), Tree())
    link.rate = 50e6
    began = time.monotonic()
    trips: list[float] = []
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(ada.put, source, f"{there}/to")
        while not sending.done():
            asked = time.monotonic()
            assert ada.stat([str(there)])
            trips.append(time.monotonic() - asked)
            time.sleep(0.02)
        sending.result()
    took = time.monotonic() - began
    assert took > 3.5  # it was narrow
    trips.sort()
    assert trips[len(trips) // 2] < took / 10
    assert trips[-1] < took / 2
