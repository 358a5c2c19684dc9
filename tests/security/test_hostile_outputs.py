"""What a job leaves below outputs/ may be anything; only plain files that the plugin names are taken."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hostile import POISON, canaries, listing
from lab import Laptop, job_folder
from real_parts import GpuHost, GpuHosts

from cosmos_core.store.records import RunRecord
from cosmos_core.targets.host import Span
from cosmos_core.targets.local import LocalHost

MakeLaptop = Callable[..., Laptop]

DECOY = "what is none of the job's business"

# Lets the toolkit do its work, then puts things where its outputs are looked for.
PLAYED = """#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
"$here/played" "$@"
code=$?
cd "$TMPDIR/../outputs" && decoy=$here/decoy sh "$here/mischief" > /dev/null 2>&1
exit $code
"""

MISCHIEF = """
rm -f config.yaml console.log
ln -s "$decoy" config.yaml
ln -s "$decoy" decoy.json
ln -s / root
ln -s .. up
mkfifo console.log pipe
mknod zero c 1 5
touch -- -rf --help '-o out' ' ' "$(printf 'a\\nb')" "$(printf 'x\\033]0;t\\007y')" '$(touch COSMOS-CANARY)' '`id`' '*'
mkdir -p deep/er '$(touch COSMOS-CANARY)d' .hidden
: > "deep/er/$(printf '\\342\\200\\256gnp')"
"""


@pytest.fixture
def mischief(toolkit_repo: Path) -> None:
    """A toolkit that leaves all of it behind, and does its work beside."""
    folder = toolkit_repo / "bin"
    (folder / "python").rename(folder / "played")
    (folder / "python").write_text(PLAYED)
    (folder / "mischief").write_text(MISCHIEF)
    (folder / "decoy").write_text(DECOY)
    (folder / "python").chmod(0o755)


def only_files_of_its_own(mine: Laptop, run: RunRecord) -> None:
    """Assert that what came here are plain files in the run's folder, and the result among them."""
    here = mine.folder / "home" / "outputs" / run.id
    for path in here.rglob("*"):
        assert path.is_dir() or (path.is_file() and not path.is_symlink()), path
        assert DECOY.encode() not in (path.read_bytes() if path.is_file() else b""), path
    for artifact in run.artifacts:
        assert artifact.path
        assert Path(artifact.path).resolve().is_relative_to(here.resolve())


@pytest.mark.usefixtures("mischief")
@pytest.mark.parametrize(("account", "runtime"), [(None, "process"), ("eve", "process"), ("ada", "docker")])
def test_nothing_but_the_plugins_plain_files_comes_here(
    gpu_host: GpuHosts, laptop: MakeLaptop, account: str | None, runtime: str
) -> None:
    host: GpuHost = gpu_host(account, runtime)
    mine = laptop(host)
    before = listing(mine.folder.parent) if account else {}
    run = mine.run()
    assert run.status == "completed", (run.error, run.paused)
    left = {path.name for path in (job_folder(host, run) / "outputs").iterdir()}
    assert {"pipe", "root", "config.yaml", "-rf", "*"} <= left  # it did do it
    only_files_of_its_own(mine, run)
    after = listing(mine.folder.parent)
    assert all(path.startswith(str(mine.folder)) for path in after.keys() - before.keys())
    assert canaries(mine.folder, host.work_dir) == []
    listed = mine.cosmos().store.job(run.job_id or "").listing or {}
    assert not {"decoy.json", "config.yaml", "pipe", "console.log", "zero", "root/etc/passwd"} & set(listed)
    assert "deep/er/\u202egnp" in listed
    for words in (("show", run.id), ("fetch", run.id), ("path", run.id)):
        assert mine(*words).code == 0


@pytest.mark.usefixtures("mischief")
def test_a_folder_of_outputs_that_is_a_link_leads_nowhere(
    gpu_host: GpuHosts, laptop: MakeLaptop, toolkit_repo: Path
) -> None:
    """The job puts a link to the user's own files in its place: nothing of those is listed."""
    for account in (None, "eve"):
        host = gpu_host(account, "process")
        (toolkit_repo / "bin" / "mischief").write_text('cd .. && mv outputs was && ln -s "$HOME" outputs\n')
        mine = laptop(host, name=host.name)
        run = mine.run()
        assert run.status == "failed", run.status
        assert (mine.cosmos().store.job(run.job_id or "").listing or {}) == {}
        only_files_of_its_own(mine, run)


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[Path]:
    """A folder with one of everything that a file system knows."""
    folder = tmp_path / "odd"
    (folder / "below").mkdir(parents=True)
    (folder / "file").write_text("four")
    (folder / "hard").hardlink_to(folder / "file")
    (folder / "link").symlink_to("file")
    (folder / "loop").symlink_to("loop")
    (folder / "up").symlink_to("..")
    (folder / POISON.replace("/", "_")).write_text("x")
    (folder / "below" / "-rf").write_text("")
    os.mkfifo(folder / "pipe")
    os.mknod(folder / "zero", 0o20666, os.makedev(1, 5))
    with socket.socket(socket.AF_UNIX) as plug:
        here = Path.cwd()
        os.chdir(folder)  # such names are short
        plug.bind("plug")
        os.chdir(here)
        yield folder


def test_this_machine_lists_plain_files_only(odd: Path) -> None:
    listed = LocalHost().list(str(odd))
    assert listed == {"file": 4, "hard": 4, POISON.replace("/", "_"): 1, "below/-rf": 0}
    assert LocalHost().list(str(odd / "up")) == {}


def test_this_machine_waits_for_no_pipe_and_reads_no_device(odd: Path) -> None:
    names = ("pipe", "zero", "file", "absent")
    assert LocalHost().read([Span(str(odd / name)) for name in names]) == [b"", b"", b"four", b""]


def test_a_name_that_is_no_utf8_does_not_keep_a_run_from_its_end(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host(None, "process")
    play = host.repo / "bin" / "python"
    play.rename(play.with_name("played"))
    play.write_text(PLAYED)
    play.with_name("mischief").write_text("touch \"$(printf 'caf\\351.txt')\"\n")
    play.chmod(0o755)
    mine = laptop(host)
    run = mine.run()
    assert run.status == "completed"
