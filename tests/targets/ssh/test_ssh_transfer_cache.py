"""The input cache of a host: damage is noticed, and what is right is not read again and again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from ssh_hosts import Place

from cosmos_core.targets import cache
from cosmos_core.targets.cache import SEALED_DAYS, cached_path, is_right, seal, upload

DATA = os.urandom(10_000_000)
DIGEST = hashlib.sha256(DATA).hexdigest()

everywhere = pytest.mark.parametrize("place", ["here", "ada", "bob", "busybox"], indirect=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "clip.mp4"
    file.write_bytes(DATA)
    return file


def right(place: Place, path: str) -> bool:
    return is_right(place.host, path, DIGEST, place.host.stat([path]), len(DATA))


def overwrite(file: Path, content: bytes) -> None:
    file.chmod(0o600)
    with file.open("r+b") as opened:
        opened.write(content)
    file.chmod(0o400)


@everywhere
def test_what_was_brought_is_sealed_and_known_by_one_look(
    place: Place, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = cached_path(str(place.path), DIGEST, ".mp4")
    assert not right(place, path)
    upload(place.host, source, path, DIGEST)
    found = Path(path).stat()
    assert (found.st_mode & 0o777, int(found.st_mtime)) == (0o400, seal(DIGEST))
    moved: list[int] = []
    upload(place.host, source, path, DIGEST, on_bytes=moved.append)  # somebody was quicker
    assert sum(moved) == len(DATA)
    assert Path(path).stat().st_ino == found.st_ino
    monkeypatch.delattr(type(place.host), "verify")  # it is not read again
    assert right(place, path)


@everywhere
@pytest.mark.parametrize("damage", [b"damaged", b""])
def test_damage_is_noticed(place: Place, source: Path, damage: bytes) -> None:
    path = cached_path(str(place.path), DIGEST, ".mp4")
    upload(place.host, source, path, DIGEST)
    job = place.at("jobs/job/inputs/clip.mp4")
    place.host.link(path, job)
    if damage:
        overwrite(Path(job), damage)  # by another of its names
    else:
        os.truncate(path, 100)
    assert not right(place, path)
    assert not Path(path).exists()
    upload(place.host, source, path, DIGEST)
    assert right(place, path)
    assert Path(path).read_bytes() == DATA


@everywhere
def test_a_file_that_was_touched_and_is_right_is_sealed_again(place: Place, source: Path) -> None:
    path = cached_path(str(place.path), DIGEST, ".mp4")
    upload(place.host, source, path, DIGEST)
    os.utime(path)
    assert right(place, path)
    assert int(Path(path).stat().st_mtime) == seal(DIGEST)


@everywhere
def test_damage_that_keeps_the_time_is_noticed_when_the_seal_is_old(
    place: Place, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = cached_path(str(place.path), DIGEST, ".mp4")
    upload(place.host, source, path, DIGEST)
    before = Path(path).stat()
    overwrite(Path(path), b"damaged")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert right(place, path)  # nobody can see it
    today = cache._today()
    monkeypatch.setattr(cache, "_today", lambda: today + SEALED_DAYS + 1)
    assert not right(place, path)


@everywhere
def test_a_file_of_another_content_is_not_right(place: Place, source: Path, tmp_path: Path) -> None:
    path = cached_path(str(place.path), DIGEST, ".mp4")
    (tmp_path / "other").write_bytes(bytes(len(DATA)))
    place.host.put(tmp_path / "other", path, mode=0o400)
    assert not place.host.verify(path, DIGEST, mtime=seal(DIGEST))
    assert not place.host.verify(f"{path}.gone", DIGEST, mtime=seal(DIGEST))
    assert not right(place, path)
