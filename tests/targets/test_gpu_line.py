"""The line for GPUs: never two jobs on one, first come first served, and who dies leaves it."""

from __future__ import annotations

import itertools
import os
import re
import signal
import time
from pathlib import Path

import pytest
from target_jobs import Jobs, exit_code, has, keeper, keepers, processes, until

from cosmos_core.targets.jobdir import Evidence, JobDir
from cosmos_core.targets.script import GpuWish

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes by /proc")


@pytest.fixture(autouse=True)
def _shells(shell: str) -> None:
    """Every test here is run by every shell."""


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """Where the jobs of this test wait."""
    return tmp_path / "locks"


def wish(line: Path, count: int = 1, of: tuple[int, ...] = (0, 1), if_busy: str = "wait") -> GpuWish:
    return GpuWish(count=count, allowed=of, lock_dir=str(line), if_busy=if_busy, owner="user=me store=s")  # type: ignore[arg-type]


# One process from its beginning to its end, as a model is: a loop of ours would carry the job's id in its naps only.
WORK = """exec env go="$dir/go" sh -c '
echo "begin $CUDA_VISIBLE_DEVICES"; while [ ! -e "$go" ]; do sleep 0.05; done; echo "end"'"""


def waiter(jobs: Jobs, gpus: GpuWish) -> JobDir:
    """A job that works until its folder holds a file `go`."""
    job = jobs.script(WORK, gpus=gpus)
    job.start({})
    return job


def go(job: JobDir) -> None:
    Path(job.at("go")).touch()
    until(lambda: exit_code(job) == 0)


def given(job: JobDir) -> list[int]:
    """The GPUs that a job got, by what its work saw."""
    until(lambda: has(job, "run.log") and "begin" in Path(job.at("run.log")).read_text())
    seen = re.search(r"begin ([\d,]*)", Path(job.at("run.log")).read_text())
    assert seen
    told = [int(index) for index in Path(job.at("gpus")).read_text().split()]
    assert told == [int(index) for index in seen[1].split(",")]
    return told


def waiting(job: JobDir) -> int | None:
    """How many are ahead of it; None where it does not wait."""
    return job.look().ahead


def tickets(line: Path) -> list[str]:
    return sorted(file.name for file in line.glob("ticket.*"))


def test_each_gets_its_own_and_the_third_waits(jobs: Jobs, line: Path) -> None:
    first, second = waiter(jobs, wish(line)), waiter(jobs, wish(line))
    assert sorted(given(first) + given(second)) == [0, 1]
    third = waiter(jobs, wish(line))
    until(lambda: waiting(third) == 0)
    assert not has(third, "started")
    fourth = waiter(jobs, wish(line))
    until(lambda: waiting(fourth) == 1)
    go(first)
    assert given(third) == given(first)
    until(lambda: waiting(fourth) == 0)
    go(second)
    assert given(fourth) == given(second)
    for job in (third, fourth):
        go(job)
    until(lambda: tickets(line) == [])


def test_a_wish_for_all_is_not_starved_by_wishes_for_one(jobs: Jobs, line: Path) -> None:
    small = waiter(jobs, wish(line))
    given(small)
    large = waiter(jobs, wish(line, 2))
    until(lambda: waiting(large) == 0)
    late = waiter(jobs, wish(line))
    until(lambda: waiting(late) == 1)  # a GPU is free, and it is not given to who came later
    assert not has(late, "started")
    go(small)
    assert given(large) == [0, 1]
    assert not has(late, "started")
    go(large)
    given(late)
    go(late)


def test_who_wants_other_gpus_is_not_in_the_way(jobs: Jobs, line: Path) -> None:
    holder = waiter(jobs, wish(line, 1, (0,)))
    assert given(holder) == [0]
    blocked = waiter(jobs, wish(line, 1, (0,)))
    until(lambda: waiting(blocked) == 0)
    assert given(waiter(jobs, wish(line, 2, (2, 3)))) == [2, 3]
    both = waiter(jobs, wish(line, 1, (0, 5)))
    until(lambda: waiting(both) == 1)  # it wants what the one before it wants


def test_a_waiter_that_is_killed_leaves_the_line(jobs: Jobs, line: Path) -> None:
    holder = waiter(jobs, wish(line, 1, (0,)))
    given(holder)
    killed = waiter(jobs, wish(line, 1, (0,)))
    until(lambda: waiting(killed) == 0)
    last = waiter(jobs, wish(line, 1, (0,)))
    until(lambda: waiting(last) == 1)
    os.kill(keeper(killed), signal.SIGKILL)
    until(lambda: waiting(last) == 0)
    assert killed.look() == Evidence(state="idle")
    go(holder)
    assert given(last) == [0]
    killed.start({})  # it never ran, so it may join the line again, at its end
    until(lambda: waiting(killed) == 0)
    go(last)
    assert given(killed) == [0]
    go(killed)


