"""Why a job did not begin, or is lost, in words with a way out."""

from __future__ import annotations

from cosmos_core.errors import TargetUnusable
from cosmos_core.runs.collect import Ending
from cosmos_core.runs.plan import ExecutionConfig
from cosmos_core.store.records import RunRecord
from cosmos_core.targets.docker import refused
from cosmos_core.targets.jobdir import JobDir
from cosmos_core.values import Failure


def refusal(jobdir: JobDir, config: ExecutionConfig) -> TargetUnusable | None:
    """Why job.sh did not begin, where it says so: nothing of the job ever ran. Else it is about to."""
    host = jobdir.host.name
    why, words = jobdir.refusal()
    if why == "busy":
        return TargetUnusable(
            f"no GPU of {host} is free: {words}", hint="`cosmos sync` tries again; --if-busy wait waits"
        )
    if not words:
        return None
    if config.target.runtime == "docker":
        return refused(host, config.target.docker, words)
    return TargetUnusable(f"the job cannot start on {host}: {words}", hint="then `cosmos sync`")


def silent(jobdir: JobDir) -> TargetUnusable:
    """It was started, and nothing comes of it."""
    return TargetUnusable(
        f"job.sh on {jobdir.host.name} was called and has not begun",
        hint=f"look into {jobdir.path}/keeper.log there, then `cosmos sync`",
    )


def docker_away(jobdir: JobDir) -> TargetUnusable:
    """Nobody can say what becomes of its container."""
    return TargetUnusable(
        f"Docker on {jobdir.host.name} does not answer",
        hint="`sudo systemctl start docker` there; `cosmos sync` looks again",
        transient=True,
    )


def instead(run: RunRecord, config: ExecutionConfig) -> str:
    """What somebody may do who cannot, or will not, make way for a whole download."""
    less = f"`cosmos fetch {run.id} --only results` brings the results only, "
    fewer = less if config.fetch == "all" and has_more(run) else ""
    return f"; or {fewer}`cosmos cancel {run.id}` leaves them on {run.target}"


def has_more(run: RunRecord) -> bool:
    """Whether there is more to fetch than results."""
    return any(artifact.role == "control" and artifact.path is None for artifact in run.artifacts)


def loss(run: RunRecord, jobdir: JobDir, config: ExecutionConfig, seen: str, left: Ending | None = None) -> Failure:
    """A job of which there is no evidence any more; `seen` is how it was found, `left` what it wrote."""
    words = {
        "gone": f"its {'container is' if config.target.runtime == 'docker' else 'processes are'} gone"
        " and left no exit code",
        "absent": f"its folder {jobdir.path} is gone",
        "idle": "it was started, and its folder knows nothing of that",
    }.get(seen, f"it was seen {seen}")
    hint = f"`cosmos logs {run.id}` shows what there is; `cosmos retry {run.id}` runs it again"
    if left is not None and left.outputs.failure:
        words += f"; {left.outputs.failure.message}"
    elif left is not None:
        words += "; all files that it had to write are there"
        hint = (
            f"look at the result, it may well be whole: `cosmos path {run.id}`; `cosmos retry {run.id}` runs it again"
        )
    return Failure(code="lost", message=f"what became of the job on {jobdir.host.name} is unknown: {words}", hint=hint)
