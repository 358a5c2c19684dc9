"""Records to rows and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import fields
from sqlalchemy import Row

from cosmos_core.convert import from_json, to_json
from cosmos_core.store.records import (
    Artifact,
    InputRecord,
    JobRecord,
    Link,
    Paused,
    ProgressRecord,
    PromptRecord,
    Queue,
    RunRecord,
)
from cosmos_core.values import Failure, Media

_RUN_JSON = {"paused", "queue", "error"}
_OUTPUTS = ("values", "text")


def prompt_row(prompt: PromptRecord) -> dict[str, Any]:
    """The columns of a prompt; its tags have a table of their own."""
    return {
        "id": prompt.id,
        "model_type": prompt.model_type,
        "prompt_text": prompt.prompt_text,
        "name": prompt.name,
        "inputs": to_json(prompt.inputs),
        "parameters": prompt.parameters,
        "model_config": prompt.model_config,
        "created_at": prompt.created_at,
        "parent_id": prompt.parent_id,
    }


def prompt_of(row: Row[Any], tags: Iterable[str]) -> PromptRecord:
    """A prompt from its row."""
    columns = dict(row._mapping)
    inputs = tuple(from_json(InputRecord, i) for i in columns.pop("inputs"))
    return PromptRecord(inputs=inputs, tags=tuple(tags), **columns)


def run_row(run: RunRecord) -> dict[str, Any]:
    """The columns of a run; tags, artifacts, links and progress have tables of their own."""
    names = [
        "id",
        "prompt_id",
        "group_id",
        "job_id",
        "retry_of",
        "model_type",
        "name",
        "status",
        "target",
        "toolkit",
        "simulated",
        "created_at",
        "submitted_at",
        "started_at",
        "completed_at",
        "execution_config",
        "metadata",
        "cancel_requested_at",
        "reachable",
        "checked_at",
        "rating",
        "scores",
    ]
    row = {name: getattr(run, name) for name in names}
    return (
        row
        | run_changes({"values": run.values, "text": run.text, "warnings": run.warnings})
        | run_changes({"paused": run.paused, "queue": run.queue, "error": run.error})
    )


def run_changes(changes: Mapping[str, Any], outputs: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Changed fields of a run as columns; `outputs` is what that column holds now."""
    columns: dict[str, Any] = {}
    said = dict(outputs or {})
    for name, value in changes.items():
        if name in _OUTPUTS:
            said[name] = value
            columns["outputs"] = said
        elif name == "warnings":
            columns[name] = list(value)
        else:
            columns[name] = to_json(value) if name in _RUN_JSON and value is not None else value
    return columns


def run_of(
    row: Row[Any],
    *,
    tags: Iterable[str],
    artifacts: Iterable[Artifact],
    parents: Iterable[Link],
    progress: ProgressRecord | None,
    first_step: ProgressRecord | None,
) -> RunRecord:
    """A run from its rows."""
    columns = dict(row._mapping)
    outputs = columns.pop("outputs")
    paused, queue, error, warnings = (columns.pop(name) for name in ("paused", "queue", "error", "warnings"))
    return RunRecord(
        **columns,
        values=outputs.get("values", {}),
        text=outputs.get("text"),
        paused=from_json(Paused, paused) if paused else None,
        queue=from_json(Queue, queue) if queue else None,
        error=from_json(Failure, error) if error else None,
        warnings=tuple(warnings),
        tags=tuple(tags),
        artifacts=tuple(artifacts),
        parents=tuple(parents),
        progress=progress,
        first_step=first_step,
    )


def job_row(job: JobRecord) -> dict[str, Any]:
    """The columns of a job."""
    return {field.name: getattr(job, field.name) for field in fields(JobRecord)}


def job_of(row: Row[Any]) -> JobRecord:
    """A job from its row."""
    return JobRecord(**row._mapping)


def artifact_row(run_id: str, position: int, artifact: Artifact) -> dict[str, Any]:
    """The columns of an artifact."""
    names = ("name", "role", "remote", "path", "bytes", "sha256")
    media = to_json(artifact.media) if artifact.media else None
    return {"run_id": run_id, "position": position, "media": media} | {n: getattr(artifact, n) for n in names}


def artifact_of(row: Row[Any]) -> Artifact:
    """An artifact from its row."""
    columns = dict(row._mapping)
    media = columns.pop("media")
    del columns["run_id"], columns["position"]
    return Artifact(media=from_json(Media, media) if media else None, **columns)


def progress_row(run_id: str, progress: ProgressRecord) -> dict[str, Any]:
    """The columns of a row of progress."""
    return {"run_id": run_id} | {n: getattr(progress, n) for n in ("timestamp", "stage", "percentage", "message")}


def progress_of(row: Row[Any]) -> ProgressRecord:
    """Progress from its row."""
    return ProgressRecord(timestamp=row.timestamp, stage=row.stage, percentage=row.percentage, message=row.message)
