"""Jobs in real folders, what of them is alive, and waiting for it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from cosmos_core.targets import process
from cosmos_core.targets.jobdir import JobDir
from cosmos_core.targets.local import LocalHost

T = TypeVar("T")


class Jobs:
    """Makes jobs; what is left of their processes is killed in the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[JobDir] = []

    def job(self, *argv: str, name: str | None = None, limit: float | None = None) -> JobDir:
        """A staged job that runs `argv`."""
        return self.script(process.work(argv, {}, str(self.folder)), name=name, limit=limit)

    def script(self, work: str, *, name: str | None = None, limit: float | None = None) -> JobDir:
        """A staged job whose work is shell text."""
        job_id = f"jb_{uuid4().hex[:10]}"
        job = JobDir(host=LocalHost(), path=str(self.folder / "jobs" / (name or job_id)), job_id=job_id)
        job.make()
        job.write_script(work, limit)
        self.made.append(job)
        return job

    def end(self) -> None:
        """Kill everything that carries one of the jobs' ids, and the keepers."""
        for job in self.made:
            for pid in [*processes(job.job_id), *keepers(job.path)]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue


def until(condition: Callable[[], T], seconds: float = 20.0) -> T:
    """The first truthy answer of `condition`; AssertionError once the time is up."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"still {answer!r} after {seconds} s")
        time.sleep(0.01)
    return answer


def _of_proc(name: str, wanted: bytes) -> Iterator[int]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if wanted in (folder / name).read_bytes().split(b"\0"):
                yield int(folder.name)
        except OSError:
            continue  # it has just ended


def processes(job_id: str) -> Sequence[int]:
    """The processes whose environment carries the job's id."""
    return list(_of_proc("environ", f"COSMOS_JOB={job_id}".encode()))


def keepers(path: str) -> Sequence[int]:
    """The shells that run that folder's job.sh."""
    return list(_of_proc("cmdline", f"{path}/job.sh".encode()))


def keeper(job: JobDir) -> int:
    """The process that keeps a job, as its claim says."""
    return int(Path(job.at("claim")).readlink().name.split()[0])
