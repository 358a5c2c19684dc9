"""This machine as a host: each verb does all of it or nothing, and says in words what it cannot do."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.cache import cached_path, ensure
from cosmos_core.targets.local import LocalHost

HOST = LocalHost()


def test_put_gives_the_digest_of_what_it_wrote(tmp_path: Path) -> None:
    data = os.urandom(3 << 20)
    source = tmp_path / "source"
    source.write_bytes(data)
    for given, name in ((data, "bytes"), (source, "file")):
        assert HOST.put(given, str(tmp_path / name), mode=0o640) == hashlib.sha256(data).hexdigest()
        assert (tmp_path / name).read_bytes() == data
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o640


def test_a_put_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("old")
    with pytest.raises(TargetUnusable):
        HOST.put(tmp_path / "absent", str(there))
    assert there.read_text() == "old"
    assert [f.name for f in tmp_path.iterdir()] == ["there"]


def test_no_space_left_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full refuses every write as a full disk does."""
    opened = os.open
    monkeypatch.setattr(os, "open", lambda path, flags, mode=0o777: opened("/dev/full", os.O_WRONLY))
    with pytest.raises(TargetUnusable, match="no space left") as caught:
        HOST.put(b"much", str(tmp_path / "file"))
    assert "sync" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_file_where_a_folder_should_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for verb in (
        lambda: HOST.put(b"", str(tmp_path / "file" / "below")),
        lambda: HOST.mkdir(str(tmp_path / "file" / "below")),
        lambda: HOST.mkdir(str(tmp_path / "file")),
        lambda: HOST.link(str(tmp_path / "file"), str(tmp_path / "file" / "below")),
        lambda: HOST.get(str(tmp_path / "file"), tmp_path / "file" / "below"),
    ):
        with pytest.raises(TargetUnusable, match="file"):
            verb()
    assert HOST.stat(str(tmp_path / "file" / "below")) is None
    assert HOST.read(str(tmp_path / "file" / "below")) == b""
    assert HOST.list(str(tmp_path / "file")) == {}


def test_what_cannot_be_looked_at_is_said(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for verb in (
        lambda: HOST.stat(str(loop)),
        lambda: HOST.read(str(loop)),
        lambda: HOST.read(str(tmp_path)),
        lambda: HOST.read(str(tmp_path / ("long" * 100))),
        lambda: HOST.get(str(tmp_path), tmp_path / "copy"),
    ):
        with pytest.raises(TargetUnusable):
            verb()


def test_getting_what_is_gone_names_it(tmp_path: Path) -> None:
    with pytest.raises(TargetUnusable, match=r"cannot read .*gone"):
        HOST.get(str(tmp_path / "gone"), tmp_path / "here")


def test_link_twice_does_nothing_more(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    for symbolic in (False, True):
        to = tmp_path / "below" / str(symbolic)
        HOST.link(str(tmp_path / "a"), str(to), symbolic=symbolic)
        HOST.link(str(tmp_path / "b"), str(to), symbolic=symbolic)
        assert to.read_text() == "a"
        assert to.is_symlink() == symbolic


def test_list_knows_files_only(tmp_path: Path) -> None:
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "sub" / "deep" / "a b").write_text("four")
    (tmp_path / "empty").write_text("")
    (tmp_path / "link").symlink_to("empty")
    (tmp_path / "up").symlink_to("..")
    assert HOST.list(str(tmp_path)) == {"empty": 0, "sub/deep/a b": 4}
    assert HOST.list(str(tmp_path / "absent")) == {}


def test_read_from_an_offset(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    assert HOST.read(str(tmp_path / "file"), 4, 3) == b"456"
    assert HOST.read(str(tmp_path / "file"), 8) == b"89"
    assert HOST.read(str(tmp_path / "file"), 10) == b""
    assert HOST.read(str(tmp_path / "absent")) == b""


def test_remove_takes_links_for_links(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to("kept")
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    for name in ("link", "folder", "absent"):
        HOST.remove(str(tmp_path / name))
    assert [f.name for f in tmp_path.iterdir()] == ["kept"]


def test_get_brings_a_whole_file(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"data")
    for _ in range(2):
        HOST.get(str(tmp_path / "there"), tmp_path / "deep" / "here")
        assert (tmp_path / "deep" / "here").read_bytes() == b"data"
    assert [f.name for f in (tmp_path / "deep").iterdir()] == ["here"]


def test_a_program_that_is_not_there_is_said() -> None:
    with pytest.raises(TargetUnusable, match="no-such-program"):
        HOST.run(["no-such-program"])


def test_folders_of_ours_are_ours_alone(tmp_path: Path) -> None:
    HOST.mkdir(str(tmp_path / "work"))
    assert (tmp_path / "work").stat().st_mode & 0o777 == 0o700


def test_the_cache_never_holds_what_its_name_denies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even while a changed file is being looked through, and whoever dies meanwhile."""
    source = tmp_path / "in.mp4"
    source.write_bytes(b"new!")
    digest = hashlib.sha256(b"old!").hexdigest()
    work = str(tmp_path / "work")
    place = Path(cached_path(work, digest, ".mp4"))
    seen: list[bool] = []
    put = LocalHost.put

    def watched(self: LocalHost, *args: object, **kwargs: object) -> str:
        said = put(self, *args, **kwargs)  # type: ignore[arg-type]
        seen.append(place.exists())
        return said

    monkeypatch.setattr(LocalHost, "put", watched)
    HOST.mkdir(work)
    with pytest.raises(TargetUnusable, match="has changed"):
        ensure(HOST, work, source, digest, 4, ".mp4", staging=f"{work}/upload")
    assert seen == [False]
    assert not place.exists()
    source.write_bytes(b"old!")
    assert ensure(HOST, work, source, digest, 4, ".mp4", staging=f"{work}/upload") == str(place)
    assert place.read_bytes() == b"old!"
    assert place.stat().st_mode & 0o777 == 0o400
    source.unlink()
    assert ensure(HOST, work, source, digest, 4, ".mp4", staging=f"{work}/upload") == str(place)
    assert place.stat().st_nlink == 1
