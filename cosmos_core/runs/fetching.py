"""Outputs that somebody asks for: those of a run that ended, and those of a run whose job has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from attrs import evolve

from cosmos_core.errors import TargetUnusable, UsageError
from cosmos_core.runs.collect import fetch, lacking, refuse_what_is_gone
from cosmos_core.runs.journey import OnChange
from cosmos_core.runs.mover import Mover
from cosmos_core.runs.plan import config_of
from cosmos_core.runs.reasons import has_more
from cosmos_core.runs.transfer import Transfer
from cosmos_core.store.records import ProgressRecord, RunRecord

Which = Literal["all", "results"]


def bring(mover: Mover, run_id: str, what: Which, on_change: OnChange | None = None) -> RunRecord:
    """Bring outputs of a run here. One whose job has ended ends by it, and leaves the others on the host.

    Raises UsageError where there is nothing to fetch, or where another process moves the run; TargetUnusable.
    """
    run = mover.store.run(run_id)
    if run.status == "lost" and not run.artifacts:
        run = mover.go_on(run.id, "now")  # there may be files of it all the same
    moved = run.status in ("running", "downloading", "parsing")
    if moved:
        run = _ended(mover.fetch(run.id, what, on_change))
    if not run.job_id or not run.artifacts:
        raise UsageError(f"{run.id} is {run.status} and has no outputs", hint=f"see `cosmos show {run.id}`")
    return run if moved and not lacking(run, what) else _bring(mover, run, run.job_id, what, on_change)


def _ended(run: RunRecord) -> RunRecord:
    if run.paused is not None and not run.ended:
        raise TargetUnusable(run.paused.reason, hint=run.paused.hint)
    if run.status == "running":
        raise UsageError(
            f"{run.id} is still running: its outputs can be fetched once it has ended",
            hint=f"`cosmos attach {run.id}` follows it",
        )
    return run


def _bring(mover: Mover, run: RunRecord, job_id: str, what: Which, on_change: OnChange | None) -> RunRecord:
    job = mover.store.job(job_id)
    refuse_what_is_gone(run, job, what)
    host = mover.hosts.of(config_of(run).target)
    began = datetime.now(UTC)

    def tell(share: float | None, words: str) -> None:
        if on_change:
            percentage = None if share is None else share * 100
            told = ProgressRecord(
                timestamp=datetime.now(UTC), stage="downloading", percentage=percentage, message=words
            )
            on_change(evolve(run, status="downloading", started_at=began, progress=told))

    folder, outputs = mover.config.outputs_dir / run.id, f"{job.dir}/outputs"
    try:
        artifacts = fetch(run.artifacts, host, outputs, folder, what, on_download=Transfer(tell))
    except TargetUnusable as error:
        again = f"cosmos fetch {run.id}{' --only results' if what == 'results' else ''}"
        hint = error.hint.replace("cosmos sync", again)  # which moves no run that has ended
        if what == "all" and not error.transient and lacking(run, "results") and has_more(run):
            hint += f"; or `cosmos fetch {run.id} --only results` brings the results only"
        raise TargetUnusable(error.message, hint=hint, transient=error.transient) from error
    mover.store.put_artifacts(run.id, artifacts)
    return evolve(run, artifacts=artifacts)