def test_a_waiter_that_is_stopped_leaves_the_line(jobs: Jobs, line: Path) -> None:
    holder = waiter(jobs, wish(line, 1, (0,)))
    given(holder)
    stopped = waiter(jobs, wish(line, 1, (0,)))
    until(lambda: waiting(stopped) == 0)
    stopped.stop()
    assert stopped.look() == Evidence(state="ended", exit_code=143)
    assert not has(stopped, "started")
    assert len(tickets(line)) == 1
    go(holder)


def test_work_that_outlives_its_keeper_keeps_its_gpus(jobs: Jobs, line: Path) -> None:
    orphan = waiter(jobs, wish(line, 1, (0,)))
    given(orphan)
    os.kill(keeper(orphan), signal.SIGKILL)
    next_one = waiter(jobs, wish(line, 1, (0,)))
    until(lambda: waiting(next_one) == 0)
    assert processes(orphan.job_id)
    Path(orphan.at("go")).touch()
    assert given(next_one) == [0]
    go(next_one)


def test_when_busy_it_may_give_up_and_try_again_later(jobs: Jobs, line: Path) -> None:
    holder = waiter(jobs, wish(line, 1, (0,)))
    given(holder)
    hasty = waiter(jobs, wish(line, 1, (0,), if_busy="fail"))
    until(lambda: hasty.refusal()[0] == "busy")
    assert "0" in hasty.refusal()[1]
    until(lambda: hasty.look() == Evidence(state="idle"))
    assert len(tickets(line)) == 1
    go(holder)
    hasty.start({})
    assert given(hasty) == [0]
    go(hasty)


def test_the_time_limit_does_not_count_the_wait(jobs: Jobs, line: Path) -> None:
    holder = waiter(jobs, wish(line, 1, (0,)))
    given(holder)
    limited = jobs.script("sleep 0.5; echo in time", gpus=wish(line, 1, (0,)), limit=1)
    limited.start({})
    until(lambda: waiting(limited) == 0)
    joined = next(line.glob(f"*.{limited.job_id}")).stat().st_mtime
    until(lambda: time.time() - joined > 1.5)  # longer than it may work
    go(holder)
    until(lambda: exit_code(limited) is not None)
    assert (exit_code(limited), has(limited, "timed_out")) == (0, False)


def test_a_folder_that_cannot_be_used_is_said_with_its_remedy(jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    job = waiter(jobs, wish(tmp_path / "file" / "locks"))
    until(lambda: job.refusal()[0] == "refused")
    assert "install -d -m 1777" in job.refusal()[1]
    assert job.look() == Evidence(state="idle")


def test_many_at_once_never_share_a_gpu(jobs: Jobs, line: Path, tmp_path: Path) -> None:
    """Each notes when it has which GPU, in a file that all append to."""
    ledger = tmp_path / "ledger"
    work = (
        f'echo "+ $job $CUDA_VISIBLE_DEVICES" >> {ledger}; sleep 0.1; echo "- $job $CUDA_VISIBLE_DEVICES" >> {ledger}'
    )
    counts = [1, 2, 1, 1, 3, 1, 2, 1, 1, 1]
    made = [jobs.script(work, gpus=wish(line, count, (0, 1, 2))) for count in counts]
    for job in made:
        job.start({})
    for job in made:
        until(lambda job=job: exit_code(job) == 0, seconds=60)  # type: ignore[misc]
    held: dict[str, str] = {}
    for entry in ledger.read_text().splitlines():
        sign, who, indexes = entry.split()
        for index in indexes.split(","):
            assert held.get(index) == (None if sign == "+" else who), entry
            if sign == "+":
                held[index] = who
            else:
                del held[index]
    assert not held
    until(lambda: not list(itertools.chain.from_iterable(keepers(job.path) for job in made)))
    assert tickets(line) == []


@pytest.mark.parametrize("folder", ["~/.locks", "locks"])
def test_a_line_of_each_jobs_own_would_be_none(jobs: Jobs, folder: str) -> None:
    job = waiter(jobs, GpuWish(count=1, allowed=(0,), lock_dir=folder, if_busy="wait", owner="user=me store=s"))
    until(lambda: has(job, "refused"))
    until(lambda: job.look().state == "idle")
    assert "no absolute path: correct lock_dir" in Path(job.at("refused")).read_text()
    assert not Path(job.at(folder)).exists()
