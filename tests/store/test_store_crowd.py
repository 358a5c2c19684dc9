"""A crowd of processes at one store: they find it old, write, move runs, and want the same leases and runs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import create_engine, text
from store_records import a_job, at, stored_run
from store_together import together

from cosmos_core.store import Store, database
from cosmos_core.store.records import Filter

JOBS = 3
RUNS = 4
MOVED = ["uploading", "running", "downloading", "completed"]


@pytest.fixture
def old(nowhere: str) -> str:
    """The address of a database that the first version of the program made."""
    if nowhere.startswith("sqlite"):
        Path(nowhere.removeprefix("sqlite:///")).parent.mkdir()
    engine = create_engine(nowhere)
    with engine.begin() as connection:
        config = database._alembic()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        at = "2026-03-01T12:00:00.000000Z"
        connection.execute(text("INSERT INTO store VALUES ('the-old-one', :at, :no)"), {"at": at, "no": False})
    engine.dispose()
    return nowhere


@pytest.mark.timeout(240)
def test_processes_that_open_an_old_database_at_once_bring_it_up_to_date_once(old: str) -> None:
    assert together([("open_fresh", old)] * 6) == ["the-old-one"] * 6
    with Store.open(old) as store:
        assert store.prompts().total == 6


@pytest.mark.timeout(600)
@pytest.mark.parametrize("crowd", [20, pytest.param(50, marks=pytest.mark.long)])
def test_many_processes_write_and_move_at_once_and_nothing_is_lost_or_taken_twice(nowhere: str, crowd: int) -> None:
    with Store.open(nowhere) as store:
        jobs = {}
        for _ in range(JOBS):
            run = stored_run(store)
            job = a_job(document={"run": run.id})
            store.release_lease(job.id, store.submit(run.id, job, "me", 10, now=at(0)))
            jobs[job.id] = run.id
        wanted = [stored_run(store).id for _ in range(RUNS)]
        act = ("crowd", nowhere)
        said = [
            json.loads(answer)
            for answer in together([(*act, str(n), ",".join(jobs), ",".join(wanted)) for n in range(crowd)])
        ]

        assert {one["store"] for one in said} == {store.id}
        own = [one["own"] for one in said]
        runs = {run.id: run for run in store.runs(Filter(limit=1000)).items}
        assert set(runs) == {*own, *jobs.values(), *wanted}
        for run_id in own:
            assert runs[run_id].status == "completed"
            assert runs[run_id].values == {"completed": True}
            assert [row.message for row in store.progress(run_id)] == MOVED
            assert len(runs[run_id].artifacts) == 1

        claims = Counter((job, epoch) for one in said for job, epoch in one["claims"])
        assert set(claims.values()) == {1}
        for job, run_id in jobs.items():
            assert runs[run_id].values == {"count": crowd}
            assert sorted(epoch for known, epoch in claims if known == job) == list(range(2, 2 + crowd))

        assert sorted(run for one in said for run in one["won"]) == sorted(wanted)
        remembered = store.digest("/shared/street.mp4", 1, 2, 3)
        assert remembered is not None
        assert remembered[0] in own
