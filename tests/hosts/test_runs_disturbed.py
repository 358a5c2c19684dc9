"""What happens beside a run while it is under way: to the database, to the clock, to one of its workers."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing

import pytest
from lab import ENDLESS, SLOW, Laptop, job_folder, owned, until, whole
from real_clock import by_clock
from real_parts import GpuHosts, real
from real_processes import HANG_S, environment_of, everything
from real_session import program

MakeLaptop = Callable[..., Laptop]


def test_a_database_that_somebody_holds_is_waited_for(gpu_host: GpuHosts, laptop: MakeLaptop) -> None:
    host = gpu_host("eve", "process", **SLOW)
    mine = laptop(host)
    cosmos = mine.cosmos()
    run = mine.store_run(cosmos)
    moving = mine.popen("inference", run.id)
    until(lambda: cosmos.store.run(run.id).status == "running")
    with closing(sqlite3.connect(mine.folder / "home" / "cosmos.db", timeout=20, isolation_level=None)) as database:
        database.execute("begin immediate")
        until((job_folder(host, cosmos.store.run(run.id)) / "exit_code").exists)  # and nobody can write that down
        assert moving.poll() is None
        database.execute("rollback")
    _, said = moving.communicate(timeout=HANG_S)
    assert moving.returncode == 0, said
    assert "locked" not in said
    whole(cosmos.store.run(run.id), host)


# The library that moves the clock does not know the call behind time.sleep.
UNDER_ANOTHER_CLOCK = """
import sys, threading, time
time.sleep = lambda seconds: threading.Event().wait(float(seconds)) and None
from cosmos_core.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("off", ["-86400", "+86400"])
def test_a_clock_that_is_moved_meanwhile_changes_nothing(gpu_host: GpuHosts, laptop: MakeLaptop, off: str) -> None:
    real(lambda: program("faketime", "faketime"))
    host = gpu_host("eve", "process", **SLOW)
    mine = laptop(host)
    clock = mine.folder / "clock"
    clock.write_text("+0\n")

    def client(*words: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", UNDER_ANOTHER_CLOCK, *words]
        return subprocess.Popen(argv, env={**mine.environ, **by_clock(clock)}, stderr=subprocess.PIPE, text=True)

    cosmos = mine.cosmos()
    run = mine.store_run(cosmos, parameters={"num_steps": 10})
    first = client("inference", run.id)
    until(lambda: cosmos.store.run(run.id).status == "running")
    clock.write_text(f"{off}\n")
    second = client("wait", run.id)
    for one in (first, second):
        _, said = one.communicate(timeout=HANG_S)
        assert one.returncode == 0, said
    done = cosmos.store.run(run.id)
    whole(done, host)
    assert done.started_at
    assert done.completed_at
    assert 0 < (done.completed_at - done.started_at).total_seconds() < 60  # by the host's clock


def test_a_worker_that_is_killed_fails_its_run_and_takes_the_others_with_it(
    gpu_host: GpuHosts, laptop: MakeLaptop
) -> None:
    host = gpu_host("eve", "process", **ENDLESS)
    mine = laptop(host)
    cosmos = mine.cosmos()
    run = cosmos.start(mine.store_run(cosmos, gpus=2).id)

    def all_of_it() -> list[int]:
        return [pid for pid in everything() if f"COSMOS_JOB={run.job_id}" in environment_of(pid).split("\n")]

    def ranks() -> list[int]:
        return [pid for pid in all_of_it() if _leads_a_session(pid)]  # as torchrun starts each

    until(lambda: len(ranks()) == 2)
    os.kill(ranks()[0], signal.SIGKILL)
    ended = cosmos.follow(run.id)
    assert ended.status == "failed"
    assert ended.error
    assert not all_of_it()
    owned(host, job_folder(host, ended))


def _leads_a_session(pid: int) -> bool:
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:  # it has just ended
        return False
