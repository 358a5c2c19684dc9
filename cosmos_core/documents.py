"""The JSON shapes that users and scripts see, made from the records. Times are RFC 3339 in UTC.

The command line and everything that serves JSON speak through these functions, so that one run looks the same
everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cosmos_core.errors import CosmosError
    from cosmos_core.runs.check import Check
    from cosmos_core.runs.clean import Cleaned, CleanPlan
    from cosmos_core.runs.dry import DryRun
    from cosmos_core.runs.leftovers import Leftover, Leftovers
    from cosmos_core.runs.smoke import Smoke
    from cosmos_core.runs.status import JobStatus, TargetStatus, Waiting
    from cosmos_core.store.records import Artifact, InputRecord, Page, PromptRecord, RunRecord
    from cosmos_core.targets.overview import GpuUse
    from cosmos_core.targets.ssh.trust import OfferedKey
    from cosmos_core.values import Media, Problem

Document = dict[str, Any]


def rfc3339(moment: datetime | None) -> str | None:
    """`2026-11-24T00:39:52.120Z`."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: mappings, lists, text, numbers; NaN and infinity become null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if hasattr(value, "__attrs_attrs__"):
        return {field.name: plain(getattr(value, field.name)) for field in value.__attrs_attrs__}
    return value


_WORTH_PERCENT, _WORTH_S = 2.0, 10.0
_LAST_PERCENT = 90.0  # from then on results are decoded, checked and written, at a pace of its own


def eta_s(run: RunRecord, now: datetime | None = None) -> float | None:
    """Seconds that the model's work will still take at its pace since its first step, from its last progress on or
    from `now`; None while that is not worth saying. All moments are by the clock of who read the log.
    """
    progress, first = run.progress, run.first_step
    if run.status != "running" or run.paused or progress is None or first is None or progress.stage != "inference":
        return None
    gained = (progress.percentage or 0.0) - (first.percentage or 0.0)
    spent = (progress.timestamp - first.timestamp).total_seconds()
    if gained < _WORTH_PERCENT or spent < _WORTH_S or (progress.percentage or 0.0) >= _LAST_PERCENT:
        return None
    left = spent * (100 - (progress.percentage or 0.0)) / gained
    left -= (now - progress.timestamp).total_seconds() if now else 0.0
    return round(left, 1) if left > 0 else None


def progress_document(run: RunRecord, now: datetime | None = None) -> Document | None:
    """The latest progress of a run, or None before there is any; the time left is from then or from `now` on."""
    if run.progress is None:
        return None
    return {
        "stage": run.progress.stage,
        "percentage": plain(run.progress.percentage),
        "message": run.progress.message,
        "eta_s": eta_s(run, now),
    }


def queue_document(run: RunRecord) -> Document | None:
    """The place of a run in its host's line for GPUs, or None where it does not wait there."""
    return None if run.queue is None or run.ended else {"position": run.queue.position, "ahead": run.queue.ahead}


def run_document(run: RunRecord, prompt: PromptRecord | None = None) -> Document:
    """A run; with `prompt`, the prompt's document under that key too."""
    document: Document = {
        "id": run.id,
        "prompt_id": run.prompt_id,
        "group_id": run.group_id,
        "job_id": run.job_id,
        "retry_of": run.retry_of,
        "model_type": run.model_type,
        "name": run.name,
        "status": run.status,
        "target": run.target,
        "toolkit": run.toolkit,
        "simulated": run.simulated,
        "created_at": rfc3339(run.created_at),
        "submitted_at": rfc3339(run.submitted_at),
        "started_at": rfc3339(run.started_at),
        "completed_at": rfc3339(run.completed_at),
        "execution_config": plain(run.execution_config),
        "outputs": {
            "files": dict(run.outputs.files),
            "values": plain(run.outputs.values),
            "artifacts": [_artifact(artifact) for artifact in run.artifacts],
        },
        "metadata": plain(run.metadata),
        "warnings": list(run.warnings),
        "progress": progress_document(run, datetime.now(UTC)),
        "queue": queue_document(run),
        "paused": None if run.paused is None else {"since": rfc3339(run.paused.since), "reason": run.paused.reason},
        "cancel_requested_at": rfc3339(run.cancel_requested_at),
        "reachable": run.reachable,
        "checked_at": rfc3339(run.checked_at),
        "error": None
        if run.error is None
        else {"code": run.error.code, "message": run.error.message, "hint": run.error.hint},
        "parents": [{"run_id": link.parent_id, "artifact": link.artifact, "slot": link.slot} for link in run.parents],
        "tags": list(run.tags),
        "rating": run.rating,
        "scores": plain(run.scores),
    }
    if run.text is not None:
        document["outputs"]["text"] = run.text
    if prompt is not None:
        document["prompt"] = prompt_document(prompt)
    return document


