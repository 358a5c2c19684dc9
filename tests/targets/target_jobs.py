"""Jobs in real folders, what of them is alive, and waiting for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import uuid4

from real_processes import until as until

from cosmos_core.targets.host import Tree
from cosmos_core.targets.jobdir import JobDir
from cosmos_core.targets.local import LocalHost
from cosmos_core.targets.process import process
from cosmos_core.targets.script import GpuWish, Runtime, Script


class Jobs:
    """Makes jobs; what is left of their processes is killed in the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[JobDir] = []

    def job(self, *argv: str, name: str | None = None, limit: float | None = None) -> JobDir:
        """A staged job that runs `argv`."""
        return self.script(process(argv, {}, str(self.folder)).work, name=name, limit=limit)

    def script(
        self, work: str, *, name: str | None = None, limit: float | None = None, gpus: GpuWish | None = None
    ) -> JobDir:
        """A staged job whose work is shell text."""
        return self.stage(Runtime(kind="process", work=work), name=name, limit=limit, gpus=gpus)

    def stage(
        self, runtime: Runtime, *, name: str | None = None, limit: float | None = None, gpus: GpuWish | None = None
    ) -> JobDir:
        """A staged job."""
        job_id = name or f"jb_{uuid4().hex[:10]}"
        job = JobDir(host=LocalHost(), path=str(self.folder / "jobs" / job_id), job_id=job_id)
        script = Script(job_id=job_id, dir=job.path, runtime=runtime, gpus=gpus, time_limit_s=limit)
        files = [("job.sh", script.content, 0o700)]
        job.host.lay_out(job.path, Tree(folders=["inputs", "outputs", "tmp"], files=files))
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


def keeper(job: JobDir, claim: int = 1) -> int:
    """The process that keeps a job, as its claim says."""
    return int(Path(job.at(f"claim.{claim}")).readlink().name.split()[0])


def exit_code(job: JobDir) -> int | None:
    """What its exit code file says, once there is one."""
    file = Path(job.at("exit_code"))
    return int(file.read_text(encoding="ascii")) if file.exists() else None


def has(job: JobDir, mark: str) -> bool:
    """Whether job.sh left that mark."""
    return Path(job.at(mark)).exists()
