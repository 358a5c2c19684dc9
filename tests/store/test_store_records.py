"""What is stored comes back as it was: any text, any number, through a file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve
from hypothesis import example, given, settings
from hypothesis import strategies as st
from store_records import a_job, a_prompt, a_run, at, stored_run

from cosmos_core.errors import UsageError
from cosmos_core.store import Store, new_id
from cosmos_core.store.records import (
    STATES,
    Artifact,
    InputRecord,
    JobRecord,
    Link,
    Paused,
    ProgressRecord,
    PromptRecord,
    RunRecord,
)
from cosmos_core.values import Failure, Media

CHARACTERS = st.characters(exclude_categories=["Cs"])
TEXT = st.text(CHARACTERS, max_size=20) | st.sampled_from(
    ["", "\0", "🌧️ näß", 'it\'s "so"', "a\nb\r\n\tc", "$(rm -rf /)", "%_\\", "null", "'; DROP TABLE runs; --"]
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
INTEGERS = st.integers(0, 2**63 - 1)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
DOCUMENT = st.dictionaries(TEXT, JSON, max_size=3)
EARLY, LATE = datetime(2, 1, 1), datetime(9998, 1, 1)  # noqa: DTZ001  hypothesis gives them their zone
MOMENTS = st.datetimes(EARLY, LATE, timezones=st.just(UTC))
TAGS = st.sets(TEXT, max_size=3).map(lambda tags: tuple(sorted(tags)))  # a set: they come back sorted
SHA256 = st.text("0123456789abcdef", min_size=64, max_size=64)
MEDIA = st.builds(
    Media,
    kind=st.sampled_from(["video", "image", "unknown"]),
    width=st.none() | INTEGERS,
    frames=st.none() | INTEGERS,
    fps=st.none() | NUMBERS,
    pixel=st.none() | TEXT,
    rotation=st.none() | st.sampled_from([0, 90, 180, 270]),
)
FAILURES = st.builds(Failure, code=TEXT, message=TEXT, hint=TEXT, transient=st.booleans())
INPUTS = st.builds(
    InputRecord,
    slot=TEXT,
    ref=TEXT,
    name=TEXT,
    path=st.none() | TEXT,
    target=st.none() | TEXT,
    remote=st.none() | TEXT,
    artifact=st.none() | TEXT,
    sha256=st.none() | SHA256,
    bytes=st.none() | INTEGERS,
    media=st.none() | MEDIA,
)
PROMPTS = st.builds(
    PromptRecord,
    id=st.builds(new_id, st.just("ps")),
    model_type=TEXT,
    prompt_text=TEXT,
    name=TEXT,
    inputs=st.lists(INPUTS, max_size=3).map(tuple),
    parameters=DOCUMENT,
    model_config=DOCUMENT,
    created_at=MOMENTS,
    tags=TAGS,
)
RUNS = st.builds(
    RunRecord,
    id=st.builds(new_id, st.just("rs")),
    prompt_id=st.just(""),
    model_type=TEXT,
    name=TEXT,
    status=st.sampled_from(STATES),
    target=TEXT,
    toolkit=TEXT,
    simulated=st.booleans(),
    created_at=MOMENTS,
    submitted_at=st.none() | MOMENTS,
    started_at=st.none() | MOMENTS,
    completed_at=st.none() | MOMENTS,
    execution_config=DOCUMENT,
    values=DOCUMENT,
    text=st.none() | TEXT,
    metadata=DOCUMENT,
    warnings=st.lists(TEXT, max_size=3).map(tuple),
    paused=st.none() | st.builds(Paused, since=MOMENTS, reason=TEXT, hint=TEXT),
    cancel_requested_at=st.none() | MOMENTS,
    reachable=st.none() | st.booleans(),
    checked_at=st.none() | MOMENTS,
    error=st.none() | FAILURES,
    rating=st.none() | st.integers(1, 5),
    scores=st.dictionaries(TEXT, NUMBERS, max_size=3),
    tags=TAGS,
)
JOBS = st.builds(
    JobRecord,
    id=st.builds(new_id, st.just("jb")),
    target=TEXT,
    dir=TEXT,
    created_at=MOMENTS,
    document=DOCUMENT,
    bundle=DOCUMENT,
    command=DOCUMENT,
    exit_code=st.none() | st.integers(-255, 255),
    listing=st.none() | st.dictionaries(TEXT, INTEGERS, max_size=3),
)
ARTIFACTS = st.builds(
    Artifact,
    name=TEXT,
    role=TEXT,
    remote=TEXT,
    path=st.none() | TEXT,
    bytes=st.none() | INTEGERS,
    sha256=st.none() | SHA256,
    media=st.none() | MEDIA,
)
ROWS = st.builds(
    ProgressRecord,
    timestamp=MOMENTS,
    stage=TEXT,
    percentage=st.none() | st.floats(0, 100),
    message=TEXT,
)

thoroughly = settings(max_examples=40, deadline=None)


@thoroughly
@given(prompt=PROMPTS)
@example(prompt=a_prompt(prompt_text="🌧️ 'quoted' \"twice\"\nand $(never) run\0", tags=("a b", "ü")))
def test_a_prompt_comes_back_as_it_was(shared_store: Store, prompt: PromptRecord) -> None:
    prompt = evolve(prompt, id=new_id("ps"))
    child = a_prompt(parent_id=prompt.id)
    shared_store.add(prompt, None)
    shared_store.add(child, None)
    assert shared_store.prompt(prompt.id) == prompt
    assert shared_store.prompts_by_id([prompt.id, child.id]) == {prompt.id: prompt, child.id: child}


@thoroughly
@given(run=RUNS, artifacts=st.lists(ARTIFACTS, max_size=3).map(tuple), rows=st.lists(ROWS, max_size=3).map(tuple))
def test_a_run_comes_back_as_it_was(
    shared_store: Store, run: RunRecord, artifacts: tuple[Artifact, ...], rows: tuple[ProgressRecord, ...]
) -> None:
    parent = stored_run(shared_store)
    links = (Link(parent_id=parent.id, artifact="result", slot="video"),)
    run = evolve(run, id=new_id("rs"), prompt_id=parent.prompt_id, retry_of=parent.id, parents=links)
    shared_store.add(None, run)
    shared_store.put_artifacts(run.id, artifacts)
    for row in rows:
        shared_store.add_progress(run.id, row)
    latest = rows[-1] if rows else None
    steps = (row for row in rows if row.stage == "inference" and (row.percentage or 0) > 0)
    first = next(steps, None) if run.status == "running" else None
    assert shared_store.run(run.id) == evolve(run, artifacts=artifacts, progress=latest, first_step=first)
    assert shared_store.progress(run.id) == rows


@thoroughly
@given(job=JOBS)
def test_a_job_comes_back_as_it_was_with_its_lease(shared_store: Store, job: JobRecord) -> None:
    run = stored_run(shared_store)
    job = evolve(job, id=new_id("jb"))
    assert shared_store.submit(run.id, job, "machine:1:2", 0, now=at(0)) == 1
    assert shared_store.job(job.id) == evolve(job, epoch=1, holder="machine:1:2", lease_until=at(0))
    submitted = shared_store.run(run.id)
    assert (submitted.job_id, submitted.submitted_at) == (job.id, job.created_at)


@thoroughly
@given(values=DOCUMENT, text=st.none() | TEXT, failure=st.none() | FAILURES, warnings=st.lists(TEXT).map(tuple))
def test_changes_come_back_as_they_were(
    shared_store: Store, values: dict[str, Any], text: str | None, failure: Failure | None, warnings: tuple[str, ...]
) -> None:
    run, job = stored_run(shared_store, values={"old": 1}, text="old"), a_job()
    epoch = shared_store.submit(run.id, job, "me", 10, now=at(0))
    assert shared_store.note(run.id, job_epoch=epoch, values=values, error=failure, warnings=warnings)
    found = shared_store.run(run.id)
    assert (found.values, found.text, found.error, found.warnings) == (values, "old", failure, warnings)
    assert shared_store.note(run.id, job_epoch=epoch, text=text)
    found = shared_store.run(run.id)
    assert (found.values, found.text) == (values, text)


def test_artifacts_are_replaced_and_keep_their_order(store: Store) -> None:
    run = stored_run(store)
    two = tuple(Artifact(name=name, role="result", remote=f"/o/{name}") for name in ("z", "a"))
    store.put_artifacts(run.id, two)
    store.put_artifacts(run.id, two[::-1])
    assert store.run(run.id).artifacts == two[::-1]
    store.put_artifacts(run.id, ())
    assert store.run(run.id).artifacts == ()


def test_a_prompt_and_its_run_are_stored_both_or_neither(store: Store) -> None:
    known = stored_run(store)
    prompt = a_prompt()
    with pytest.raises(UsageError, match="stored already"):
        store.add(prompt, a_run(prompt.id, id=known.id))
    assert prompt.id not in store.prompts_by_id([prompt.id])
