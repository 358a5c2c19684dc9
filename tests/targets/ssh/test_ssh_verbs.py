"""The verbs of a host do the same on this machine, and on others whatever shell and programs those have."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from real_processes import Process, patient
from ssh_hosts import Place

from cosmos_core.errors import TargetUnusable
from cosmos_core.targets.host import Completed, Span, Stat, Tree

KINDS = ["here", "ada", "bob", "bash", "busybox"]
everywhere = pytest.mark.parametrize("place", KINDS, indirect=True)
far = pytest.mark.parametrize("place", KINDS[1:], indirect=True)

# Everything a file's name can hold.
names = (
    st.binary(min_size=1, max_size=60)
    .filter(lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b".."))
    .map(os.fsdecode)
)
odd_names = st.sampled_from(["-rf", "a b", "a\nb", "'", '"', "$HOME", "`id`", "*", "\\", "a\\nb", "\n", "!", "ü", "~"])


@everywhere
def test_run(place: Place) -> None:
    run = place.host.run
    assert run(["printf", "%s|", "a b", "", "$HOME", "'", "two\nlines", "*", "-n"]).out == (
        b"a b||$HOME|'|two\nlines|*|-n|"
    )
    assert run(["sh", "-c", "echo out; echo err >&2; exit 7"]) == Completed(exit_code=7, out=b"out\n", err=b"err\n")
    assert run(["cat"], stdin=bytes(range(256))).out == bytes(range(256))
    assert run(["cat"]).out == b""
    assert run(["true"]) == Completed(exit_code=0, out=b"", err=b"")


@everywhere
def test_a_program_that_is_not_there(place: Place) -> None:
    for name in ("no-such-program", "/no/such/program"):
        with pytest.raises(TargetUnusable, match=f"cannot start {name}") as caught:
            place.host.run([name])
        assert not caught.value.transient
    assert place.host.run(["sh", "-c", "exit 127"]).exit_code == 127


@everywhere
def test_much_in_much_out(place: Place) -> None:
    """More than fits into any window, both ways at once and on both streams."""
    data = os.urandom(24 << 20)
    done = place.host.run(["sh", "-c", "tee /dev/stderr"], stdin=data)
    assert done.out == data
    assert done.err == data


@everywhere
def test_what_a_detached_command_leaves_behind_lives_on(place: Place) -> None:
    script = "sleep 60 </dev/null >/dev/null 2>&1 & echo $!"
    began = time.monotonic()
    done = place.host.run(["sh", "-c", script], detached=True)
    assert time.monotonic() - began < patient(10)
    left = Process.of(int(done.out))
    place.host.close()
    assert left.alive
    os.kill(left.pid, 9)


@far
def test_a_command_that_leaves_its_output_open_ends_all_the_same(place: Place) -> None:
    done = place.host.run(["sh", "-c", "sleep 60 & echo $!"])
    os.kill(int(done.out), 9)


@everywhere
def test_stat(place: Place) -> None:
    place.host.lay_out(str(place.path), Tree(folders=["sub"], files=[("a", b"four", 0o644)]))
    big = place.path / "big"
    with big.open("wb") as file:
        file.truncate(5 << 30)
    os.utime(big, ns=(0, 1_700_000_000_123_456_789))
    (place.path / "link").symlink_to("big")
    (place.path / "dangling").symlink_to("nothing")
    found = place.host.stat([place.at(name) for name in ("a", "sub", "big", "link", "dangling", "none", "a/below")])
    assert set(found) == {place.at(name) for name in ("a", "sub", "big", "link")}
    assert found[place.at("link")] == found[place.at("big")]
    assert found[place.at("big")] == Stat(bytes=5 << 30, mtime_ns=1_700_000_000_123_456_789, is_dir=False, is_file=True)
    assert found[place.at("a")].bytes == 4
    assert found[place.at("sub")].is_dir
    assert place.host.stat([]) == {}


@everywhere
def test_what_cannot_be_looked_at_is_said(place: Place) -> None:
    place.host.lay_out(str(place.path), Tree(folders=["folder"], symbolic=[("loop", "loop")]))
    for path in (place.at("loop"), place.at("long" * 100)):
        for verb in (place.host.stat, lambda paths: place.host.read([Span(one) for one in paths])):
            with pytest.raises(TargetUnusable) as caught:
                verb([path])
            assert path in caught.value.message
    with pytest.raises(TargetUnusable, match=r"read .*folder"):
        place.host.read([Span(place.at("folder"))])
    with pytest.raises(TargetUnusable, match=r"cannot .*folder"):
        place.host.get({place.at("folder"): place.path / "copy"})


@everywhere
def test_read_from_offsets(place: Place) -> None:
    place.host.lay_out(str(place.path), Tree(files=[("a", b"0123456789", 0o600), ("empty", b"", 0o600)]))
    spans = [
        Span(place.at("a"), 4, 3),
        Span(place.at("none")),
        Span(place.at("a"), 8),
        Span(place.at("a"), 10),
        Span(place.at("a"), 99),
        Span(place.at("empty")),
        Span(place.at("a")),
        Span(place.at("a"), 0, 0),
    ]
    assert place.host.read(spans) == [b"456", b"", b"89", b"", b"", b"", b"0123456789", b""]
    assert place.host.read([]) == []


@everywhere
def test_list_knows_files_only(place: Place) -> None:
    tree = Tree(
        folders=["hollow"],
        files=[("empty", b"", 0o600), ("sub/deep/a b", b"four", 0o600)],
        symbolic=[("link", "empty"), ("up", "..")],
    )
    place.host.lay_out(str(place.path), tree)
    assert place.host.list(str(place.path)) == {"empty": 0, "sub/deep/a b": 4}
    assert place.host.list(f"{place.path}/") == {"empty": 0, "sub/deep/a b": 4}
    assert place.host.list(place.at("hollow")) == {}
    assert place.host.list(place.at("none")) == {}
    assert place.host.list(place.at("empty")) == {}


@everywhere
def test_lay_out_twice_keeps_what_came_to_be(place: Place) -> None:
    place.host.lay_out(place.at("cache"), Tree(files=[("in.mp4", b"video", 0o400)]))
    tree = Tree(
        folders=["outputs", "tmp/deep"],
        links=[("inputs/a.mp4", place.at("cache/in.mp4"))],
        symbolic=[("inputs/b.mp4", "/data/b.mp4")],
        files=[("spec.json", b"{}", 0o600), ("job.sh", b"#!/bin/sh\n", 0o700)],
    )
    job = place.path / "job"
    place.host.lay_out(str(job), tree)
    assert job.stat().st_mode & 0o777 == 0o700
    assert (job / "inputs/a.mp4").stat().st_nlink == 2
    (job / "outputs" / "made").write_text("kept")
    (job / "spec.json").write_text("spoilt")
    (job / "outputs").chmod(0o750)
    place.host.lay_out(str(job), tree)
    assert (job / "outputs" / "made").read_text() == "kept"
    assert (job / "outputs").stat().st_mode & 0o777 == 0o750
    assert (job / "spec.json").read_text() == "{}"
    assert (job / "job.sh").stat().st_mode & 0o777 == 0o700
    assert (job / "spec.json").stat().st_mode & 0o777 == 0o600
    assert (job / "inputs/b.mp4").readlink() == Path("/data/b.mp4")
    assert (job / "inputs/a.mp4").stat().st_nlink == 2
    assert sorted(str(one.relative_to(job)) for one in job.rglob("*")) == [
        "inputs",
        "inputs/a.mp4",
        "inputs/b.mp4",
        "job.sh",
        "outputs",
        "outputs/made",
        "spec.json",
        "tmp",
        "tmp/deep",
    ]


@everywhere
def test_the_last_file_says_that_all_is_there(place: Place) -> None:
    tree = Tree(links=[("a", place.at("gone"))], files=[("first", b"1", 0o600), ("last", b"2", 0o600)])
    with pytest.raises(TargetUnusable):
        place.host.lay_out(place.at("job"), tree)
    assert not (place.path / "job" / "last").exists()
    place.host.lay_out(place.at("job"), Tree())
    assert place.host.stat([place.at("job")])[place.at("job")].is_dir


@everywhere
def test_put_and_get(place: Place, tmp_path: Path) -> None:
    data = os.urandom(3_000_001)
    digest = hashlib.sha256(data).hexdigest()
    (tmp_path / "source").write_bytes(data)
    moved: list[int] = []
    to = place.at("deep/er/file")
    for _ in range(2):
        assert place.host.put(tmp_path / "source", to, mode=0o640, on_bytes=moved.append) == digest
    assert sum(moved) == 2 * len(data)
    assert Path(to).read_bytes() == data
    assert Path(to).stat().st_mode & 0o777 == 0o640
    assert Path(to).parent.stat().st_mode & 0o077 == 0 or place.host.name == "here"
    (tmp_path / "empty").write_bytes(b"")
    place.host.put(tmp_path / "empty", place.at("empty"))
    moved.clear()
    wanted = {to: tmp_path / "back" / "file", place.at("empty"): tmp_path / "back" / "none"}
    got = place.host.get(wanted, on_bytes=moved.append)
    assert got == {to: digest, place.at("empty"): hashlib.sha256(b"").hexdigest()}
    assert (tmp_path / "back" / "file").read_bytes() == data
    assert (tmp_path / "back" / "none").read_bytes() == b""
    assert sum(moved) == len(data)
    assert sorted(file.name for file in (tmp_path / "back").iterdir()) == ["file", "none"]
    assert sorted(file.name for file in Path(to).parent.iterdir()) == ["file"]


@everywhere
def test_put_of_something_else_leaves_what_was_there(place: Place, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"new")
    new, old = (hashlib.sha256(data).hexdigest() for data in (b"new", b"old"))
    to = place.at("file")
    assert place.host.put(tmp_path / "source", to, sha256=old) == new
    assert list(place.path.iterdir()) == []
    assert place.host.put(tmp_path / "source", to, sha256=new) == new
    (tmp_path / "source").write_bytes(b"newer")
    place.host.put(tmp_path / "source", to, sha256=new)
    assert Path(to).read_bytes() == b"new"
    assert [file.name for file in place.path.iterdir()] == ["file"]


@everywhere
def test_a_put_or_get_that_cannot_be(place: Place, tmp_path: Path) -> None:
    place.host.lay_out(str(place.path), Tree(folders=["folder"], files=[("file", b"old", 0o600)]))
    (tmp_path / "source").write_bytes(b"new")
    for verb in (
        lambda: place.host.put(tmp_path / "absent", place.at("file")),
        lambda: place.host.put(tmp_path / "source", place.at("file/below")),
        lambda: place.host.put(tmp_path / "source", place.at("folder")),
        lambda: place.host.link(place.at("file"), place.at("file/below")),
        lambda: place.host.link(place.at("gone"), place.at("other")),
        lambda: place.host.lay_out(place.at("file"), Tree()),
        lambda: place.host.get({place.at("gone"): tmp_path / "here"}),
        lambda: place.host.get({place.at("file"): tmp_path / "source" / "below"}),
    ):
        with pytest.raises(TargetUnusable, match="cannot") as caught:
            verb()
        assert not caught.value.transient
    assert (place.path / "file").read_text() == "old"
    assert sorted(file.name for file in place.path.iterdir()) == ["file", "folder"]
    assert list((place.path / "folder").iterdir()) == []
    assert not (tmp_path / "here").exists()


@everywhere
def test_link_and_remove(place: Place) -> None:
    place.host.lay_out(str(place.path), Tree(folders=["kept"], files=[("a", b"a", 0o600), ("b", b"b", 0o600)]))
    for source in ("a", "b"):
        place.host.link(place.at(source), place.at("new/name"))
    assert (place.path / "new/name").read_text() == "a"
    assert (place.path / "a").stat().st_nlink == 2
    (place.path / "link").symlink_to("kept")
    for name in ("link", "new", "absent", "a", "absent/below"):
        place.host.remove(place.at(name))
    assert sorted(file.name for file in place.path.iterdir()) == ["b", "kept"]


@everywhere
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(name=names | odd_names, data=st.binary(max_size=300))
def test_any_name_and_any_content(place: Place, tmp_path: Path, name: str, data: bytes) -> None:
    folder = str(place.path)
    path = f"{folder}/{name}"
    place.host.remove(folder)
    place.host.lay_out(folder, Tree(files=[(f"{name}/{name}", data, 0o600)], symbolic=[("x" * 61, name)]))
    inner = f"{path}/{name}"
    assert place.host.list(folder) == {f"{name}/{name}": len(data)}
    assert {one: found.bytes for one, found in place.host.stat([inner, f"{inner}?"]).items()} == {inner: len(data)}
    assert place.host.read([Span(inner), Span(inner, 5, 7)]) == [data, data[5:12]]
    digest = hashlib.sha256(data).hexdigest()
    assert place.host.get({inner: tmp_path / "got"}) == {inner: digest}
    assert (tmp_path / "got").read_bytes() == data
    assert place.host.put(tmp_path / "got", inner) == digest
    place.host.link(inner, f"{path}/{'y' * 61}")
    place.host.remove(inner)
    assert place.host.list(folder) == {f"{name}/{'y' * 61}": len(data)}
    assert place.host.run(["printf", "%s", name, path]).out == os.fsencode(name + path)


@far
@pytest.mark.parametrize("count", [1000, pytest.param(3000, marks=pytest.mark.long)])
def test_thousands_of_files(place: Place, tmp_path: Path, count: int) -> None:
    """More names than one word of a command holds (128 KiB)."""
    name = "n" * 150
    contents = {f"outputs/{name}{number}": str(number).encode() for number in range(count)}
    place.host.lay_out(str(place.path), Tree(files=[(rel, data, 0o600) for rel, data in contents.items()]))
    assert place.host.list(str(place.path)) == {rel: len(data) for rel, data in sorted(contents.items())}
    paths = {place.at(rel): tmp_path / rel for rel in contents}
    assert len(place.host.stat(list(paths))) == count
    assert len(place.host.get(paths)) == count
    assert all((tmp_path / rel).read_bytes() == data for rel, data in contents.items())
    assert place.host.read([Span(place.at(rel)) for rel in contents]) == list(contents.values())


@far
def test_commands_find_what_is_in_the_users_own_bin(place: Place) -> None:
    home = Path(place.host.run(["sh", "-c", "echo $HOME"]).text)
    place.host.lay_out(str(home / ".local/bin"), Tree(files=[("uv-of-theirs", b"#!/bin/sh\necho mine\n", 0o755)]))
    assert place.host.run(["uv-of-theirs"]).text == "mine"
    path = place.host.run(["sh", "-c", "echo $PATH"]).text.split(":")
    assert {"/usr/bin", "/usr/sbin", "/usr/local/bin"} < set(path)


@far
def test_the_host_says_how_it_calls_itself(place: Place) -> None:
    assert place.host.name in ("ada", "bob", "eve")
    place.host.run(["true"])
    assert place.host.name == os.uname().nodename