def _artifact(artifact: Artifact) -> Document:
    return {
        "name": artifact.name,
        "role": artifact.role,
        "path": artifact.path,
        "remote": artifact.remote,
        "bytes": artifact.bytes,
        "sha256": artifact.sha256,
        "media": _media(artifact.media),
    }


def _media(media: Media | None) -> Document | None:
    return None if media is None else plain(media)


def prompt_document(prompt: PromptRecord) -> Document:
    """A stored prompt."""
    return {
        "id": prompt.id,
        "model_type": prompt.model_type,
        "prompt_text": prompt.prompt_text,
        "name": prompt.name,
        "inputs": [_input(item) for item in prompt.inputs],
        "parameters": plain(prompt.parameters),
        "model_config": plain(prompt.model_config),
        "created_at": rfc3339(prompt.created_at),
        "parent_id": prompt.parent_id,
        "tags": list(prompt.tags),
    }


def _input(item: InputRecord) -> Document:
    document: Document = plain(item)
    document["media"] = _media(item.media)
    return document


def any_document(record: PromptRecord | RunRecord) -> Document:
    """The document of a record whose kind is not known beforehand."""
    return run_document(record) if record.id.startswith("rs_") else prompt_document(record)  # type: ignore[arg-type]


def page_document(page: Page[Any]) -> Document:
    """One page of prompts or runs."""
    items = [any_document(item) for item in page.items]
    return {"items": items, "total": page.total, "limit": page.limit, "next": page.next}


def items_document(items: list[Document]) -> Document:
    """A list that is all there is, in the shape of a page."""
    return {"items": items, "total": len(items), "limit": len(items), "next": None}


def target_status_document(target: TargetStatus) -> Document:
    """A target as it is now, who uses it, and what of ours is there."""
    return {
        "name": target.name,
        "host": target.host,
        "simulated": target.simulated,
        "reachable": target.reachable,
        "message": target.words,
        "hint": target.hint,
        "gpus": target.gpus,
        "gpu_list": [_gpu(use, target) for use in target.gpu_list],
        "running": [run.id for run in target.running],
        "waiting": [run.id for run in target.waiting],
        "jobs": [_job_status(job) for job in target.jobs],
        "line": [_waiting(one) for one in target.line],
        "unaccounted": [plain(one) for one in target.unaccounted],
        "not_seen": list(target.troubles),
    }


def _gpu(use: GpuUse, target: TargetStatus) -> Document:
    runs = {job.seen.id: job.run.id for job in target.jobs if job.run}
    return {
        "index": use.gpu.index,
        "name": use.gpu.name,
        "memory_mib": use.gpu.memory_mib,
        "used_mib": use.gpu.used_mib,
        "load": use.gpu.load,
        "ours": use.gpu.index in target.our_gpus,
        "job": use.held_by,
        "run": runs.get(use.held_by or ""),
        "used_by_others": use.used_by_others,
        "processes": [
            {"pid": one.pid, "user": one.user, "memory_mib": one.memory_mib, "job": one.job} for one in use.processes
        ],
    }


def _job_status(job: JobStatus) -> Document:
    seen, run = job.seen, job.run
    return {
        "job": seen.id,
        "run": run.id if run else None,
        "ours": job.ours,
        "user": seen.user,
        "store": seen.store,
        "state": seen.state,
        "since": rfc3339(seen.since),
        "gpus": list(seen.gpus),
        "ahead": job.ahead,
        "dir": seen.dir,
        "stored": run.status if run else None,
        "paused": run.paused.reason if run and run.paused else None,
    }


def _waiting(one: Waiting) -> Document:
    ticket = one.ticket
    return {
        "place": one.place,
        "job": ticket.job,
        "run": one.run.id if one.run else None,
        "ours": one.ours,
        "user": ticket.user,
        "store": ticket.store,
        "wants": ticket.want,
        "since": rfc3339(ticket.since),
    }


