"""What we make is for its owner alone, whatever the umask says; what a user asked us to write is as the user likes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import open_to_others
from lab import Laptop
from real_processes import HANG_S

from cosmos_core.private import make_file, make_folder
from cosmos_core.runs.log import LogCopy
from cosmos_core.targets.host import Tree
from cosmos_core.targets.local import LocalHost

MakeLaptop = Callable[..., Laptop]
TRANSFER = ("run", "--model", "transfer", "rain", "--weights.edge", "1", "--progress", "none")


def with_umask(mine: Laptop, umask: int, *words: str | Path) -> None:
    """A command of somebody with that umask."""
    subprocess.run(
        [sys.executable, "-m", "cosmos_core", *map(str, words)],
        env=mine.environ,
        cwd=mine.folder,
        umask=umask,
        check=True,
        capture_output=True,
        timeout=HANG_S,
    )


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_the_data_folder_is_its_owners(laptop: MakeLaptop, umask: int) -> None:
    mine = laptop()
    mine.env["COSMOS_HOME"] = str(mine.folder / "deep" / "below" / "home")
    with_umask(mine, umask, *TRANSFER, "--video", mine.clip)
    with_umask(mine, umask, "list", "runs")
    home = mine.folder / "deep" / "below" / "home"
    assert home.parent.parent.stat().st_mode & 0o077 == 0
    for path in (home, *home.iterdir(), home / "outputs", *(home / "outputs").iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path
    assert {"cosmos.db", "outputs", "simulator"} <= {path.name for path in home.iterdir()}
    for name in ("run.log", "spec.json", "job.sh", "job.json"):
        for path in home.rglob(name):
            if "jobs" not in path.parts or name != "run.log":  # that one is job.sh's, in a folder of 0700
                assert path.stat().st_mode & 0o077 == 0, path
    for folder in (home / "simulator").rglob("*"):
        # the simulator's line is as open as any, in a folder that nobody else can enter
        if folder.is_dir() and folder.parent.name in ("simulator", "jobs", "inputs") and folder.name != "line":
            assert folder.stat().st_mode & 0o077 == 0, folder


def test_what_sqlite_puts_beside_the_database_is_like_it(laptop: MakeLaptop) -> None:
    mine = laptop()
    before = os.umask(0)
    try:
        cosmos = mine.cosmos()
        mine.store_run(cosmos)
        files = sorted(path.name for path in (mine.folder / "home").iterdir() if path.name.startswith("cosmos.db"))
        assert files == ["cosmos.db", "cosmos.db-shm", "cosmos.db-wal"]
        for name in files:
            assert (mine.folder / "home" / name).stat().st_mode & 0o777 == 0o600, name
    finally:
        os.umask(before)


def test_the_demo_and_the_smallest_jobs_make_no_folder_for_everybody(laptop: MakeLaptop) -> None:
    for words in (("demo",), ("targets", "check", "simulator", "--smoke")):
        mine = laptop(name=words[0])
        with_umask(mine, 0, *words)
        for path in (mine.folder / "home", *(mine.folder / "home").iterdir()):
            if path.is_dir():
                assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o007, 0o660)])
def test_what_a_user_asks_for_is_as_the_user_likes(laptop: MakeLaptop, umask: int, mode: int) -> None:
    mine = laptop()
    with_umask(mine, umask, *TRANSFER, "--video", mine.clip, "-o", "out.mp4")
    with_umask(mine, umask, *TRANSFER, "--video", mine.clip, "--dry-run", "--out", "files")
    for path in (mine.folder / "out.mp4", mine.folder / "files" / "spec.json"):
        assert path.stat().st_mode & 0o777 == mode, path


def test_files_and_folders_made_one_by_one(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_folder(tmp_path / "a" / "b" / "c")
        make_file(tmp_path / "a" / "file")
        LogCopy(tmp_path / "outputs" / "rs_x" / "run.log").keep(b"line\n")
        tree = Tree(folders=["outputs"], files=[("spec.json", b"{}", 0o600), ("job.sh", b"", 0o700)])
        LocalHost().lay_out(str(tmp_path / "w" / "jobs" / "jb_x"), tree)
    finally:
        os.umask(before)
    for name in ("a", "outputs", "w"):
        assert open_to_others(tmp_path / name) == {}


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o750)
    (shared / "file").write_text("x")
    (shared / "file").chmod(0o640)
    make_folder(shared)
    make_file(shared / "file")
    assert shared.stat().st_mode & 0o777 == 0o750
    assert (shared / "file").stat().st_mode & 0o777 == 0o640
    assert (shared / "file").read_text() == "x"
    with pytest.raises(FileExistsError):
        make_folder(shared / "file")
