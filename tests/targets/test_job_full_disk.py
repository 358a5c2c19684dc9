"""job.sh where nothing more can be written: what it was told still holds, and the end is told once there is room."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_disk import small_disk
from real_parts import real
from target_jobs import Jobs, exit_code, has, processes, until


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A disk on which the job's folder fits, and nothing else: remove `ballast` to make room."""
    disk = small_disk(tmp_path / "disk", 1)
    yield real(disk.__enter__)
    disk.__exit__(None, None, None)


def fill(ballast: Path) -> None:
    """Write until there is no room."""
    with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.parametrize(("limit", "code"), [(600, 0), (1, 143)])
def test_the_time_limit_holds_on_a_full_disk(full: Path, limit: int, code: int) -> None:
    jobs = Jobs(full)
    job = jobs.job("sleep", "3", limit=limit)
    ballast = full / "ballast"
    try:
        fill(ballast)
        job.start({})
        until(lambda: processes(job.job_id))
        assert Path(job.at("started")).read_bytes() == b""  # there was no room for the time
        until(lambda: not processes(job.job_id))
        ballast.unlink()
        until(lambda: exit_code(job) is not None)
        assert (exit_code(job), has(job, "timed_out")) == (code, code != 0)
    finally:
        jobs.end()
