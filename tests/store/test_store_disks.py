"""SQLite's file on disks that are full or have no locks: said at once, as what it is, with what to do."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_disk import small_disk
from real_parts import real
from store_records import a_prompt

from cosmos_core.errors import CosmosError, TargetUnusable
from cosmos_core.store import Store
from cosmos_core.store.faults import file_system_of

OPEN = """
import sys
from cosmos_core.errors import CosmosError
from cosmos_core.store import Store
try:
    Store.open(sys.argv[1]).close()
except CosmosError as error:
    print(type(error).__name__, error.message, error.hint, sep="|")
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    made = small_disk(tmp_path / "disk", 2)
    yield real(made.__enter__)
    made.__exit__(None, None, None)


def fill(folder: Path, but: int = 0) -> Path:
    """Leave only so many bytes free; answers the file that takes the rest."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    os.truncate(ballast, ballast.stat().st_size - but)
    return ballast


@pytest.mark.parametrize("left", [0, 4096, 8192, 40960, 65536])
def test_a_store_is_not_made_on_a_full_disk(disk: Path, left: int) -> None:
    fill(disk, left)
    with pytest.raises(CosmosError) as caught:
        Store.open(f"sqlite:///{disk}/data/cosmos.db")
    assert (caught.value.code, caught.value.exit_code) == ("disk_full", 4)
    assert "nothing was stored: make room" in caught.value.hint


def add_many(url: str) -> None:
    """More than the disk has room for."""
    with Store.open(url) as store:
        for _ in range(100):
            store.add(a_prompt(prompt_text="rain " * 20_000), None)


@pytest.mark.parametrize("left", [0, 4096, 16384, 65536])
def test_what_is_stored_stays_on_a_disk_that_runs_full(disk: Path, left: int) -> None:
    url = f"sqlite:///{disk}/cosmos.db"
    with Store.open(url) as store:
        prompt = a_prompt()
        store.add(prompt, None)
    ballast = fill(disk, left)
    with pytest.raises(TargetUnusable, match="no space left") as caught:
        add_many(url)
    assert caught.value.code == "disk_full"
    ballast.unlink()
    with Store.open(url) as store:
        assert store.prompt(prompt.id) == prompt
        store.add(a_prompt(), None)


@pytest.fixture(scope="module")
def no_locks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that lets no file be locked."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler")
    library = tmp_path_factory.mktemp("no_locks") / "no_locks.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", library, Path(__file__).with_name("no_locks.c"), "-ldl"], check=True
    )
    return library


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EIO, errno.EOPNOTSUPP])
@pytest.mark.parametrize("made", [True, False])
def test_a_disk_without_locks_is_told_of_at_once(no_locks: Path, tmp_path: Path, number: int, made: bool) -> None:
    url = f"sqlite:///{tmp_path}/cosmos.db"
    if made:
        Store.open(url).close()
    # half as long as a lock that is held is waited for
    done = subprocess.run(
        [sys.executable, "-c", OPEN, url],
        env={**os.environ, "LD_PRELOAD": str(no_locks), "NO_LOCKS": str(number)},
        capture_output=True,
        text=True,
        timeout=15,
        check=True,
    )
    kind, message, hint = done.stdout.strip().split("|")
    assert kind == "ConfigError"
    assert f"{tmp_path}/cosmos.db lies on {file_system_of(tmp_path)}, where files cannot be locked" in message
    assert "COSMOS_HOME" in hint


def test_the_kind_of_a_file_system(disk: Path) -> None:
    assert file_system_of(disk / "not" / "there") == "tmpfs"
    assert file_system_of(Path("/proc/self")) == "proc"
