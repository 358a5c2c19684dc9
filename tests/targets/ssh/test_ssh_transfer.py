"""Large files there and back: whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from real_parts import Account, HostFolder, MakeSshd, SshHome
from real_processes import everything, kill_all, until
from ssh_hosts import MakeHost, Place

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Tree
from cosmos_core.targets.ssh import SshHost

MIB = 1 << 20


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """64 MiB that do not repeat."""
    file = tmp_path / "big"
    file.write_bytes(os.urandom(64 * MIB))
    return file


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["ada", "bob", "ada-by-jump"])
def test_there_and_back(host: MakeHost, host_folder: HostFolder, big: Path, tmp_path: Path, name: str) -> None:
    far = host(name)
    there = host_folder.of(host_folder.accounts[name.partition("-")[0]]) / "big"
    steps: list[int] = []
    assert far.put(big, str(there), sha256=digest(big), on_bytes=steps.append) == digest(big)
    assert sum(steps) == 64 * MIB
    assert max(steps) <= MIB
    assert far.digest(str(there)) == digest(big)
    steps.clear()
    assert far.get({str(there): tmp_path / "back"}, on_bytes=steps.append) == {str(there): digest(big)}
    assert sum(steps) == 64 * MIB
    assert digest(tmp_path / "back") == digest(big)


def test_new_keys_in_the_middle(
    host: MakeHost, ssh_home: SshHome, sshd: MakeSshd, there: Path, big: Path, tmp_path: Path
) -> None:
    """A server that wants them every few MiB."""
    ssh_home.lead_to(sshd("RekeyLimit 8M"))
    ada = host()
    assert ada.put(big, f"{there}/big") == digest(big)
    ada.get({f"{there}/big": tmp_path / "back"})
    assert digest(tmp_path / "back") == digest(big)


def test_a_full_disk_there(
    ada: SshHost, small_disk: Callable[[int, Account], Path], ssh_home: SshHome, big: Path
) -> None:
    disk = small_disk(8, ssh_home.accounts["ada"])
    ada.lay_out(str(disk), Tree(files=[("kept", b"old", 0o600)]))
    moved: list[int] = []
    for verb in (
        lambda: ada.put(big, f"{disk}/kept", on_bytes=moved.append),
        lambda: ada.put(big, f"{disk}/new/file", sha256="0" * 64, on_bytes=moved.append),
        lambda: ada.lay_out(f"{disk}/job", Tree(files=[("much", bytes(16 * MIB), 0o600), ("last", b"", 0o600)])),
    ):
        with pytest.raises(TargetUnusable, match=f"no space left on .* for {disk}") as caught:
            verb()
        assert not caught.value.transient
        assert "cosmos sync" in caught.value.hint
    assert moved == []  # the disk was looked at before
    assert (disk / "kept").read_text() == "old"
    files = [str(file.relative_to(disk)) for file in disk.rglob("*") if file.is_file()]
    assert "job/last" not in files
    assert not [name for name in files if name.endswith(".part")]


def test_a_full_disk_here(
    ada: SshHost, small_disk: Callable[[int, Account], Path], ssh_home: SshHome, there: Path, big: Path
) -> None:
    disk = small_disk(8, ssh_home.accounts["ada"])
    ada.put(big, f"{there}/big")
    with pytest.raises(TargetUnusable, match=rf"no space left here for {disk}/big: 67.1 MB .* 8.4 MB .* on {disk}"):
        ada.get({f"{there}/big": disk / "big"})
    assert list(disk.iterdir()) == []
    assert ada.stat([f"{there}/big"])


@pytest.mark.parametrize("place", ["ada", "bob", "bash", "busybox"], indirect=True)
def test_what_takes_an_hour_to_digest_is_digested_for_who_asks_only(place: Place, tmp_path: Path) -> None:
    huge = place.path / "huge"
    place.host.lay_out(str(place.path), Tree(files=[("huge", b"", 0o600)]))
    os.truncate(huge, 1 << 40)
    try:
        with pytest.raises(TargetUnusable, match="no space left here for "):
            place.host.get({str(huge): tmp_path / "back"})
        until(lambda: not readers(huge))
        for verb in (place.host.digest, lambda path: place.host.verify(path, "0" * 64, mtime=0)):
            with ThreadPoolExecutor(1) as thread:
                asked = thread.submit(verb, str(huge))
                until(lambda: readers(huge))
                place.host.close()
                with pytest.raises(TargetUnusable):
                    asked.result()
            until(lambda: not readers(huge))
    finally:
        kill_all(lambda: readers(huge))


def readers(file: Path) -> list[int]:
    """The processes that have it open."""
    found = []
    for pid in everything():
        with contextlib.suppress(OSError):  # it ends while we look
            if file in {descriptor.readlink() for descriptor in Path(f"/proc/{pid}/fd").iterdir()}:
                found.append(pid)
    return found


def test_a_file_that_changes_while_it_is_fetched(ada: SshHost, there: Path, big: Path, tmp_path: Path) -> None:
    ada.put(big, f"{there}/big")
    once = threading.Event()

    def on_bytes(_: int) -> None:
        if not once.is_set():
            once.set()
            os.truncate(there / "big", 1000)

    with pytest.raises(TargetUnusable) as caught:
        ada.get({f"{there}/big": tmp_path / "back"}, on_bytes=on_bytes)
    assert caught.value.transient
    assert not (tmp_path / "back").exists()
    assert ada.get({f"{there}/big": tmp_path / "back"}) == {f"{there}/big": digest(there / "big")}
    assert (tmp_path / "back").stat().st_size == 1000


def test_a_file_that_changes_while_it_is_sent(ada: SshHost, there: Path, big: Path) -> None:
    def on_bytes(_: int) -> None:
        os.truncate(big, 2 * MIB)

    with pytest.raises(TargetUnusable, match="changed while it was sent"):
        ada.put(big, f"{there}/big", on_bytes=on_bytes)
    assert list(there.iterdir()) == []


def test_folders_that_are_not_ours_to_write(ada: SshHost, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for verb in (
        lambda: ada.put(tmp_path / "file", "/etc/cosmos-test"),
        lambda: ada.lay_out("/etc/cosmos-test", Tree()),
        lambda: ada.link("/etc/passwd", "/etc/cosmos-test"),
        lambda: ada.remove("/etc/passwd"),
        lambda: ada.get({"/etc/shadow": tmp_path / "shadow"}),
        lambda: ada.stat(["/root/.ssh/x"]),
        lambda: ada.list("/root"),
    ):
        with pytest.raises(TargetUnusable, match=r"cannot .*: (Permission denied|Operation not permitted)") as caught:
            verb()
        assert not caught.value.transient
        assert "permissions" in caught.value.hint