def check_document(check: Check, smokes: Sequence[Smoke] = (), report: PurePath | None = None) -> Document:
    """What was found out about a target, and what came of its toolkits' smallest jobs."""
    return {
        "target": check.target.name,
        "host": check.host,
        "usable": check.usable,
        "findings": [plain(finding) for finding in check.findings],
        "smoke": [_smoke(smoke) for smoke in smokes],
        "report": None if report is None else str(report),
    }


def _smoke(smoke: Smoke) -> Document:
    return {
        "toolkit": smoke.toolkit,
        "outcome": smoke.outcome,
        "seconds": dict(smoke.seconds),
        "exit_code": smoke.exit_code,
        "run": None if smoke.run is None else run_document(smoke.run),
    }


def clean_document(plan: CleanPlan, done: Cleaned | None) -> Document:
    """What would go from a target, or what went, and what stays; `done` is None where only that was asked."""
    gone = frozenset() if done is None else done.gone
    return {
        "target": plan.target.name,
        "host": plan.host,
        "reachable": plan.reachable and not (done and done.words),
        "message": plan.words or (done.words if done else ""),
        "hint": plan.hint or (done.hint if done else ""),
        "bytes": plan.bytes if done is None else done.bytes,
        "jobs": [
            {
                "job": job.remains.id,
                "runs": [run.id for run in job.runs],
                "bytes": job.remains.bytes,
                "removed": bool({("job", job.remains.id), ("trash", job.remains.id)} & gone),
            }
            for job in plan.jobs
        ],
        "containers": [
            {"name": one.name, "job": one.job, "removed": ("container", one.name) in gone} for one in plan.containers
        ],
        "cache": [
            {"sha256": file.sha256, "bytes": file.bytes, "removed": ("cache", file.name) in gone} for file in plan.cache
        ],
        "tickets": plan.tickets if done is None else done.tickets,
        "kept": [{"job": one.id, "runs": list(one.runs), "reason": one.reason} for one in plan.kept]
        + [
            {"job": one.name, "runs": [], "reason": one.words}
            for one in (done.kept if done else ())
            if one.kind == "job"
        ],
        "not_seen": list(plan.troubles),
    }


def leftovers_document(plan: Leftovers, gone: Container[Leftover]) -> Document:
    """What would go from this machine, or went, and what stays."""
    return {
        "folder": str(plan.folder),
        "bytes": plan.bytes,
        "files": [
            {"path": str(file.path), "kind": file.kind, "bytes": file.bytes, "removed": file in gone}
            for file in plan.files
        ],
        "kept": [{"path": str(path), "reason": reason} for path, reason in plan.kept],
    }


def offered_key_document(target: str, key: OfferedKey, *, stored: bool) -> Document:
    """A host key as it was offered, and whether it is known now."""
    return {
        "target": target,
        "host": key.host,
        "port": key.port,
        "key_type": key.key_type,
        "fingerprint": key.fingerprint,
        "via": list(key.via),
        "known": key.known,
        "changed": key.changed,
        "old_fingerprint": key.old_fingerprint,
        "file": str(key.file),
        "stored": stored,
    }


def dry_run_document(dry_run: DryRun) -> Document:
    """What a run would do."""
    return {
        "problems": [problem_document(problem) for problem in dry_run.problems],
        "files": dict(dry_run.files),
        "inputs": dict(dry_run.inputs),
        "argv": list(dry_run.argv),
        "toolkit_argv": list(dry_run.toolkit_argv),
        "env": plain(dry_run.env),
        "cwd": dry_run.cwd,
        "image": dry_run.image,
        "resources": plain(dry_run.resources),
        "request_hash": dry_run.request_hash,
        "encodes": [_input(item) for item in dry_run.encodes],
    }


def problem_document(problem: Problem) -> Document:
    """One thing that is wrong with a request."""
    return {
        "field": problem.field,
        "message": problem.message,
        "hint": problem.hint,
        "code": problem.code,
        "severity": problem.severity,
    }


def error_document(error: CosmosError) -> Document:
    """An error that kept a command or a call from doing anything."""
    return {
        "error": {
            "code": error.code,
            "message": error.message,
            "hint": error.hint,
            "problems": [problem_document(problem) for problem in error.problems],
        }
    }
