"""A look at a host, by every shell that one may have: what is seen of line and jobs, and that nothing changes."""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from target_jobs import Jobs, exit_code, has, until

from cosmos_core.config import Target
from cosmos_core.targets.check import host_findings
from cosmos_core.targets.clean import Place
from cosmos_core.targets.facts import Wanted, find_out
from cosmos_core.targets.host import Completed
from cosmos_core.targets.local import LocalHost
from cosmos_core.targets.overview import Overview, look_over
from cosmos_core.targets.script import GpuWish

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes by /proc")


class ByShell(LocalHost):
    """This machine, where `sh` is some shell."""

    def __init__(self, words: list[str]) -> None:
        self.words = words

    def run(self, argv: object, *, stdin: bytes = b"", detached: bool = False) -> Completed:
        assert isinstance(argv, tuple)
        assert argv[0] == "sh"
        return super().run((*self.words, *argv[1:]), stdin=stdin, detached=detached)


@pytest.fixture(params=["dash", "bash", "busybox sh"])
def host(request: pytest.FixtureRequest) -> ByShell:
    """This machine by each shell that it has."""
    words = shlex.split(request.param)
    if not any(os.access(f"{folder}/{words[0]}", os.X_OK) for folder in os.environ["PATH"].split(":")):
        pytest.skip(f"there is no {words[0]}")
    return ByShell(words)


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """Where jobs wait."""
    return tmp_path / "locks"


def look(host: LocalHost, folder: Path, line: Path, *folders: str) -> Overview:
    return look_over(host, work_dir=str(folder), lock_dir=str(line), docker=None, folders=folders, patience=5)


@pytest.fixture
def held_ticket(line: Path) -> Iterator[str]:
    """A ticket of somebody else's, alive while the test runs."""
    line.mkdir(exist_ok=True)
    job = f"jb_{uuid4().hex[:10]}"
    file = line / f"ticket.000007.{job}"
    file.write_text(f"user=eve store=theirs job={job} want=2 gpus=0,1,2,3\n")
    with file.open() as open_file:
        fcntl.flock(open_file, fcntl.LOCK_EX)
        yield job


def test_nothing_is_there(host: ByShell, tmp_path: Path) -> None:
    seen = look(host, tmp_path / "nowhere", tmp_path / "no-line")
    assert (seen.jobs, seen.line, seen.troubles) == ((), (), ())
    assert abs(seen.skew_s) < 1
    assert list(tmp_path.iterdir()) == []


def test_the_line_in_order_and_who_is_dead(host: ByShell, line: Path, tmp_path: Path, held_ticket: str) -> None:
    dead = line / "ticket.000003.jb_dead"
    dead.write_text("user=ada store=ours job=jb_dead want=1 gpus=0,1\nholds 1\n")
    (line / "line").touch()
    before = {file: file.stat().st_mtime_ns for file in line.iterdir()}

    seen = look(host, tmp_path, line)

    assert [ticket.job for ticket in seen.dead_tickets] == ["jb_dead"]
    (ticket,) = seen.waiting
    assert (ticket.job, ticket.user, ticket.store) == (held_ticket, "eve", "theirs")
    assert (ticket.want, ticket.allowed, ticket.holds) == (2, (0, 1, 2, 3), ())
    (job,) = seen.jobs
    assert (job.id, job.state, job.works) == (held_ticket, "waiting", False)
    assert {file: file.stat().st_mtime_ns for file in line.iterdir()} == before


def test_jobs_that_work_wait_and_have_ended(host: ByShell, jobs: Jobs, line: Path, tmp_path: Path) -> None:
    wish = GpuWish(count=1, allowed=(0,), lock_dir=str(line), if_busy="wait", owner="user=me store=s")
    works = jobs.script("""exec env go="$dir/go" sh -c 'while [ ! -e "$go" ]; do sleep 0.05; done'""", gpus=wish)
    works.start({})
    until(lambda: has(works, "started"))
    waits, ended = jobs.script("true", gpus=wish), jobs.script("exit 3")
    waits.start({})
    until(lambda: waits.look().ahead == 0)
    ended.start({})
    until(lambda: exit_code(ended) == 3)
    Path(works.at("job.json")).write_text('{"store": "s", "user": "ada", "runs": ["rs_1"]}')

    seen = {job.id: job for job in look(host, tmp_path, line).jobs}

    assert set(seen) == {works.job_id, waits.job_id}  # those that ended are told of where they are asked for
    mine = seen[works.job_id]
    assert (mine.state, mine.works, mine.gpus) == ("alive", True, (0,))
    assert (mine.store, mine.user, mine.runs) == ("s", "ada", ("rs_1",))
    assert mine.since is not None
    assert seen[waits.job_id].state == "waiting"
    asked = {job.id: job for job in look(host, tmp_path, line, ended.path, works.path, str(tmp_path / "gone")).jobs}
    assert (asked[ended.job_id].state, asked[ended.job_id].exit_code) == ("ended", 3)
    assert asked["gone"].state == "absent"
    assert len(asked) == 4
    Path(works.at("go")).touch()
    until(lambda: exit_code(waits) == 0)


