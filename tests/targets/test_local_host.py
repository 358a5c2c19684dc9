"""This machine as a host: each verb does all of it or nothing, and says in words what it cannot do."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from real_parts import Account, Accounts

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.cache import cached_path, upload
from cosmos_core.targets.host import Span, Tree
from cosmos_core.targets.local import LocalHost

HOST = LocalHost()


def folder(path: Path) -> None:
    HOST.lay_out(str(path), Tree())


def write(path: Path, content: bytes = b"") -> None:
    HOST.lay_out(str(path.parent), Tree(files=[(path.name, content, 0o600)]))


def test_put_gives_the_digest_of_what_it_wrote(tmp_path: Path) -> None:
    data = os.urandom(3 << 20)
    source = tmp_path / "source"
    source.write_bytes(data)
    moved: list[int] = []
    to = tmp_path / "deep" / "file"
    assert HOST.put(source, str(to), mode=0o640, on_bytes=moved.append) == hashlib.sha256(data).hexdigest()
    assert to.read_bytes() == data
    assert to.stat().st_mode & 0o777 == 0o640
    assert sum(moved) == len(data)


def test_a_put_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("old")
    with pytest.raises(TargetUnusable):
        HOST.put(tmp_path / "absent", str(there))
    assert there.read_text() == "old"
    assert [f.name for f in tmp_path.iterdir()] == ["there"]


def test_a_put_of_something_else_than_was_meant_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"new")
    there = tmp_path / "below" / "there"
    digest = hashlib.sha256(b"new").hexdigest()
    assert HOST.put(tmp_path / "source", str(there), sha256="0" * 64) == digest
    assert not there.exists()
    assert HOST.put(tmp_path / "source", str(there), sha256=digest) == digest
    assert there.read_bytes() == b"new"
    assert [f.name for f in there.parent.iterdir()] == ["there"]


def test_no_space_left_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full refuses every write as a full disk does."""
    opened = os.open
    monkeypatch.setattr(os, "open", lambda path, flags, mode=0o777: opened("/dev/full", os.O_WRONLY))
    with pytest.raises(TargetUnusable, match="no space left") as caught:
        write(tmp_path / "to" / "file", b"much")
    assert "sync" in caught.value.hint
    assert not list((tmp_path / "to").iterdir())


def test_room_is_looked_for_before_a_copy(
    small_disk: Callable[[int, Account], Path], accounts: Accounts, tmp_path: Path
) -> None:
    disk = small_disk(8, accounts["ada"])
    source = tmp_path / "source"
    source.write_bytes(os.urandom(6 << 20))
    words = rf"no space left here for {disk}/to/file: 9.3 MB are to come, 8.4 MB are free on {disk}"
    with pytest.raises(TargetUnusable, match=words) as caught:
        HOST.put(source, str(disk / "to" / "file"), more=3_000_000)
    assert "make room here" in caught.value.hint
    assert not list((disk / "to").iterdir())
    HOST.put(source, str(disk / "to" / "file"))
    source.write_bytes(bytes(9 << 20))
    with pytest.raises(TargetUnusable, match=rf"no space left here for {disk}/back"):
        HOST.get({str(source): disk / "back"})
    assert [path.name for path in disk.iterdir()] == ["to"]


