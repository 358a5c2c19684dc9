"""Records to store, with what a test says of them and no more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cosmos_core.store import Store, new_id
from cosmos_core.store.records import JobRecord, PromptRecord, RunRecord

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """A moment so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def a_prompt(**said: Any) -> PromptRecord:
    """A prompt."""
    return PromptRecord(**{"id": new_id("ps"), "model_type": "m", "prompt_text": "rain", "created_at": NOON, **said})


def a_run(prompt_id: str, **said: Any) -> RunRecord:
    """A run of a prompt."""
    values = {"id": new_id("rs"), "model_type": "m", "target": "local", "toolkit": "k", "created_at": NOON}
    return RunRecord(prompt_id=prompt_id, **{**values, **said})


def a_job(**said: Any) -> JobRecord:
    """A job."""
    return JobRecord(**{"id": new_id("jb"), "target": "local", "dir": "/w/jb", "created_at": NOON, **said})


def stored_run(store: Store, **said: Any) -> RunRecord:
    """A run that is in the store, with a prompt of its own."""
    prompt = a_prompt()
    run = a_run(prompt.id, **said)
    store.add(prompt, run)
    return run


def submitted_run(store: Store, **said: Any) -> tuple[RunRecord, JobRecord]:
    """A run whose job is held by `first` for ten seconds, in epoch 1."""
    run, job = stored_run(store, **said), a_job()
    store.submit(run.id, job, "first", 10, now=at(0))
    return store.run(run.id), store.job(job.id)