def stub(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> Path:
    """A program first on the PATH."""
    (folder / "bin").mkdir(exist_ok=True)
    file = folder / "bin" / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    return file


def test_a_clock_that_is_wrong(host: ByShell, line: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub(tmp_path, monkeypatch, "date", "echo $(($(PATH=/usr/bin:/bin; exec date +%s) + 120))")
    assert 118 < look(host, tmp_path, line).skew_s < 122


def test_a_system_that_ends_what_users_leave_running(
    host: ByShell, line: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(tmp_path, monkeypatch, "loginctl", "echo KillUserProcesses=yes")
    facts = find_out(
        host,
        Wanted(),
        work_dir=str(tmp_path / "work"),
        lock_dir=str(line),
        docker=None,
        store_id="s",
        hf_home=None,
        patience=5,
    )
    assert facts.logind == "KillUserProcesses=yes\n"
    assert (facts.work_dir.way, facts.lock_dir.way if facts.lock_dir else "") == ("linked", "locked")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin"]


def test_a_look_at_folders_that_are_not_absolute_ends(
    host: ByShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    facts = find_out(
        host, Wanted(), work_dir="a/b", lock_dir="~/c", docker=None, store_id="s", hf_home=None, patience=5
    )
    assert facts.work_dir.present == str(tmp_path)
    assert not list(tmp_path.iterdir())


# `docker` is podman's stand-in, and has a configuration file that is broken
_NOTICES = """
echo 'Emulate Docker CLI using podman. Create /etc/containers/nodocker to quiet msg.' >&2
echo 'WARNING: Error loading config file: /home/ada/.docker/config.json: EOF' >&2
case $1 in
--version) echo 'podman version 4.9.3' ;;
version) echo '4.9.3 ' ;;
image)
    [ "$5" = there ] || { echo 'Error: no such image gone' >&2; exit 125; }
    echo 'sha256:12 68400000 2026-11-25 4711:4711'
    ;;
ps) [ ! -e fails ] || { echo 'Error: cannot read the store' >&2; exit 125; } ;;
*) exit 125 ;;
esac
"""


def test_what_docker_says_beside_its_answer_is_none(
    host: ByShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(tmp_path, monkeypatch, "docker", _NOTICES)
    monkeypatch.chdir(tmp_path)
    target = Target(name="lab", work_dir=str(tmp_path / "work"), runtime="docker", gpus=0)

    def seen() -> Overview:
        return look_over(host, work_dir="/w", lock_dir="/l", docker=target.docker, folders=(), patience=5)

    assert (seen().jobs, seen().troubles) == ((), ())
    place = Place(host=host, work_dir="/w", lock_dir="/l", docker=target.docker, store="s")
    assert (place.look().containers, place.look().troubles) == ((), ())
    facts = find_out(
        host,
        Wanted(images=("there", "gone")),
        work_dir=target.work_dir,
        lock_dir=None,
        docker=target.docker,
        store_id="s",
        hf_home=None,
        patience=5,
    )
    found = {(one.subject, one.grade): one for one in host_findings(target, facts, seen())}
    assert "podman" in found["docker", "warning"].seen
    assert found["docker", "ok"].seen == "client 4.9.3"
    assert found["image", "ok"].seen.startswith("there, 68.4 MB, made 2026-11-25, sha256:12")
    assert found["image", "ok"].seen.endswith("run in it as root, and not as its USER 4711:4711")
    assert found["image", "problem"].seen == "this machine has no Docker image gone"
    assert not [words for one in found.values() for words in (one.seen, one.remedy) if "Emulate" in words]
    assert "leftovers" not in dict(found)
    Path("fails").touch()
    for troubles in (seen().troubles, place.look().troubles):
        assert any("Docker failed" in words and "cannot read the store" in words for words in troubles)


def test_programs_that_hang_are_left_alone(host: ByShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = stub(tmp_path, monkeypatch, "nvidia-smi", "sleep 60")

    seen = look_over(host, work_dir=str(tmp_path), lock_dir=str(tmp_path / "line"), docker=None, folders=(), patience=1)

    assert seen.troubles == ("nvidia-smi did not answer in time",)
    assert seen.gpus == ()
    told = subprocess.run(["pgrep", "-f", str(hangs)], capture_output=True, text=True, check=False)
    assert told.stdout == ""