def test_a_copy_goes_on_where_it_was_broken_off(tmp_path: Path) -> None:
    source = tmp_path / "source"
    data = os.urandom(5 << 20)
    source.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    (tmp_path / "to").mkdir()
    part = tmp_path / "to" / f".{digest}.part"

    def broken_off(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        HOST.put(source, str(tmp_path / "to" / "file"), on_bytes=broken_off)
    assert 0 < part.stat().st_size < len(data)
    for left in (None, b"wrong", bytes(6 << 20)):
        if left:
            part.write_bytes(left)
        moved: list[int] = []
        assert HOST.put(source, str(tmp_path / "to" / "file"), mode=0o400, on_bytes=moved.append) == digest
        assert sum(moved) == len(data)
        assert (tmp_path / "to" / "file").read_bytes() == data
        assert [path.name for path in (tmp_path / "to").iterdir()] == ["file"]


def test_a_file_where_a_folder_should_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    below = tmp_path / "file" / "below"
    verbs: tuple[Callable[[], object], ...] = (
        lambda: HOST.put(tmp_path / "file", str(below)),
        lambda: folder(below),
        lambda: folder(tmp_path / "file"),
        lambda: write(below),
        lambda: HOST.link(str(tmp_path / "file"), str(below)),
        lambda: HOST.get({str(tmp_path / "file"): below}),
    )
    for verb in verbs:
        with pytest.raises(TargetUnusable, match="file"):
            verb()
    assert HOST.stat([str(below)]) == {}
    assert HOST.read([Span(str(below))]) == [b""]
    assert HOST.list(str(tmp_path / "file")) == {}


def test_what_cannot_be_looked_at_is_said(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    verbs: tuple[Callable[[], object], ...] = (
        lambda: HOST.stat([str(loop)]),
        lambda: HOST.read([Span(str(loop))]),
        lambda: HOST.read([Span(str(tmp_path))]),
        lambda: HOST.read([Span(str(tmp_path / ("long" * 100)))]),
        lambda: HOST.get({str(tmp_path): tmp_path / "copy"}),
    )
    for verb in verbs:
        with pytest.raises(TargetUnusable):
            verb()


def test_getting_what_is_gone_names_it(tmp_path: Path) -> None:
    with pytest.raises(TargetUnusable, match=r"cannot read .*gone"):
        HOST.get({str(tmp_path / "gone"): tmp_path / "here"})


def test_a_folder_laid_out_twice_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    for source, content in (("a", b"one"), ("b", b"two")):
        tree = Tree(
            folders=["empty", "deep/er"],
            links=[("in/hard", str(tmp_path / source))],
            symbolic=[("in/soft", str(tmp_path / source))],
            files=[("text/file", content, 0o600), ("last.sh", b"#!/bin/sh", 0o700)],
        )
        HOST.lay_out(str(tmp_path / "job"), tree)
        job = tmp_path / "job"
        assert (job / "in" / "hard").read_text() == (job / "in" / "soft").read_text() == "a"
        assert (job / "in" / "hard").samefile(tmp_path / "a")
        assert (job / "in" / "soft").is_symlink()
        assert (job / "text" / "file").read_bytes() == content
        assert (job / "last.sh").stat().st_mode & 0o777 == 0o700
        assert (job / "deep" / "er").is_dir()
        assert (job / "empty").is_dir()


def test_link_twice_does_nothing_more(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    for source in ("a", "b"):
        HOST.link(str(tmp_path / source), str(tmp_path / "below" / "to"))
        assert (tmp_path / "below" / "to").read_text() == "a"


def test_list_knows_files_only(tmp_path: Path) -> None:
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "sub" / "deep" / "a b").write_text("four")
    (tmp_path / "empty").write_text("")
    (tmp_path / "link").symlink_to("empty")
    (tmp_path / "up").symlink_to("..")
    assert HOST.list(str(tmp_path)) == {"empty": 0, "sub/deep/a b": 4}
    assert HOST.list(str(tmp_path / "absent")) == {}


def test_read_from_offsets(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    file, absent = str(tmp_path / "file"), str(tmp_path / "absent")
    spans = [Span(file, 4, 3), Span(absent), Span(file, 8), Span(file, 10), Span(file, 99)]
    assert HOST.read(spans) == [b"456", b"", b"89", b"", b""]


def test_stat_knows_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"four")
    (tmp_path / "link").symlink_to("file")
    names = [str(tmp_path / name) for name in ("file", "absent", "link")] + [str(tmp_path)]
    found = HOST.stat(names)
    assert list(found) == [names[0], names[2], names[3]]
    assert (found[names[0]].bytes, found[names[2]].bytes) == (4, 4)
    assert [found[name].is_dir for name in found] == [False, False, True]


def test_remove_takes_links_for_links(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to("kept")
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    for name in ("link", "folder", "absent"):
        HOST.remove(str(tmp_path / name))
    assert [f.name for f in tmp_path.iterdir()] == ["kept"]


def test_get_brings_whole_files(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"data")
    (tmp_path / "other").write_bytes(b"more")
    here = tmp_path / "deep"
    wanted = {str(tmp_path / "there"): here / "here", str(tmp_path / "other"): here / "er" / "other"}
    for _ in range(2):
        digests = HOST.get(wanted)
        assert digests == {there: hashlib.sha256(Path(there).read_bytes()).hexdigest() for there in wanted}
        assert (here / "here").read_bytes() == b"data"
        assert (here / "er" / "other").read_bytes() == b"more"
    assert sorted(f.name for f in here.rglob("*")) == ["er", "here", "other"]


def test_a_program_that_is_not_there_is_said() -> None:
    with pytest.raises(TargetUnusable, match="no-such-program"):
        HOST.run(["no-such-program"])


def test_folders_of_ours_are_ours_alone(tmp_path: Path) -> None:
    folder(tmp_path / "work")
    assert (tmp_path / "work").stat().st_mode & 0o777 == 0o700


def test_the_cache_never_holds_what_its_name_denies(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    source.write_bytes(b"new!")
    digest = hashlib.sha256(b"old!").hexdigest()
    place = Path(cached_path(str(tmp_path / "work"), digest, ".mp4"))
    seen: list[bool] = []
    with pytest.raises(TargetUnusable, match="has changed"):
        upload(HOST, source, str(place), digest, on_bytes=lambda _: seen.append(place.exists()))
    assert seen == [False]
    assert not list(place.parent.iterdir())
    source.write_bytes(b"old!")
    upload(HOST, source, str(place), digest)
    assert place.read_bytes() == b"old!"
    assert place.stat().st_mode & 0o777 == 0o400
    assert place.stat().st_nlink == 1
    source.unlink()
    with pytest.raises(TargetUnusable, match="is gone"):
        upload(HOST, source, str(place), digest)


def test_two_who_bring_the_same_file_are_not_in_each_others_way(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(8 << 20))
    place = tmp_path / "cache" / "file"
    met = threading.Barrier(4)
    trouble: list[BaseException] = []

    def bring() -> None:
        try:
            met.wait()
            for _ in range(5):
                HOST.put(source, str(place))
        except BaseException as error:  # noqa: BLE001  it is looked at below
            trouble.append(error)

    threads = [threading.Thread(target=bring) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trouble == []
    assert place.read_bytes() == source.read_bytes()
    assert [f.name for f in place.parent.iterdir()] == ["file"]


def test_a_disk_that_never_knows_a_file_again_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is opened for writing is /dev/full, which is never what then lies at that name."""
    (tmp_path / "source").write_bytes(b"much")
    opened = os.open
    monkeypatch.setattr(os, "open", lambda path, flags, mode=0o777: opened("/dev/full", os.O_RDWR))
    with pytest.raises(TargetUnusable, match="another file whenever") as caught:
        HOST.put(tmp_path / "source", str(tmp_path / "to" / "file"))
    assert "local disk" in caught.value.hint
